/*
 * transaction: the TRANSACTION state (RFC 1939 section 5; LAST: RFC 1460).
 *
 * Runs as: the mailbox owner, sandboxed; one process per session.
 * Trusts: nothing that the client says, nothing that is stored in the maildrop.
 * A handler gets its words counted and returns an event. Replies are gathered
 * while further commands are held already (PIPELINING, RFC 2449 section 6.6).
 * Fails: what the maildrop cannot give is answered by -ERR [SYS/TEMP]; a client
 * that is gone or idle ends the session and nothing is removed (RFC 1939 section
 * 3: the autologout timer does not enter UPDATE).
 */
#include "session/transaction.h"

#include "base/io.h"
#include "base/num.h"
#include "pop3/capa.h"
#include "pop3/command.h"
#include "session/retrieve.h"
#include "session/update.h"

#include <inttypes.h>

enum { WORDS_MAX = 2 };

/* The message that a word names: its index, or NOT_NAMED and an answer. */
#define NOT_NAMED SIZE_MAX
static size_t message_named(struct session *s, struct span word)
{
	size_t count = maildrop_count(s->drop);
	uint64_t number;

	if (num_parse(word, count, &number) < 0 || number == 0) {
		reply_line(&s->replies, "-ERR no such message, there are %zu", count);
		return NOT_NAMED;
	}
	if (maildrop_marked(s->drop, (size_t)number - 1)) {
		reply_line(&s->replies, "-ERR message %" PRIu64 " is deleted", number);
		return NOT_NAMED;
	}
	return (size_t)number - 1;
}

static enum event stat_run(struct session *s, const struct span *words, int n)
{
	(void)words, (void)n;
	reply_line(&s->replies, "+OK %" PRIu64 " %" PRIu64, s->messages, s->octets);
	return EVENT_NEXT;
}

static enum event list_one(struct session *s, struct span word)
{
	size_t i = message_named(s, word);

	if (i != NOT_NAMED)
		reply_line(&s->replies, "+OK %zu %" PRIu64, i + 1,
			maildrop_size(s->drop, i));
	return EVENT_NEXT;
}

static enum event list_run(struct session *s, const struct span *words, int n)
{
	size_t count = maildrop_count(s->drop);

	if (n)
		return list_one(s, words[0]);
	reply_line(&s->replies, "+OK %" PRIu64 " messages (%" PRIu64 " octets)",
		s->messages, s->octets);
	for (size_t i = 0; i < count; i++) {
		if (maildrop_marked(s->drop, i))
			continue;
		reply_pair(&s->replies, i + 1, maildrop_size(s->drop, i));
		if (reply_spill(&s->replies) < 0)
			return session_lost(s);
	}
	reply_line(&s->replies, ".");
	return EVENT_NEXT;
}

static enum event uidl_one(struct session *s, struct span word)
{
	char uid[MAILDROP_UID_MAX + 1];
	size_t i = message_named(s, word);

	if (i == NOT_NAMED)
		return EVENT_NEXT;
	if (maildrop_uid(s->drop, i, uid) < 0)
		reply_line(&s->replies, "-ERR [SYS/TEMP] message %zu has no unique-id",
			i + 1);
	else
		reply_line(&s->replies, "+OK %zu %s", i + 1, uid);
	return EVENT_NEXT;
}

static enum event uidl_run(struct session *s, const struct span *words, int n)
{
	char uid[MAILDROP_UID_MAX + 1];
	size_t count = maildrop_count(s->drop);

	if (n)
		return uidl_one(s, words[0]);
	reply_line(&s->replies, "+OK unique-ids follow");
	for (size_t i = 0; i < count; i++) {
		if (maildrop_marked(s->drop, i))
			continue;
		/* Too late for -ERR; a listing with a hole would be a lie. */
		if (maildrop_uid(s->drop, i, uid) < 0)
			return EVENT_ERROR;
		reply_named(&s->replies, i + 1, uid);
		if (reply_spill(&s->replies) < 0)
			return session_lost(s);
	}
	reply_line(&s->replies, ".");
	return EVENT_NEXT;
}

static enum event retr_run(struct session *s, const struct span *words, int n)
{
	size_t i = message_named(s, words[0]);

	(void)n;
	return i == NOT_NAMED ? EVENT_NEXT : retrieve_message(s, i);
}

static enum event top_run(struct session *s, const struct span *words, int n)
{
	size_t i = message_named(s, words[0]);
	uint64_t lines;

	(void)n;
	if (i == NOT_NAMED)
		return EVENT_NEXT;
	if (num_parse(words[1], UINT64_MAX, &lines) == 0)
		return retrieve_top(s, i, lines);
	reply_line(&s->replies, "-ERR that is no number of lines");
	return EVENT_NEXT;
}

static enum event dele_run(struct session *s, const struct span *words, int n)
{
	(void)n;
	if (s->identity->read_only) {
		reply_line(&s->replies, "-ERR this login may read, but not delete");
		return EVENT_NEXT;
	}
	size_t i = message_named(s, words[0]);
	if (i == NOT_NAMED)
		return EVENT_NEXT;
	maildrop_mark(s->drop, i, true);
	s->messages--;
	s->octets -= maildrop_size(s->drop, i);
	reply_line(&s->replies, "+OK message %zu deleted", i + 1);
	return EVENT_NEXT;
}

static enum event rset_run(struct session *s, const struct span *words, int n)
{
	(void)words, (void)n;
	for (size_t i = 0; i < maildrop_count(s->drop); i++)
		maildrop_mark(s->drop, i, false);
	session_count(s);
	s->last = 0;
	reply_line(&s->replies, "+OK %" PRIu64 " messages (%" PRIu64 " octets)",
		s->messages, s->octets);
	return EVENT_NEXT;
}

static enum event last_run(struct session *s, const struct span *words, int n)
{
	(void)words, (void)n;
	reply_line(&s->replies, "+OK %" PRIu64, s->last);
	return EVENT_NEXT;
}

static enum event noop_run(struct session *s, const struct span *words, int n)
{
	(void)words, (void)n;
	reply_line(&s->replies, "+OK");
	return EVENT_NEXT;
}

static enum event capa_run(struct session *s, const struct span *words, int n)
{
	bool tls = s->identity->path != PATH_DIRECT;
	struct capa capa = {
		.mechanisms = s->identity->mechanisms,
		.passwords = tls || s->identity->plaintext,
		.tls = tls,
	};

	(void)words, (void)n;
	capa_reply(&s->replies.out, &capa);
	return EVENT_NEXT;
}

static enum event quit_run(struct session *s, const struct span *words, int n)
{
	(void)words, (void)n;
	return update_run(s);
}

static const struct handler {
	enum command command;
	int words_min, words_max;
	enum event (*run)(struct session *s, const struct span *words, int n);
} handlers[] = {
	{ COMMAND_CAPA, 0, 0, capa_run },
	{ COMMAND_DELE, 1, 1, dele_run },
	{ COMMAND_LAST, 0, 0, last_run },
	{ COMMAND_LIST, 0, 1, list_run },
	{ COMMAND_NOOP, 0, 0, noop_run },
	{ COMMAND_QUIT, 0, 0, quit_run },
	{ COMMAND_RETR, 1, 1, retr_run },
	{ COMMAND_RSET, 0, 0, rset_run },
	{ COMMAND_STAT, 0, 0, stat_run },
	{ COMMAND_TOP, 2, 2, top_run },
	{ COMMAND_UIDL, 0, 1, uidl_run },
};

enum event transaction_run(struct session *s, struct span line)
{
	struct command_line asked = command_parse(line);
	struct span words[WORDS_MAX];
	int n = command_words(asked.argument, words, WORDS_MAX);

	if (asked.command == COMMAND_UNKNOWN) {
		reply_line(&s->replies, "-ERR unknown command");
		return EVENT_BAD;
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		const struct handler *h = &handlers[i];
		if (h->command != asked.command)
			continue;
		if (n >= h->words_min && n <= h->words_max)
			return h->run(s, words, n);
		reply_line(&s->replies, "-ERR wrong number of arguments");
		return EVENT_BAD;
	}
	reply_line(&s->replies, "-ERR not after login");
	return EVENT_BAD;
}
