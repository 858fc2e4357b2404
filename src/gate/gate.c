/*
 * gate: reading lines and wording verdicts, for all commands of the AUTHORIZATION
 * state. Runs in a gate child, on what a stranger sends.
 * RFC 1939 section 4, response codes of RFC 2449 and RFC 3206.
 */
#include "gate/gate.h"

#include "base/die.h"
#include "pop3/capa.h"

uint32_t gate_offers(const struct gate *g)
{
	struct capa capa = {
		.mechanisms = g->facts->mechanisms,
		.passwords = gate_secrets(g),
		.tls = g->stream.ssl != NULL,
	};
	return capa_offered(&capa);
}

void gate_reply(struct gate *g, const char *text)
{
	buf_puts(&g->stream.out, text);
	buf_puts(&g->stream.out, "\r\n");
}

enum event gate_bad(struct gate *g, const char *why)
{
	g->complaint = why;
	return EVENT_BAD;
}

enum event gate_refuse(struct gate *g, const char *what)
{
	const char *why = "is not offered here";
	if (!gate_secrets(g))
		why = g->facts->tls ? "needs TLS: say STLS first, or use the TLS port"
				    : "needs TLS, which this server does not have";
	buf_printf(&g->stream.out, "-ERR [SYS/PERM] %s %s\r\n", what, why);
	return EVENT_STAY;
}

/* RFC 5034 limits an initial response to what fits a command line; clients with
 * tokens send it all the same, so an AUTH line may be as long as an answer. */
static size_t line_max(const struct gate *g, bool continuation)
{
	struct span held = stream_held(&g->stream);
	bool auth = span_is_nocase(span_head(held, 5), "AUTH ");
	return continuation || auth ? LINE_SASL_MAX : LINE_COMMAND_MAX;
}

void gate_wipe(struct gate *g)
{
	explicit_bzero(g->line, g->line_n);
	explicit_bzero(g->message, g->message_n);
	g->line_n = g->message_n = 0;
}

static struct span keep(struct gate *g, struct span line, size_t used)
{
	if (line.n > sizeof(g->line))
		bug("a line longer than the longest");
	memcpy(g->line, line.p, line.n);
	g->line_n = line.n;
	stream_used(&g->stream, used);
	return span_of(g->line, g->line_n);
}

enum gate_line gate_line(struct gate *g, bool continuation, struct span *line)
{
	gate_wipe(g);
	for (;;) {
		size_t max = line_max(g, continuation), used;
		switch (line_next(
			&g->reader, stream_held(&g->stream), max, line, &used)) {
		case LINE_COMPLETE:
			*line = keep(g, *line, used);
			return GATE_LINE;
		case LINE_TOO_LONG:
			stream_used(&g->stream, used);
			return GATE_LINE_LONG;
		case LINE_PARTIAL:
			stream_used(&g->stream, used);
		}
		if (stream_more(&g->stream, g->deadline) <= 0)
			return GATE_LINE_END;
	}
}

static void reply_ready(struct gate *g, const struct verdict *v)
{
	buf_printf(&g->stream.out, "+OK %llu message%s (%llu octets)\r\n",
		(unsigned long long)v->messages, v->messages == 1 ? "" : "s",
		(unsigned long long)v->octets);
}

static void reply_in_use(struct gate *g, const struct verdict *v)
{
	buf_printf(&g->stream.out,
		"-ERR [IN-USE] the maildrop is open in another session, for %llu "
		"second%s now\r\n",
		(unsigned long long)v->held_seconds, v->held_seconds == 1 ? "" : "s");
}

static enum event word(struct gate *g, const struct verdict *v)
{
	switch (v->kind) {
	case VERDICT_READY:
		reply_ready(g, v);
		return EVENT_READY;
	case VERDICT_FAIL:
		gate_reply(g, "-ERR [AUTH] the name or the password is wrong");
		return EVENT_REFUSED;
	case VERDICT_IN_USE:
		reply_in_use(g, v);
		return EVENT_REFUSED;
	case VERDICT_TEMP:
		gate_reply(g, "-ERR [SYS/TEMP] a fault of the server; try again later");
		return EVENT_REFUSED;
	case VERDICT_PERM:
		gate_reply(g, "-ERR [SYS/PERM] the maildrop cannot be opened; the "
			      "administrator can see why in the log");
		return EVENT_REFUSED;
	case VERDICT_MORE:
		break;
	}
	return EVENT_STAY;
}

enum event gate_no_verdict(struct gate *g)
{
	gate_reply(g, "-ERR [SYS/TEMP] a fault of the server; try again later");
	return EVENT_END;
}

enum event gate_login(struct gate *g, struct login *login, struct verdict *more)
{
	struct verdict v = { 0 };
	enum claim_result sent = claim_send(&g->claim, &g->stream, login);
	gate_wipe(g);
	if (sent == CLAIM_SENT)
		sent = claim_await(&g->claim, &g->stream, &v);
	if (sent == CLAIM_HUNG_UP)
		return EVENT_HUNG_UP;
	if (sent != CLAIM_ANSWERED)
		return gate_no_verdict(g);
	if (v.kind != VERDICT_MORE)
		return word(g, &v);
	if (!more)
		return gate_no_verdict(g);
	*more = v;
	return EVENT_MORE;
}
