/*
 * exchange: the AUTH command (RFC 5034): AUTH MECHANISM [initial response], then
 * challenges and answers in base64, "*" to cancel. AUTH alone lists the
 * mechanisms, as old clients expect.
 */
#ifndef POSTERN_GATE_EXCHANGE_H
#define POSTERN_GATE_EXCHANGE_H

#include "gate/gate.h"

/* argument: what stood behind "AUTH ". */
enum event exchange_run(struct gate *g, struct span argument);

/* --- for the mechanisms --- */

/* Sends a challenge and decodes the client's answer into g->message: EVENT_STAY, or an
 * event that ends the exchange. */
enum event exchange_ask(struct gate *g, struct span challenge);

/* The client's first message, likewise: the initial response, or the answer to this
 * challenge. "=" is an empty one (RFC 5034 section 4). */
enum event exchange_first(struct gate *g, struct span initial, const char *challenge);

static inline struct span exchange_message(const struct gate *g)
{
	return span_of(g->message, g->message_n);
}

#endif
