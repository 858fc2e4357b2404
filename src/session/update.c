/*
 * update: the UPDATE state (RFC 1939 section 6). Entered by a QUIT that was read
 * complete and by nothing else; from here on no signal ends the session. Before
 * anything is removed, what the client was told must have reached it, the messages
 * above all: a client that pipelines RETR, DELE and QUIT may be gone before it has read
 * one octet.
 *
 * Fails: -ERR [SYS/TEMP] when a marked message is still there; no other message
 * was touched (the maildrop's contract). The lock is given back before the reply,
 * so that a client which logs in again upon it finds the maildrop free.
 */
#include "session/update.h"

#include "base/io.h"

#include <inttypes.h>

static bool has_marked(const struct session *s)
{
	return s->messages != maildrop_count(s->drop);
}

static int commit(struct session *s)
{
	struct maildrop_done done = { 0 };
	struct maildrop_fault fault = { "" };

	if (!has_marked(s))
		return 0;
	int failed = maildrop_commit(s->drop, &done, &fault);
	s->removed = done.removed;
	s->unkept = done.unkept;
	if (failed || done.unkept)
		session_log_fault(s->identity, &fault);
	return failed;
}

/* 0, or -1: the client is gone without what it asked for. */
static int prove(struct session *s)
{
	bool relayed = s->identity->path == PATH_RELAY;
	int64_t idle = (int64_t)s->setup->idle_seconds * 1000;

	return reply_prove(&s->replies, relayed, io_now() + idle);
}

enum event update_run(struct session *s)
{
	if (has_marked(s) && prove(s) < 0)
		return session_lost(s);
	/* In this order, so that a signal is either seen here or comes too late. */
	s->signals->updating = 1;
	if (s->signals->told)
		return (enum event)s->signals->told;
	int failed = commit(s);
	const char *plural = s->removed == 1 ? "" : "s";
	io_close(&s->lock);
	if (failed)
		reply_line(&s->replies,
			"-ERR [SYS/TEMP] some deleted messages were not removed");
	else if (s->unkept)
		reply_line(&s->replies,
			"+OK %" PRIu64 " message%s removed, %" PRIu64
			" of them for good, good bye",
			s->removed, plural, s->unkept);
	else
		reply_line(&s->replies, "+OK %" PRIu64 " message%s removed, good bye",
			s->removed, plural);
	reply_flush(&s->replies);
	return EVENT_QUIT;
}
