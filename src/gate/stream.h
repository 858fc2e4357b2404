/*
 * stream: the client's octets, plain or under TLS.
 *
 * Plain: octets are looked at (MSG_PEEK) and taken out of the kernel only as
 * far as they belong to a line that the gate needs. What was pipelined behind
 * that line is still in the socket when the session gets it.
 * TLS: octets are decrypted into the buffer; what is left of them goes to
 * the relay.
 *
 * Replies gather in `out` and are written before the stream waits for more.
 */
#ifndef POSTERN_GATE_STREAM_H
#define POSTERN_GATE_STREAM_H

#include "base/buf.h"
#include "gate/offload.h"
#include "gate/transcript.h"
#include "postern/witness.h"

#include <openssl/ssl.h>

enum {
	STREAM_IN_SIZE = 16384, /* octets; more than the longest line */
	STREAM_OUT_SIZE = 8192, /* octets */
};

struct stream {
	int fd;	      /* non-blocking */
	SSL *ssl;     /* NULL: plain */
	size_t ahead; /* plain: octets looked at that are still in the kernel */
	bool broken;  /* TLS: nothing more can be sent, not even an alert */
	bool sealed;  /* TLS: the kernel may go on with it: SSL reads nothing */
	struct offload offload;
	struct transcript transcript;	/* of a client that shows a certificate */
	unsigned char witness[WITNESS]; /* the keeper's, of the same handshake */
	struct buf in, out;
	unsigned char in_storage[STREAM_IN_SIZE];
	unsigned char out_storage[STREAM_OUT_SIZE];
};

void stream_init(struct stream *s, int fd);

/* What has been received and not been used. */
static inline struct span stream_held(const struct stream *s)
{
	return buf_span(&s->in);
}

/*
 * Flushes the replies, then waits for more octets behind what is held, all of
 * which must belong to a line that is not complete yet. Returns 1; 0 at the end
 * of the stream; -1 with errno (ETIMEDOUT at the deadline, EPROTO in TLS).
 */
int stream_more(struct stream *s, int64_t deadline);

/* Wipes and drops n octets from the front of what is held. */
void stream_used(struct stream *s, size_t n);

/* Takes the used octets, and no other, out of the kernel. 0, or -1 with errno. */
int stream_settle(struct stream *s);

/* Writes the gathered replies. 0, or -1 with errno. */
int stream_flush(struct stream *s, int64_t deadline);

/*
 * Is there anything to read that is not held, or has the peer ended the
 * stream? Does not wait, takes nothing. 1: octets; 0: the end; -1: nothing yet.
 */
int stream_peek(struct stream *s);

/*
 * After an SSL call that returned ret <= 0: waits for what it needs. 1: call again;
 * 0: the end of the stream; -1 with errno.
 */
int stream_tls_wait(struct stream *s, int ret, int64_t deadline);

/*
 * The end of the conversation: close_notify, FIN, and then a short while for the
 * peer to take the last reply before the descriptor closes (closing with
 * unread octets would reset the connection and could destroy that reply).
 */
void stream_end(struct stream *s);

#endif
