/*
 * retrieve: a message to the client (RETR and TOP, RFC 1939 sections 5 and 7), in
 * blocks: read, to wire form, send. However large the message and however slow the
 * client, two blocks are held.
 *
 * Fails: a message that cannot be opened is answered by -ERR [SYS/TEMP]. One that ends
 * early, or is found to have been changed meanwhile, after +OK was said, ends the
 * session: a client that gets no terminator knows that it has no whole message.
 */
#include "session/retrieve.h"

#include "pop3/stuff.h"

#include <inttypes.h>

/* How much of the message: all, or the header and some lines. */
struct extent {
	bool all, header;
	uint64_t lines;
};

static bool stuff_some(struct session *s, struct stuff *stuff, struct extent *extent,
	struct span block)
{
	if (!extent->all)
		return stuff_top(
			stuff, block, &extent->header, &extent->lines, &s->replies.out);
	stuff_block(stuff, block, &s->replies.out);
	return false;
}

static enum event fail(const struct session *s, size_t i, const char *what)
{
	struct maildrop_fault fault;

	snprintf(fault.text, sizeof(fault.text), "message %zu %s", i + 1, what);
	session_log_fault(s->identity, &fault);
	return EVENT_ERROR;
}

/* held: octets that the block has of it already (0: it has none); -1: none was read. */
static enum event send_body(struct session *s, size_t i, struct maildrop_body *body,
	ssize_t held, struct extent *extent)
{
	struct maildrop_fault fault;
	struct stuff stuff;
	bool over = false;

	stuff_begin(&stuff);
	while (!over) {
		if (held < 0)
			held = maildrop_body_read(body, s->block, RETRIEVE_BLOCK);
		if (held < 0)
			return fail(s, i, "ended early or could not be read");
		if (held == 0)
			break;
		over = stuff_some(s, &stuff, extent, span_of(s->block, (size_t)held));
		held = -1;
		if (reply_spill(&s->replies) < 0)
			return session_lost(s);
		session_touch(s);
	}
	if (maildrop_body_check(s->drop, i, &fault) < 0) {
		session_log_fault(s->identity, &fault);
		return EVENT_ERROR;
	}
	stuff_end(&stuff, &s->replies.out);
	return EVENT_NEXT;
}

int retrieve_open(struct session *s, size_t i, struct maildrop_body *body,
	struct maildrop_fault *fault)
{
	uint64_t size = maildrop_size(s->drop, i);

	if (!s->block)
		s->block = malloc(RETRIEVE_BLOCK);
	if (!s->block) {
		snprintf(fault->text, sizeof(fault->text), "out of memory");
		return -1;
	}
	if (maildrop_body_open(s->drop, i, body, fault) < 0)
		return -1;
	/* A cached size may have been found to be wrong. */
	s->octets += maildrop_size(s->drop, i) - size;
	return 0;
}

static int begin(struct session *s, size_t i, struct maildrop_body *body, ssize_t *held)
{
	struct maildrop_fault fault;

	*held = -1;
	if (!ahead_take(s, i, body, held) && retrieve_open(s, i, body, &fault) < 0) {
		session_log_fault(s->identity, &fault);
		reply_line(&s->replies,
			"-ERR [SYS/TEMP] message %zu cannot be read now", i + 1);
		return -1;
	}
	if (s->last < i + 1)
		s->last = i + 1;
	s->replies.owed = true;
	return 0;
}

static enum event retrieve(struct session *s, size_t i, struct maildrop_body *body,
	ssize_t held, struct extent extent)
{
	enum event event = send_body(s, i, body, held, &extent);

	maildrop_body_close(body);
	return event;
}

enum event retrieve_message(struct session *s, size_t i)
{
	struct maildrop_body body;
	ssize_t held;

	if (begin(s, i, &body, &held) < 0)
		return EVENT_NEXT;
	uint64_t size = maildrop_size(s->drop, i);
	reply_line(&s->replies, "+OK %" PRIu64 " octets", size);
	enum event event = retrieve(s, i, &body, held, (struct extent){ .all = true });
	if (event == EVENT_NEXT) {
		reply_count_message(&s->replies, size);
		ahead_sent(s, i);
	}
	return event;
}

enum event retrieve_top(struct session *s, size_t i, uint64_t lines)
{
	struct maildrop_body body;
	ssize_t held;

	if (begin(s, i, &body, &held) < 0)
		return EVENT_NEXT;
	reply_line(&s->replies, "+OK top of message follows");
	return retrieve(
		s, i, &body, held, (struct extent){ .header = true, .lines = lines });
}
