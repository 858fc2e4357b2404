/*
 * session: one client's time with one maildrop. One per process; everything
 * it needs is in struct session.
 */
#ifndef POSTERN_SESSION_SESSION_H
#define POSTERN_SESSION_SESSION_H

#include "postern/identity.h"
#include "postern/setup.h"
#include "session/ahead.h"
#include "session/reply.h"
#include "session/request.h"

#include <signal.h>

/* What a command, or the lack of one, leads to. */
enum event {
	EVENT_NEXT,	    /* the next command */
	EVENT_BAD,	    /* the same, but this was no command of this state */
	EVENT_QUIT,	    /* UPDATE is over */
	EVENT_DISCONNECT,   /* the client is gone */
	EVENT_IDLE,	    /* it said nothing, or took nothing, for too long */
	EVENT_TAKEOVER,	    /* another login for this maildrop ends this one */
	EVENT_STOP,	    /* the server ends it */
	EVENT_BAD_COMMANDS, /* too many */
	EVENT_ERROR,	    /* what had been begun could not be sent to its end */
};

/* Set by main.c's handler of SIGTERM, which also shuts the socket down, so that
 * no wait for the client goes on. */
struct session_signals {
	volatile sig_atomic_t told;	/* EVENT_TAKEOVER, EVENT_STOP, or 0 */
	volatile sig_atomic_t updating; /* UPDATE has begun: it is too late */
};

struct session {
	/* filled by the caller */
	const struct session_setup *setup;
	const struct identity *identity;
	struct session_signals *signals;
	struct maildrop *drop;
	int lock; /* holds the maildrop's lock; update closes it and makes it -1 */

	struct request_stream requests;
	struct reply_stream replies;
	unsigned char *block;	   /* of retrieve.c; or NULL */
	struct ahead ahead;	   /* may have octets in it */
	uint64_t messages, octets; /* not marked as deleted: what STAT says */
	uint64_t count;		   /* of the snapshot; for the log, it outlives that */
	uint64_t last;		   /* highest message accessed (RFC 1460) */
	uint32_t bad;		   /* commands that were none */
	int64_t began, touched;	   /* io_now() scale; touched: the lock */
	uint64_t removed, unkept;  /* by UPDATE */
};

/* The streams over the socket peer, the counts. */
void session_begin(struct session *session, int peer);

/*
 * Serves to the end, writes the log's line and returns why it came to the end.
 * Nothing is removed from the maildrop unless that is EVENT_QUIT.
 */
enum event session_serve(struct session *session);

/* --- for the files of this domain */

/* Counts messages and octets that are not marked. */
void session_count(struct session *session);

/* Why a reply could not be sent. */
enum event session_lost(const struct session *session);

/* The lock is alive: said at most once a second. */
void session_touch(struct session *session);

/* `v1 maildrop ...` to the log. */
void session_log_fault(
	const struct identity *identity, const struct maildrop_fault *fault);

#endif
