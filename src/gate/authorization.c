/*
 * authorization: the AUTHORIZATION state.
 *
 * Runs in a gate child, on what a stranger sends; every line is a stranger's, and
 * the worst that one can cause is the end of his own connection.
 *
 * States: no name given, name given (g->name_n), TLS or not (g->stream.ssl). The
 * invariants: a name survives no STLS, no PASS and no AUTH; a secret is
 * never asked for, and never read as one, while gate_secrets() is false.
 *
 * RFC 1939 sections 4, 7; RFC 2449; RFC 2595 section 4 (STLS); RFC 8314.
 */
#include "gate/authorization.h"

#include "base/io.h"
#include "base/log.h"
#include "gate/exchange.h"
#include "gate/sasl.h"
#include "pop3/capa.h"
#include "pop3/command.h"
#include "pop3/greeting.h"

enum { REPLY_MS = 30 * 1000 }; /* for the last reply of this state to be written */

/* --- the commands ------------------------------------------------------------ */

static enum event do_user(struct gate *g, const struct command_line *c)
{
	if (!(gate_offers(g) & 1U << LOGIN_USER))
		return gate_refuse(g, "USER");
	if (!sasl_name_fits(c->argument))
		return gate_bad(g, "USER needs a name");
	memcpy(g->name, c->argument.p, c->argument.n);
	g->name_n = c->argument.n;
	gate_reply(g, "+OK send PASS");
	return EVENT_STAY;
}

static enum event do_pass(struct gate *g, const struct command_line *c)
{
	struct login login = {
		.mechanism = LOGIN_USER,
		.name = span_of(g->name, g->name_n),
		.secret = c->argument,
	};
	g->name_n = 0;
	if (!(gate_offers(g) & 1U << LOGIN_USER))
		return gate_refuse(g, "PASS");
	if (login.name.n == 0)
		return gate_bad(g, "send USER first");
	if (!sasl_password_fits(c->argument))
		return gate_bad(g, "PASS needs a password");
	return gate_login(g, &login, NULL);
}

/* APOP name digest: the digest has no space in it, a name may. */
static enum event do_apop(struct gate *g, const struct command_line *c)
{
	struct span a = c->argument;
	g->name_n = 0;
	if (!greeting_has_challenge(g->facts))
		return gate_bad(g, "APOP is not offered here");
	if (a.n < LOGIN_DIGEST + 2 || a.p[a.n - LOGIN_DIGEST - 1] != ' ')
		return gate_bad(g, "APOP needs a name and a digest");
	struct login login = {
		.mechanism = LOGIN_APOP,
		.name = span_head(a, a.n - LOGIN_DIGEST - 1),
		.secret = span_tail(a, a.n - LOGIN_DIGEST),
	};
	if (!sasl_name_fits(login.name) || !sasl_digest_fits(login.secret))
		return gate_bad(g, "APOP needs a name and a digest");
	return gate_login(g, &login, NULL);
}

static enum event do_capa(struct gate *g, const struct command_line *c)
{
	struct capa capa = {
		.mechanisms = g->facts->mechanisms,
		.passwords = gate_secrets(g),
		.tls = g->stream.ssl != NULL,
		.stls = g->facts->tls && !g->stream.ssl,
	};
	if (c->has_argument)
		return gate_bad(g, "CAPA takes no argument");
	capa_reply(&g->stream.out, &capa);
	return EVENT_STAY;
}

/* RFC 2595 section 4. What was sent behind STLS was sent in the clear, perhaps not by
 * the client: a connection that has it is not taken into TLS. What comes later is
 * the handshake or breaks it. */
static enum event do_stls(struct gate *g, const struct command_line *c)
{
	if (c->has_argument)
		return gate_bad(g, "STLS takes no argument");
	if (g->stream.ssl)
		return gate_bad(g, "TLS is active already");
	if (!g->facts->tls || !g->tls->ctx)
		return gate_refuse(g, "STLS");
	return EVENT_STLS;
}

static enum event do_quit(struct gate *g, const struct command_line *c)
{
	if (c->has_argument)
		return gate_bad(g, "QUIT takes no argument");
	gate_reply(g, "+OK bye");
	return EVENT_END;
}

static enum event do_auth(struct gate *g, const struct command_line *c)
{
	g->name_n = 0;
	return exchange_run(g, c->argument);
}

static const struct {
	enum command command;
	enum event (*run)(struct gate *g, const struct command_line *c);
} handlers[] = {
	{ COMMAND_USER, do_user },
	{ COMMAND_PASS, do_pass },
	{ COMMAND_APOP, do_apop },
	{ COMMAND_AUTH, do_auth },
	{ COMMAND_CAPA, do_capa },
	{ COMMAND_STLS, do_stls },
	{ COMMAND_QUIT, do_quit },
};

static enum event run_command(struct gate *g, struct span line)
{
	struct command_line c = command_parse(line);
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].command == c.command)
			return handlers[i].run(g, &c);
	return gate_bad(
		g, c.command == COMMAND_UNKNOWN ? "unknown command" : "log in first");
}

/* --- what events lead to -------------------------------------------------------- */

/* A certificate that a client does not take is seen nowhere else. */
static void log_handshake(const struct gate *g, const char *why)
{
	char source[NETADDR_TEXT_MAX];
	unsigned char storage[LOG_LINE_MAX];
	struct buf line;
	netaddr_text(&g->facts->peer, source);
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "v1 tls connection=%llu source=%s listener=%s",
		(unsigned long long)g->facts->connection, source,
		g->facts->listener == LISTENER_POP3S ? "pop3s" : "pop3");
	log_sentence(&line, "error", span_str(why));
	log_text(buf_span(&line));
}

static int accept_tls(struct gate *g)
{
	bool external = g->facts->mechanisms & 1U << LOGIN_EXTERNAL;
	const char *why = "";
	if (tls_accept(g->tls, &g->stream, external, g->deadline, &why) == 0)
		return 0;
	log_handshake(g, why);
	return -1;
}

static enum event start_tls(struct gate *g)
{
	if (stream_held(&g->stream).n || stream_settle(&g->stream) < 0 ||
		stream_peek(&g->stream) >= 0) {
		gate_reply(g, "-ERR nothing may be sent behind STLS; closing");
		return EVENT_END;
	}
	gate_reply(g, "+OK begin TLS");
	if (stream_flush(&g->stream, g->deadline) < 0 || accept_tls(g) < 0)
		return EVENT_HUNG_UP;
	/* RFC 2595 section 4: what was known before is forgotten. */
	explicit_bzero(g->name, sizeof(g->name));
	g->name_n = 0;
	g->reader = (struct line_reader){ 0 };
	return EVENT_STAY;
}

/* The keys to the kernel, when the claim said so. Whatever comes of it, OpenSSL must
 * not write any more: the kernel may make records of what it writes. */
static int give_keys(struct stream *s)
{
	if (!s->sealed)
		return 0;
	s->broken = true;
	return offload_hand_over(&s->offload, s->ssl);
}

static enum event hand_over(struct gate *g)
{
	/* The wait for the verdict did not count. */
	int64_t deadline = io_now() + REPLY_MS;
	struct stream *s = &g->stream;
	if (stream_flush(s, deadline) < 0 || stream_settle(s) < 0 || give_keys(s) < 0 ||
		claim_hand_over(&g->claim) < 0)
		return EVENT_HUNG_UP;
	return EVENT_READY;
}

static enum event count_bad(struct gate *g)
{
	bool last = ++g->bad >= g->setup->bad_commands;
	buf_printf(&g->stream.out, "-ERR %s%s\r\n", g->complaint,
		last ? "; too many bad commands, closing" : "");
	return last ? EVENT_END : EVENT_STAY;
}

static enum event follow(struct gate *g, enum event event)
{
	switch (event) {
	case EVENT_BAD:
		return count_bad(g);
	case EVENT_REFUSED:
		return ++g->attempts >= g->setup->attempts ? EVENT_END : EVENT_STAY;
	case EVENT_STLS:
		return start_tls(g);
	case EVENT_READY:
		return hand_over(g);
	default:
		return event;
	}
}

static enum event step(struct gate *g)
{
	struct span line;
	/* Pipelined commands may have filled it. */
	if (buf_room(&g->stream.out) < STREAM_OUT_SIZE / 2 &&
		stream_flush(&g->stream, g->deadline) < 0)
		return EVENT_HUNG_UP;
	switch (gate_line(g, false, &line)) {
	case GATE_LINE_END:
		return EVENT_HUNG_UP;
	case GATE_LINE_LONG:
		return follow(g, gate_bad(g, "line too long"));
	case GATE_LINE:
		break;
	}
	return follow(g, run_command(g, line));
}

enum event authorization_run(struct gate *g)
{
	enum event event = EVENT_STAY;
	if (g->facts->listener == LISTENER_POP3S && (!g->tls->ctx || accept_tls(g) < 0))
		event = EVENT_HUNG_UP;
	else if (!g->facts->greeted)
		greeting_put(&g->stream.out, g->facts);
	while (event == EVENT_STAY)
		event = step(g);
	gate_wipe(g);
	if (event == EVENT_END && stream_flush(&g->stream, io_now() + REPLY_MS) < 0)
		event = EVENT_HUNG_UP;
	if (event != EVENT_READY)
		stream_end(&g->stream);
	return event;
}
