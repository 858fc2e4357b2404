/*
 * reply: what the session says. Replies are gathered and go out together, when
 * no further command waits or when a block of them is full; so memory does not
 * grow with what a client does not read.
 */
#ifndef POSTERN_SESSION_REPLY_H
#define POSTERN_SESSION_REPLY_H

#include "base/buf.h"

#include <stdint.h>

enum {
	REPLY_BLOCK = 64 * 1024,     /* octets that are gathered at most */
	REPLY_MAX = 4 * REPLY_BLOCK, /* with what one step appends behind them */
};

/* Messages that RETR sent whole. */
struct reply_count {
	uint64_t messages, octets;
};

struct reply_stream {
	int peer;
	struct buf out;
	size_t moved; /* see pace_lavish() */
	int fault;    /* errno of the write that failed; nothing is sent after it */
	bool owed;    /* message octets were said, and nothing proves that they came */
	struct reply_count gathered, left; /* in out; those that left this process */
};

/* Replies to the socket peer, whose writes block for as long as a client may be
 * idle (SO_SNDTIMEO). */
void reply_begin(struct reply_stream *replies, int peer);

/* One line; CRLF is added. */
void reply_line(struct reply_stream *replies, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One line of a listing: "number octets", "number uid". */
void reply_pair(struct reply_stream *replies, uint64_t number, uint64_t octets);
void reply_named(struct reply_stream *replies, uint64_t number, const char *uid);

/* Sends what is gathered when it is a block or more. 0, or -1: the client is gone
 * or does not read (fault says why). */
int reply_spill(struct reply_stream *replies);

/* Sends all that is gathered. 0 or -1, as above. */
int reply_flush(struct reply_stream *replies);

/* A message of so many octets is gathered, to its last line. */
void reply_count_message(struct reply_stream *replies, uint64_t octets);

/*
 * Did the message octets that were said arrive? Sends all that is gathered and waits,
 * until the deadline (io_now() scale), for the peer's kernel to have acknowledged it.
 * Of a relay of TLS no more can be known than that it has taken it, and has not said
 * within RELAY_MS that its client is gone. 0; -1, with fault, when they did not.
 */
int reply_prove(struct reply_stream *replies, bool relayed, int64_t deadline);

/* Behind a relay: the client goes on, so it is taken to have what was said. */
void reply_believe(struct reply_stream *replies);

/* Gives the memory back, when nothing is gathered. */
void reply_release(struct reply_stream *replies);

#endif
