/*
 * exchange: SASL in the AUTHORIZATION state. Runs in a gate child, on what a
 * stranger sends. Decoded messages lie in the gate's one message buffer and are
 * wiped when a claim has been sent or the next line is read. A message of the wrong
 * form is a bad command; a wrong secret is the verdict's affair. RFC 5034, RFC 4422,
 * RFC 4616 (PLAIN).
 */
#include "gate/exchange.h"

#include "gate/base64.h"
#include "gate/mechanism.h"

/* Decodes text into g->message: EVENT_STAY, or an event that ends the exchange. */
static enum event decode(struct gate *g, struct span text)
{
	ssize_t n = base64_decode(text, g->message, sizeof(g->message));
	if (n < 0) {
		/* It may have begun to decode. */
		explicit_bzero(g->message, sizeof(g->message));
		return gate_bad(g, "that is not base64");
	}
	g->message_n = (size_t)n;
	return EVENT_STAY;
}

/* Sends a challenge and decodes the client's answer to it. */
enum event exchange_ask(struct gate *g, struct span challenge)
{
	struct span line;
	buf_puts(&g->stream.out, "+ ");
	base64_encode(&g->stream.out, challenge);
	buf_puts(&g->stream.out, "\r\n");
	switch (gate_line(g, true, &line)) {
	case GATE_LINE_END:
		return EVENT_HUNG_UP;
	case GATE_LINE_LONG:
		return gate_bad(g, "line too long");
	case GATE_LINE:
		break;
	}
	if (span_is(line, "*"))
		return gate_bad(g, "cancelled");
	return decode(g, line);
}

/* The first message: the initial response, or the answer to the first challenge. "="
 * is an empty one (RFC 5034 section 4). */
enum event exchange_first(struct gate *g, struct span initial, const char *challenge)
{
	if (initial.n == 0)
		return exchange_ask(g, span_str(challenge));
	if (span_is(initial, "="))
		return EVENT_STAY;
	return decode(g, initial);
}

static enum event list(struct gate *g)
{
	uint32_t offered = gate_offers(g);
	gate_reply(g, "+OK mechanisms follow");
	for (int m = LOGIN_PLAIN; m <= LOGIN_MECHANISM_LAST; m++)
		if (offered & 1U << m)
			gate_reply(g, login_mechanism_name((enum login_mechanism)m));
	gate_reply(g, ".");
	return EVENT_STAY;
}

enum event exchange_run(struct gate *g, struct span argument)
{
	struct span initial = argument;
	struct span name = span_cut(&initial, ' ');
	if (argument.n == 0)
		return list(g);
	for (int m = LOGIN_PLAIN; m <= LOGIN_MECHANISM_LAST; m++) {
		const char *known = login_mechanism_name((enum login_mechanism)m);
		if (!span_is_nocase(name, known))
			continue;
		if (!(gate_offers(g) & 1U << m))
			return gate_refuse(g, known);
		return mechanism_run(g, (enum login_mechanism)m, initial);
	}
	return gate_bad(g, "no such mechanism");
}
