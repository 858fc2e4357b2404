/*
 * session_replies: see session_replies.h. Lines are found by the server's own reader
 * (fuzz-line looks at that); everything else here is written anew.
 */
#include "session_replies.h"

#include "base/num.h"
#include "pop3/command.h"

#include <stdio.h>

struct replies {
	const struct world *world;
	struct span rest; /* of what was received */
	enum event event;
	bool cut;
	bool deleted[WORLD_BEGIN_MAX + 1];
	bool quit, removed; /* QUIT was answered; with +OK */
};

/* The next line of a reply without CRLF; false: nothing more, or a part. */
static bool next_line(struct replies *r, struct span *line)
{
	const unsigned char *end = memmem(r->rest.p, r->rest.n, "\r\n", 2);

	if (!end)
		return false;
	*line = span_of(r->rest.p, (size_t)(end - r->rest.p));
	r->rest = span_tail(r->rest, line->n + 2);
	return true;
}

/* May the replies end here? */
static void expect_cut(const struct replies *r)
{
	FUZZ_CHECK(r->cut || r->event == EVENT_ERROR);
}

static bool is_multi_line(const struct command_line *asked)
{
	struct span word[2];

	switch (asked->command) {
	case COMMAND_RETR:
	case COMMAND_TOP:
	case COMMAND_CAPA:
		return true;
	case COMMAND_LIST:
	case COMMAND_UIDL:
		return command_words(asked->argument, word, 2) == 0;
	default:
		return false;
	}
}

/* The message that the first word names: 0, none. */
static unsigned named(const struct replies *r, const struct command_line *asked)
{
	struct span words[2];
	uint64_t n = 0;

	if (command_words(asked->argument, words, 2) < 1 ||
		num_parse(words[0], r->world->begun, &n) < 0)
		return 0;
	return (unsigned)n;
}

/* An mbox's message may have been noted as read since. */
static bool is_message(const struct replies *r, unsigned n, struct span body)
{
	char text[WORLD_MESSAGE_MAX], noted[WORLD_MESSAGE_MAX];
	size_t length = world_wire(r->world, n, text);

	if (body.n == length && memcmp(body.p, text, length) == 0)
		return true;
	const char *rest = strstr(text, "\r\n") + 2;
	size_t head = (size_t)(rest - text);
	int n_noted = snprintf(noted, sizeof(noted), "%.*sStatus: RO\r\n%.*s",
		(int)head, text, (int)(length - head), rest);
	return r->world->kind == MAILDROP_MBOX && body.n == (size_t)n_noted &&
	       memcmp(body.p, noted, body.n) == 0;
}

/* The lines behind +OK, unstuffed, up to the lone dot: true. */
static bool read_body(struct replies *r, struct buf *body)
{
	struct span line;

	while (next_line(r, &line)) {
		if (span_is(line, "."))
			return true;
		if (line.n && line.p[0] == '.')
			line = span_tail(line, 1);
		buf_put_span(body, line);
		buf_puts(body, "\r\n");
	}
	return false;
}

static void check_body(struct replies *r, const struct command_line *asked)
{
	struct buf body;

	buf_init(&body, 1 << 20);
	if (!read_body(r, &body))
		expect_cut(r);
	else if (asked->command == COMMAND_RETR)
		FUZZ_CHECK(is_message(r, named(r, asked), buf_span(&body)));
	buf_free(&body);
}

static void follow(struct replies *r, const struct command_line *asked, bool ok)
{
	if (asked->command == COMMAND_DELE && ok) {
		FUZZ_CHECK(named(r, asked) && !r->deleted[named(r, asked)]);
		r->deleted[named(r, asked)] = true;
	}
	if (asked->command == COMMAND_RSET && ok)
		memset(r->deleted, 0, sizeof(r->deleted));
	if (asked->command == COMMAND_QUIT &&
		command_words(asked->argument, &(struct span){ NULL, 0 }, 1) == 0) {
		r->quit = true;
		r->removed = ok;
	}
	if (ok && is_multi_line(asked))
		check_body(r, asked);
}

/* One command's reply; false: there are no more. line.p NULL: the line was too long. */
static bool check_reply(struct replies *r, struct span line)
{
	struct command_line asked = { COMMAND_UNKNOWN, false, { NULL, 0 } };
	struct span status;

	if (line.p)
		asked = command_parse(line);
	if (!next_line(r, &status)) {
		FUZZ_CHECK(!r->rest.n || r->cut);
		return false;
	}
	bool ok = span_is(span_head(status, 3), "+OK");
	FUZZ_CHECK(ok || span_is(span_head(status, 4), "-ERR"));
	FUZZ_CHECK(status.n + 2 <= 512);
	FUZZ_CHECK(!r->quit);
	FUZZ_CHECK(line.p || !ok);
	follow(r, &asked, ok);
	return true;
}

/* Every line that was sent has its reply, unless the session ended before. */
static void check_all(struct replies *r, struct span sent)
{
	struct line_reader reader = { false };

	for (;;) {
		struct span line = { NULL, 0 };
		size_t used;
		enum line_event came =
			line_next(&reader, sent, LINE_COMMAND_MAX, &line, &used);
		if (came == LINE_PARTIAL)
			break;
		if (came == LINE_TOO_LONG)
			line = span_of(NULL, 0);
		if (!check_reply(r, line)) {
			FUZZ_CHECK(r->cut || r->event != EVENT_DISCONNECT);
			break;
		}
		sent = span_tail(sent, used);
	}
	FUZZ_CHECK(r->rest.n == 0 || r->cut);
}

static void check_mail(const struct replies *r)
{
	for (unsigned n = 1; n <= r->world->made; n++) {
		bool deleted = n <= r->world->begun && r->deleted[n];
		bool has = world_has(r->world, n);
		if (r->world->removed[n])
			continue;
		if (!deleted || r->event != EVENT_QUIT)
			FUZZ_CHECK(has);
		else if (r->removed)
			FUZZ_CHECK(!has);
	}
}

void replies_check(const struct world *world, struct span sent, struct span received,
	enum event event, bool cut)
{
	struct replies r = {
		.world = world, .rest = received, .event = event, .cut = cut
	};

	check_all(&r, sent);
	FUZZ_CHECK(r.quit == (event == EVENT_QUIT) || cut);
	check_mail(&r);
}
