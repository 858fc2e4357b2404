/*
 * decide_scram: a login by SCRAM in three claims, each in an auth process of its own:
 *
 *   client-first   -> MORE server-first          (STEP_SCRAM_FIRST)
 *   client-final   -> MORE server-final          (STEP_SCRAM_PROVEN)
 *   empty          -> accepted
 *
 * POP3 has no place for server-final beside +OK (RFC 5034 section 4), so it goes as a
 * challenge. Runs as root in an auth child; distrusts every message.
 *
 * A name without keys (unknown, a system account) goes through the same exchange
 * with a salt that looks drawn and is always the same, and fails at the proof. An
 * exchange that is begun and not finished counts as an attempt: auth reports that it
 * began, the master what comes of it.
 * Nothing of a proof can be replayed: the server's nonce is ours, and the sealed step
 * belongs to this connection.
 */
#include "auth/decide.h"

#include "auth/names.h"
#include "auth/scram.h"
#include "base/die.h"
#include "ipc/msg.h"

#include <sodium.h>

/* What STEP_SCRAM_FIRST keeps. */
struct exchange {
	struct span gs2, bare, server_nonce;
};

static bool is_plus(enum login_mechanism mechanism)
{
	return mechanism == LOGIN_SCRAM_SHA_1_PLUS ||
	       mechanism == LOGIN_SCRAM_SHA_256_PLUS;
}

static enum scram_hash hash_of(enum login_mechanism mechanism)
{
	return mechanism == LOGIN_SCRAM_SHA_1 || mechanism == LOGIN_SCRAM_SHA_1_PLUS
		       ? SCRAM_SHA_1
		       : SCRAM_SHA_256;
}

/* The record whose keys count, or the one whose database fakes some; NULL: there is
 * no database at all. */
static struct record *record_for(struct auth *auth, const struct answerer *answerer)
{
	if (answerer->source && answerer->source->setup->kind == SOURCE_SQLITE)
		return &answerer->source->record;
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		struct record *record = &auth->sources[i].record;
		if (auth->setup.sources[i].kind != SOURCE_SQLITE)
			continue;
		record->account = (struct account){ .kind = 0 };
		return record;
	}
	return NULL;
}

/*
 * The one name that a fake salt is made for. An account has one salt under all of its
 * names, so whoever asks for two that would mean one account must find one salt,
 * whether there is an account or not: names at domains with other names, in any case of
 * letters. (That two names are aliases of one account is told by its keys, and cannot
 * be hidden without keys for each name.)
 */
static int own_name(struct auth *auth, const struct claim *claim,
	const struct answerer *answerer, char name[ACCOUNT_NAME_MAX + 1])
{
	bool virtual = answerer->source &&
		       answerer->source->setup->kind == SOURCE_SQLITE;
	const char *known = virtual ? answerer->source->record.account.name
				    : claim->name;
	char other[LOGIN_NAME_MAX + 1];
	bool local;
	if (account_name(span_str(known), name) < 0)
		(void)span_to_text(span_str(known), name, ACCOUNT_NAME_MAX + 1);
	for (int i = 1; i <= NAMES_LAST; i++)
		if (names_other(&auth->setup.names, name, i, &local, other))
			(void)span_to_text(span_str(other), name, ACCOUNT_NAME_MAX + 1);
	for (uint32_t i = 0; i < auth->setup.sources_n; i++)
		if (auth->setup.sources[i].kind == SOURCE_SQLITE &&
			record_own_domain(&auth->sources[i].record,
				claim->facts->connection, name) < 0)
			return -1;
	for (char *c = name; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	return 0;
}

static enum source_result find_keys(
	struct auth *auth, struct claim *claim, struct scram_keys *keys)
{
	char name[ACCOUNT_NAME_MAX + 1];
	struct answerer answerer = decide_find(auth, claim);
	if (answerer.holds == HOLDS_FAULT || own_name(auth, claim, &answerer, name) < 0)
		return RESULT_FAULT;
	struct record *record = record_for(auth, &answerer);
	if (!record)
		return source_refuse(claim, "mechanism");
	return record_scram(record, claim->facts->connection, name,
		       hash_of(claim->login->mechanism), keys) < 0
		       ? RESULT_FAULT
		       : RESULT_ACCEPTED;
}

/* Is the header what this mechanism and this connection need? RFC 5802 section 6. */
static const char *wrong_binding(
	const struct scram_first *first, const struct claim *claim)
{
	const struct login *login = claim->login;
	const uint32_t plus =
		1 << LOGIN_SCRAM_SHA_1_PLUS | 1 << LOGIN_SCRAM_SHA_256_PLUS;
	if (is_plus(login->mechanism) != (first->flag == 'p'))
		return "binding";
	if (first->flag == 'p' && (login->binding.n == 0 || login->tls.n == 0))
		return "binding";
	/* It could bind and believes that we cannot, but we offered it: somebody took
	 * the offer out on its way. */
	if (first->flag == 'y' && login->tls.n > 0 && (claim->facts->mechanisms & plus))
		return "downgrade";
	return NULL;
}

static void keep(struct claim *claim, const struct scram_first *first,
	const char server_nonce[SCRAM_SERVER_NONCE + 1])
{
	struct buf data;
	buf_fixed(&data, claim->step.data, sizeof(claim->step.data));
	msg_put_octets(&data, first->gs2, SCRAM_FIRST_MAX);
	msg_put_octets(&data, first->bare, SCRAM_FIRST_MAX);
	msg_put_octets(&data, span_str(server_nonce), SCRAM_SERVER_NONCE);
	if (!buf_ok(&data))
		bug("a SCRAM step that does not fit");
	claim->step.kind = STEP_SCRAM_FIRST;
	claim->step.n = buf_len(&data);
}

static enum source_result answer_first(struct auth *auth, struct claim *claim)
{
	struct scram_first first;
	struct scram_keys keys;
	unsigned char octets[SCRAM_SERVER_NONCE / 4 * 3];
	char nonce[SCRAM_SERVER_NONCE + 1];
	struct span name = claim->login->name;
	if (scram_parse_first(claim->login->secret, &first) < 0 ||
		!scram_name_is(first.name, name))
		return source_refuse(claim, "form");
	if (first.authzid.n && !scram_name_is(first.authzid, name))
		return source_refuse(claim, "authzid");
	const char *reason = wrong_binding(&first, claim);
	if (reason)
		return source_refuse(claim, reason);
	enum source_result result = find_keys(auth, claim, &keys);
	if (result != RESULT_ACCEPTED)
		return result;
	randombytes_buf(octets, sizeof(octets));
	sodium_bin2base64(nonce, sizeof(nonce), octets, sizeof(octets),
		sodium_base64_VARIANT_ORIGINAL);
	scram_put_server_first(&claim->challenge, first.nonce, span_str(nonce), &keys);
	keep(claim, &first, nonce);
	scram_wipe(&keys);
	return RESULT_MORE;
}

static int recall(const struct step *step, struct exchange *exchange)
{
	struct msg_in in = { .rest = span_of(step->data, step->n) };
	exchange->gs2 = msg_get_octets(&in, 1, SCRAM_FIRST_MAX);
	exchange->bare = msg_get_octets(&in, 1, SCRAM_FIRST_MAX);
	exchange->server_nonce = msg_get_octets(&in, 1, SCRAM_SERVER_NONCE);
	return msg_done(&in);
}

/* client-first-bare "," server-first "," client-final-without-proof */
static void put_auth_message(struct buf *out, const struct exchange *exchange,
	struct span client_nonce, const struct scram_keys *keys,
	const struct scram_final *final)
{
	buf_put_span(out, exchange->bare);
	buf_puts(out, ",");
	scram_put_server_first(out, client_nonce, exchange->server_nonce, keys);
	buf_puts(out, ",");
	buf_put_span(out, final->without_proof);
}

/* The nonce must be the client's with ours behind it. */
static bool nonce_is(
	struct span nonce, struct span client_nonce, struct span server_nonce)
{
	return nonce.n == client_nonce.n + server_nonce.n &&
	       span_eq(span_head(nonce, client_nonce.n), client_nonce) &&
	       span_eq(span_tail(nonce, client_nonce.n), server_nonce);
}

static struct span client_nonce_of(struct span bare)
{
	struct span rest = bare;
	(void)span_cut(&rest, ',');
	return span_tail(span_cut(&rest, ','), 2);
}

static enum source_result prove(struct claim *claim, const struct exchange *exchange,
	const struct scram_keys *keys)
{
	unsigned char storage[SCRAM_FINAL_MAX + 2 * SCRAM_FIRST_MAX + 256];
	struct buf message;
	struct scram_final final;
	struct span client_nonce = client_nonce_of(exchange->bare);
	struct span data = is_plus(claim->login->mechanism) ? claim->login->binding
							    : span_of("", 0);
	buf_fixed(&message, storage, sizeof(storage));
	if (scram_parse_final(claim->login->secret, &final) < 0 ||
		!nonce_is(final.nonce, client_nonce, exchange->server_nonce))
		return source_refuse(claim, "form");
	if (!scram_binding_is(final.binding, exchange->gs2, data))
		return source_refuse(claim, "binding");
	put_auth_message(&message, exchange, client_nonce, keys, &final);
	if (!buf_ok(&message))
		return source_refuse(claim, "form");
	if (!scram_proof_fits(keys, buf_span(&message), final.proof))
		return source_refuse(claim, "password");
	scram_put_server_final(&claim->challenge, keys, buf_span(&message));
	claim->step = (struct step){ .kind = STEP_SCRAM_PROVEN };
	return RESULT_MORE;
}

static enum source_result answer_final(
	struct auth *auth, struct claim *claim, const struct step *step)
{
	struct exchange exchange;
	struct scram_keys keys;
	if (recall(step, &exchange) < 0)
		bug("a SCRAM step of ours that cannot be read");
	enum source_result result = find_keys(auth, claim, &keys);
	if (result != RESULT_ACCEPTED)
		return result;
	result = prove(claim, &exchange, &keys);
	scram_wipe(&keys);
	return result;
}

enum source_result decide_scram(
	struct auth *auth, struct claim *claim, struct source **source)
{
	struct step step;
	if (claim->login->state.n == 0)
		return answer_first(auth, claim);
	if (step_open(auth->memory.step_key, claim->facts, claim->login, &step) < 0)
		return source_refuse(claim, "step");
	if (step.kind == STEP_SCRAM_FIRST)
		return answer_final(auth, claim, &step);
	if (step.kind == STEP_SCRAM_PROVEN && claim->login->secret.n == 0)
		return decide_authorize(auth, claim, source);
	return source_refuse(claim, "form");
}
