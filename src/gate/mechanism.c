/*
 * mechanism: PLAIN, LOGIN, CRAM-MD5, SCRAM, EXTERNAL, OAUTHBEARER, XOAUTH2, on the
 * gate's side: messages are taken apart (sasl.c) as far as a claim needs it; what
 * needs a secret is computed by auth, whose challenges (verdict MORE) go to the client
 * and whose sealed state goes back with the answer. Runs in a gate child, on what a
 * stranger sends.
 */
#include "gate/mechanism.h"

#include "base/log.h"
#include "gate/binding.h"
#include "gate/exchange.h"
#include "gate/sasl.h"

enum { STEPS_MAX = 3 };

static enum event malformed(struct gate *g)
{
	return gate_bad(g, "that is no message of this mechanism");
}

/*
 * A claim, and one more for each challenge that auth has. What follows a token's
 * refusal counts for nothing, whatever it is, but must be claimed: else no
 * penalty would be paid for it.
 */
static enum event claim(struct gate *g, struct login *login)
{
	unsigned char state[LOGIN_STATE_MAX];
	bool token = login->mechanism == LOGIN_OAUTHBEARER ||
		     login->mechanism == LOGIN_XOAUTH2;
	struct verdict more;
	enum event event = gate_login(g, login, &more);
	for (int i = 0; event == EVENT_MORE && i < STEPS_MAX; i++) {
		memcpy(state, more.state.p, more.state.n);
		login->state = span_of(state, more.state.n);
		event = exchange_ask(g, more.text);
		if (event == EVENT_HUNG_UP || (event != EVENT_STAY && !token))
			break;
		login->secret = token ? span_of(NULL, 0) : exchange_message(g);
		event = gate_login(g, login, &more);
	}
	login->state = span_of(NULL, 0);
	if (event != EVENT_MORE)
		return event;
	log_line("more steps than a mechanism has");
	return gate_no_verdict(g);
}

static enum event plain(struct gate *g, enum login_mechanism m, struct span initial)
{
	struct login login = { .mechanism = m };
	enum event event = exchange_first(g, initial, "");
	if (event != EVENT_STAY)
		return event;
	if (sasl_plain(exchange_message(g), &login.name, &login.secret) < 0)
		return malformed(g);
	return gate_login(g, &login, NULL);
}

/* LOGIN has no specification but its clients: two answers, or the name as initial
 * response and one answer. */
static enum event login(struct gate *g, enum login_mechanism m, struct span initial)
{
	unsigned char storage[LOGIN_NAME_MAX];
	struct login login = { .mechanism = m };
	enum event event = exchange_first(g, initial, "Username:");
	if (event != EVENT_STAY)
		return event;
	struct span told = exchange_message(g);
	if (!sasl_name_fits(told))
		return malformed(g);
	memcpy(storage, told.p, told.n);
	login.name = span_of(storage, told.n);
	event = exchange_ask(g, span_str("Password:"));
	if (event != EVENT_STAY)
		return event;
	login.secret = exchange_message(g);
	if (!sasl_password_fits(login.secret))
		return malformed(g);
	return gate_login(g, &login, NULL);
}

/* The server speaks first: there is no initial response. */
static enum event cram(struct gate *g, enum login_mechanism m, struct span initial)
{
	struct login login = { .mechanism = m };
	if (initial.n)
		return gate_bad(g, "this mechanism has no initial response");
	enum event event = exchange_ask(g, span_str(g->facts->challenge));
	if (event != EVENT_STAY)
		return event;
	if (sasl_cram(exchange_message(g), &login.name, &login.secret) < 0)
		return malformed(g);
	return gate_login(g, &login, NULL);
}

static enum event scram(struct gate *g, enum login_mechanism m, struct span initial)
{
	struct sasl_name name;
	struct span type;
	unsigned char binding[LOGIN_BINDING_MAX];
	struct login login = { .mechanism = m };
	enum event event = exchange_first(g, initial, "");
	if (event != EVENT_STAY)
		return event;
	login.secret = exchange_message(g);
	if (sasl_scram_first(login.secret, &name, &type) < 0)
		return malformed(g);
	login.name = sasl_name_span(&name);
	/* Empty when we have none of that type: auth then refuses it. */
	login.binding = span_of(binding, binding_data(g->stream.ssl, type, binding));
	return claim(g, &login);
}

static enum event external(struct gate *g, enum login_mechanism m, struct span initial)
{
	struct sasl_name name;
	struct login login = { .mechanism = m };
	enum event event = exchange_first(g, initial, "");
	if (event != EVENT_STAY)
		return event;
	struct span authzid = exchange_message(g);
	if (authzid.n && !sasl_name_fits(authzid))
		return malformed(g);
	name.n = authzid.n;
	if (authzid.n)
		memcpy(name.octets, authzid.p, authzid.n);
	login.name = sasl_name_span(&name);
	login.secret = transcript_span(&g->stream.transcript);
	if (login.secret.n == 0)
		return gate_bad(g, g->stream.transcript.too_long
					   ? "the certificates are too long"
					   : "the client has shown no certificate");
	login.binding = span_of(g->stream.witness, sizeof(g->stream.witness));
	return claim(g, &login);
}

static enum event token(struct gate *g, enum login_mechanism m, struct span initial)
{
	struct sasl_name name;
	struct login login = { .mechanism = m };
	enum event event = exchange_first(g, initial, "");
	if (event != EVENT_STAY)
		return event;
	struct span message = exchange_message(g);
	int parsed = m == LOGIN_XOAUTH2
			     ? sasl_xoauth2(message, &name, &login.secret)
			     : sasl_oauthbearer(message, &name, &login.secret);
	if (parsed < 0)
		return malformed(g);
	login.name = sasl_name_span(&name);
	return claim(g, &login);
}

enum event mechanism_run(
	struct gate *g, enum login_mechanism mechanism, struct span initial)
{
	static enum event (*const run[LOGIN_MECHANISM_LAST + 1])(
		struct gate * g, enum login_mechanism m, struct span initial) = {
		[LOGIN_PLAIN] = plain,
		[LOGIN_LOGIN] = login,
		[LOGIN_CRAM_MD5] = cram,
		[LOGIN_SCRAM_SHA_1] = scram,
		[LOGIN_SCRAM_SHA_256] = scram,
		[LOGIN_SCRAM_SHA_1_PLUS] = scram,
		[LOGIN_SCRAM_SHA_256_PLUS] = scram,
		[LOGIN_EXTERNAL] = external,
		[LOGIN_OAUTHBEARER] = token,
		[LOGIN_XOAUTH2] = token,
	};
	return run[mechanism](g, mechanism, initial);
}
