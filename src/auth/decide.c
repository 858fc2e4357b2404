/*
 * decide: the order in which sources are asked, and what each mechanism asks of them.
 * Runs as root in an auth child. Trusts the facts and the sources, distrusts the
 * claim.
 *
 * Unknown name, wrong password, disabled account: one password hash each. Fails: a
 * source that cannot be asked ends the attempt; another is never asked in its place.
 */
#include "auth/decide.h"

#include "accounts/password.h"
#include "auth/names.h"
#include "auth/proof.h"
#include "base/die.h"

#include <openssl/evp.h>

static const struct source_driver *const drivers[] = { &source_pam, &source_sqlite };

static const struct source_driver *driver_of(enum source_kind kind)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (drivers[i]->kind == kind)
			return drivers[i];
	bug("a source of no known kind");
}

uint32_t decide_prepare(struct auth *auth)
{
	uint32_t usable = 0;
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		struct source *source = &auth->sources[i];
		*source = (struct source){
			.setup = &auth->setup.sources[i],
			.driver = driver_of(auth->setup.sources[i].kind),
			.place = i,
			.root = auth->setup.root,
			.check = auth->setup.check,
			.pam_session = auth->setup.pam_session,
			.first_uid = auth->setup.names.first_uid,
		};
		source->usable = source->driver->prepare(source) == 0;
		usable += source->usable;
	}
	return usable;
}

/*
 * Clients (curl, mpop) take the strongest mechanism that is offered and try nothing
 * else when it fails. So CRAM-MD5 and SCRAM, which no system account's password and no
 * app password can do, are offered when they work for everybody; or when the
 * administrator names them, who knows the clients. The -PLUS forms are offered only by
 * name: mutt and neomutt of Debian 12 take them, cannot bind, and run out of step.
 */
uint32_t decide_offer(struct auth *auth)
{
	const uint32_t by_choice =
		SOURCE_PASSWORDS | 1 << LOGIN_APOP | 1 << LOGIN_EXTERNAL;
	const uint32_t by_name =
		1 << LOGIN_SCRAM_SHA_1_PLUS | 1 << LOGIN_SCRAM_SHA_256_PLUS;
	uint32_t set = auth->setup.sources_n ? SOURCE_PASSWORDS : 0;
	uint32_t all = LOGIN_MECHANISMS_ALL;
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		uint32_t of_each;
		set |= auth->sources[i].driver->offer(&auth->sources[i], &of_each);
		all &= of_each;
	}
	if (auth->setup.mechanisms == 0)
		set &= (all & ~by_name) | by_choice;
	if (auth->memory.issuers.n)
		set |= 1 << LOGIN_OAUTHBEARER | 1 << LOGIN_XOAUTH2;
	return auth->setup.mechanisms ? set & auth->setup.mechanisms : set;
}

/* --- who answers --------------------------------------------------------------------
 */

/* The record of a system account stands for its own name. An alias of one never
 * takes the name of another Unix user. */
static struct answerer follow_record(
	struct auth *auth, struct claim *claim, struct answerer by_name)
{
	const char *name = claim->beside->account.name;
	bool same = span_is_nocase(span_str(claim->name), name);
	if (by_name.holds == HOLDS_YES && !same) {
		claim->beside = NULL;
		return by_name;
	}
	if (span_to_text(span_str(name), claim->name, sizeof(claim->name)) < 0)
		bug("an account's name that does not fit");
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		struct source *source = &auth->sources[i];
		if (source->setup->kind == SOURCE_PAM &&
			source->driver->holds(source, claim) == HOLDS_YES)
			return (struct answerer){ source, HOLDS_YES };
	}
	return (struct answerer){ NULL, HOLDS_NO };
}

static struct answerer find_exactly(struct auth *auth, struct claim *claim)
{
	struct answerer found = { NULL, HOLDS_NO };
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		struct source *source = &auth->sources[i];
		enum source_holds holds = source->driver->holds(source, claim);
		if (holds == HOLDS_FAULT)
			return (struct answerer){ source, holds };
		if (holds > found.holds)
			found = (struct answerer){ source, holds };
	}
	if (found.source && found.source->setup->kind == SOURCE_SQLITE)
		claim->beside = NULL;
	return claim->beside ? follow_record(auth, claim, found) : found;
}

/* Whom the name means by the statement `names`, when it is nobody's as it was given. A
 * token's issuer knows whom it means. */
static struct answerer find_by_other(
	struct auth *auth, struct claim *claim, struct answerer found)
{
	char given[sizeof(claim->name)], other[sizeof(claim->name)];
	bool local, token = claim->login->mechanism == LOGIN_OAUTHBEARER ||
			    claim->login->mechanism == LOGIN_XOAUTH2;
	memcpy(given, claim->name, sizeof(given));
	for (int i = 1; i <= NAMES_LAST && !token; i++) {
		if (!names_other(&auth->setup.names, given, i, &local, other))
			continue;
		claim->beside = NULL;
		memcpy(claim->name, other, sizeof(claim->name));
		struct answerer by_other = find_exactly(auth, claim);
		if (by_other.holds == HOLDS_FAULT ||
			(by_other.holds == HOLDS_YES &&
				local == (by_other.source->setup->kind == SOURCE_PAM)))
			return by_other;
	}
	claim->beside = NULL;
	memcpy(claim->name, given, sizeof(given));
	return found;
}

struct answerer decide_find(struct auth *auth, struct claim *claim)
{
	struct answerer found = find_exactly(auth, claim);
	return found.holds == HOLDS_YES || found.holds == HOLDS_FAULT
		       ? found
		       : find_by_other(auth, claim, found);
}

/* --- passwords and digests
 * ------------------------------------------------------------ */

/* A refusal that needed no hash pays one all the same. */
static void even_out(const struct auth *auth, const struct claim *claim)
{
	bool hashes = false;
	for (uint32_t i = 0; i < auth->setup.sources_n; i++)
		hashes = hashes || auth->setup.sources[i].kind == SOURCE_SQLITE;
	if (hashes && !claim->worked && source_is_password(claim->login->mechanism))
		(void)password_nobody(claim->login->secret);
}

static enum source_result decide_secret(
	struct auth *auth, struct claim *claim, struct source **source)
{
	enum source_result result = RESULT_REFUSED;
	struct answerer answerer = decide_find(auth, claim);
	*source = answerer.source;
	if (answerer.holds == HOLDS_FAULT)
		return RESULT_FAULT;
	if (*source)
		result = (*source)->driver->verify(*source, claim);
	if (result != RESULT_REFUSED)
		return result;
	if (answerer.holds != HOLDS_YES)
		claim->reason = "unknown";
	even_out(auth, claim);
	return result;
}

/* --- who has shown it otherwise
 * --------------------------------------------------------- */

enum source_result decide_authorize(
	struct auth *auth, struct claim *claim, struct source **source)
{
	return decide_authorize_found(claim, decide_find(auth, claim), source);
}

enum source_result decide_authorize_found(
	struct claim *claim, struct answerer answerer, struct source **source)
{
	*source = answerer.source;
	if (answerer.holds == HOLDS_FAULT)
		return RESULT_FAULT;
	if (answerer.holds != HOLDS_YES)
		return source_refuse(claim, "unknown");
	return (*source)->driver->authorize(*source, claim);
}

/* The account that an administrator mapped this certificate to: 1; 0; -1, a fault. */
static int find_certificate(struct auth *auth, struct claim *claim, struct span der)
{
	unsigned char fingerprint[32];
	if (!EVP_Digest(der.p, der.n, fingerprint, NULL, EVP_sha256(), NULL))
		return -1;
	for (uint32_t i = 0; i < auth->setup.sources_n; i++) {
		struct record *record = &auth->sources[i].record;
		if (auth->setup.sources[i].kind != SOURCE_SQLITE)
			continue;
		int found = record_find_certificate(
			record, claim->facts->connection, fingerprint);
		if (found < 0)
			return -1;
		if (found == 1)
			return span_to_text(span_str(record->account.name), claim->name,
				       sizeof(claim->name)) == 0
				       ? 1
				       : -1;
	}
	return 0;
}

/* RFC 4422 appendix A: a client may name whom it wants to be; only itself will do. */
static enum source_result decide_external(
	struct auth *auth, struct claim *claim, struct source **source)
{
	struct proof proof;
	if (proof_read(claim->login->secret, &proof) < 0 ||
		!proof_is_ours(&proof, auth->setup.witness_key,
			claim->facts->connection, claim->login->binding))
		return source_refuse(claim, "proof");
	int found = find_certificate(auth, claim, proof.certificate);
	if (found < 0)
		return RESULT_FAULT;
	if (found == 0)
		return source_refuse(claim, "certificate");
	if (!proof_is_the_owners(&proof))
		return source_refuse(claim, "proof");
	struct span wanted = claim->login->name;
	if (wanted.n && !account_name_is(wanted, claim->name))
		return source_refuse(claim, "authzid");
	return decide_authorize(auth, claim, source);
}

/* --- which mechanism
 * ---------------------------------------------------------------------- */

/* A certificate is shown in a handshake. */
static bool is_without_tls(const struct claim *claim)
{
	const struct login *login = claim->login;
	return !claim->facts->tls || login->path == PATH_DIRECT || login->tls.n == 0;
}

static const char *forbidden(const struct claim *claim)
{
	const uint32_t over_tls_only =
		SOURCE_PASSWORDS | 1 << LOGIN_OAUTHBEARER | 1 << LOGIN_XOAUTH2;
	const struct login *login = claim->login;
	const struct facts *facts = claim->facts;
	if (!(facts->mechanisms >> login->mechanism & 1))
		return "mechanism";
	if ((over_tls_only >> login->mechanism & 1) && login->path == PATH_DIRECT &&
		!facts->plaintext)
		return "plaintext";
	if (login->mechanism == LOGIN_EXTERNAL && is_without_tls(claim))
		return "plaintext";
	return NULL;
}

enum source_result decide(
	struct auth *auth, struct claim *claim, struct source **source)
{
	*source = NULL;
	claim->reason = forbidden(claim);
	if (claim->reason)
		return RESULT_REFUSED;
	switch (claim->login->mechanism) {
	case LOGIN_SCRAM_SHA_1:
	case LOGIN_SCRAM_SHA_256:
	case LOGIN_SCRAM_SHA_1_PLUS:
	case LOGIN_SCRAM_SHA_256_PLUS:
		return decide_scram(auth, claim, source);
	case LOGIN_EXTERNAL:
		return decide_external(auth, claim, source);
	case LOGIN_OAUTHBEARER:
	case LOGIN_XOAUTH2:
		return decide_token(auth, claim, source);
	default:
		return decide_secret(auth, claim, source);
	}
}
