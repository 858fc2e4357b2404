/*
 * exchange: SASL in the AUTHORIZATION state. Runs in a gate child, on what a
 * stranger sends. Decoded messages lie in the gate's one message buffer and are
 * wiped when a claim has been sent or the next line is read. A message of the wrong
 * form is a bad command; a wrong secret is the verdict's affair. RFC 5034, RFC 4422,
 * RFC 4616 (PLAIN).
 */
#include "gate/exchange.h"

#include "gate/base64.h"
#include "gate/sasl.h"

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

static struct span message(const struct gate *g)
{
	return span_of(g->message, g->message_n);
}

/* Sends a challenge and decodes the client's answer to it. */
static enum event ask(struct gate *g, struct span challenge)
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
static enum event first(struct gate *g, struct span initial, const char *challenge)
{
	if (initial.n == 0)
		return ask(g, span_str(challenge));
	if (span_is(initial, "="))
		return EVENT_STAY;
	return decode(g, initial);
}

static enum event claim_of(struct gate *g, enum login_mechanism mechanism,
	struct span name, struct span secret)
{
	struct login login = { .mechanism = mechanism, .name = name, .secret = secret };
	return gate_login(g, &login, NULL);
}

static enum event malformed(struct gate *g)
{
	return gate_bad(g, "that is no message of this mechanism");
}

static enum event plain(struct gate *g, struct span initial)
{
	struct span name, password;
	enum event event = first(g, initial, "");
	if (event != EVENT_STAY)
		return event;
	if (sasl_plain(message(g), &name, &password) < 0)
		return malformed(g);
	return claim_of(g, LOGIN_PLAIN, name, password);
}

/* LOGIN has no specification but its clients: two answers, or the name as initial
 * response and one answer. */
static enum event login(struct gate *g, struct span initial)
{
	unsigned char storage[LOGIN_NAME_MAX];
	enum event event = first(g, initial, "Username:");
	if (event != EVENT_STAY)
		return event;
	if (!sasl_name_fits(message(g)))
		return malformed(g);
	struct span name = span_of(storage, g->message_n);
	memcpy(storage, g->message, g->message_n);
	event = ask(g, span_str("Password:"));
	if (event != EVENT_STAY)
		return event;
	if (!sasl_password_fits(message(g)))
		return malformed(g);
	return claim_of(g, LOGIN_LOGIN, name, message(g));
}

static const struct {
	enum login_mechanism mechanism;
	enum event (*run)(struct gate *g, struct span initial);
} mechanisms[] = {
	{ LOGIN_PLAIN, plain },
	{ LOGIN_LOGIN, login },
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

static enum event list(struct gate *g)
{
	uint32_t offered = gate_offers(g);
	gate_reply(g, "+OK mechanisms follow");
	for (size_t i = 0; i < MECHANISMS; i++)
		if (offered & 1U << mechanisms[i].mechanism)
			gate_reply(g, login_mechanism_name(mechanisms[i].mechanism));
	gate_reply(g, ".");
	return EVENT_STAY;
}

enum event exchange_run(struct gate *g, struct span argument)
{
	struct span initial = argument;
	struct span name = span_cut(&initial, ' ');
	if (argument.n == 0)
		return list(g);
	for (size_t i = 0; i < MECHANISMS; i++) {
		const char *known = login_mechanism_name(mechanisms[i].mechanism);
		if (!span_is_nocase(name, known))
			continue;
		if (!(gate_offers(g) & 1U << mechanisms[i].mechanism))
			return gate_refuse(g, known);
		return mechanisms[i].run(g, initial);
	}
	return gate_bad(g, "no such mechanism");
}
