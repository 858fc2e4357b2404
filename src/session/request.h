/*
 * request: what the client asks, line by line. Reads block (SO_RCVTIMEO), so
 * that a command costs one system call to receive.
 */
#ifndef POSTERN_SESSION_REQUEST_H
#define POSTERN_SESSION_REQUEST_H

#include "base/buf.h"
#include "base/pace.h"
#include "pop3/line.h"

struct request_stream {
	int peer;
	struct pace pace;
	struct line_reader reader;
	struct buf held;
	size_t used; /* octets of the line given out last */
	unsigned char storage[4096];
};

enum request_event {
	REQUEST_LINE,	  /* *line, borrowed until the next call */
	REQUEST_TOO_LONG, /* one line that is none */
	REQUEST_NONE,	  /* no whole line has come: receive */
};

enum request_wait {
	REQUEST_CAME,
	REQUEST_QUIET, /* nothing came within REQUEST_NAP: free memory, wait on */
	REQUEST_IDLE,  /* the deadline passed */
	REQUEST_END,   /* the client is gone */
};

enum { REQUEST_NAP_MS = 500 };

/* Requests from the socket peer. Not to be moved afterwards. */
void request_begin(struct request_stream *requests, int peer);

enum request_event request_next(struct request_stream *requests, struct span *line);

/* Waits for REQUEST_NAP_MS for octets. */
enum request_wait request_receive(struct request_stream *requests);

/* Waits until the deadline (io_now() scale), however long; REQUEST_CAME: there is
 * something to receive. */
enum request_wait request_await(struct request_stream *requests, int64_t deadline);

#endif
