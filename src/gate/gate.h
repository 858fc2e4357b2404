/*
 * gate: what a gate child knows about its one connection. The parts:
 *   stream         the client's octets
 *   tls, tickets   handshakes
 *   authorization  the commands of the AUTHORIZATION state
 *   exchange       the AUTH command: challenges and answers
 *   mechanism      what each SASL mechanism does with them (sasl, binding)
 *   claim          LOGIN and its verdict
 *   relay          TLS and the wire, once the session has the baton
 */
#ifndef POSTERN_GATE_GATE_H
#define POSTERN_GATE_GATE_H

#include "gate/claim.h"
#include "gate/stream.h"
#include "gate/tls.h"
#include "pop3/line.h"
#include "postern/facts.h"
#include "postern/setup.h"

/*
 * What a command led to. A handler has put its reply into the stream unless the
 * client is gone.
 */
enum event {
	EVENT_STAY,    /* go on */
	EVENT_BAD,     /* as gate_bad() says */
	EVENT_REFUSED, /* go on, but it counts as an attempt */
	EVENT_MORE,    /* from gate_login() only: a SASL challenge came */
	EVENT_STLS,    /* the handshake is next */
	EVENT_READY,   /* logged in: the reply is there, the baton is next */
	EVENT_END,     /* the last reply is there */
	EVENT_HUNG_UP, /* no reply can reach the client, or none is due */
};

struct gate {
	const struct gate_setup *setup;
	const struct facts *facts;
	const struct tls *tls;
	int64_t deadline; /* for a login */
	struct stream stream;
	struct line_reader reader;
	struct claim claim;
	unsigned char name[LOGIN_NAME_MAX]; /* of USER; empty: none was given */
	size_t name_n;
	uint32_t bad, attempts;
	const char *complaint; /* with EVENT_BAD: what was wrong */
	/* The current line and what SASL made of it: wiped before they are used
	 * again, and as soon as a claim has been sent. */
	unsigned char line[LINE_SASL_MAX];
	size_t line_n;
	unsigned char message[LINE_SASL_MAX];
	size_t message_n;
};

/* May a secret be sent on this connection, as it is now? */
static inline bool gate_secrets(const struct gate *g)
{
	return g->stream.ssl || g->facts->plaintext;
}

/* The set of mechanisms that the client may use, now. */
uint32_t gate_offers(const struct gate *g);

/* One reply line; CRLF is added. Text is ours, never the client's. */
void gate_reply(struct gate *g, const char *text);

/* EVENT_BAD: counts as a bad command, and is answered with -ERR and this text. */
enum event gate_bad(struct gate *g, const char *why);

/* Refuses a mechanism with a reply that says why: EVENT_STAY. */
enum event gate_refuse(struct gate *g, const char *what);

enum gate_line {
	GATE_LINE,	/* *line, until the next call or a claim */
	GATE_LINE_LONG, /* it was too long, and is gone */
	GATE_LINE_END,	/* the client is gone, or the deadline has passed */
};

/* The next line: a command, or (continuation) an answer in a SASL exchange. */
enum gate_line gate_line(struct gate *g, bool continuation, struct span *line);

/* Wipes the line and the message. */
void gate_wipe(struct gate *g);

/*
 * Sends the claim, wipes, waits, and replies to the verdict: EVENT_MORE, with *more
 * (which borrows from the claim), needs no reply but the challenge. A mechanism of
 * one step gives no more: the verdict MORE is then a fault of the server.
 */
enum event gate_login(struct gate *g, struct login *login, struct verdict *more);

/* The server did not decide: a reply that says so, EVENT_END. */
enum event gate_no_verdict(struct gate *g);

#endif
