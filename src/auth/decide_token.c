/*
 * decide_token: OAUTHBEARER (RFC 7628) and XOAUTH2. A token that is refused is
 * answered by a challenge that says so in JSON; the client answers it with nothing
 * that counts, and is then refused. Runs as root in an auth child; distrusts the claim.
 */
#include "auth/decide.h"

#include "accounts/name.h"

#include <time.h>

/* RFC 7628 section 3.2.2; Google's form for XOAUTH2. One text for every reason. */
static enum source_result explain(struct claim *claim, enum source_result result)
{
	if (result != RESULT_REFUSED)
		return result;
	claim->step = (struct step){ .kind = STEP_TOKEN_REFUSED };
	buf_puts(&claim->challenge,
		claim->login->mechanism == LOGIN_OAUTHBEARER
			? "{\"status\":\"invalid_token\"}"
			: "{\"status\":\"401\",\"schemes\":\"bearer\"}");
	return RESULT_MORE;
}

/* A name that is another one when it is prepared may be somebody else's at the issuer:
 * no token of his opens an account here. */
static bool is_another(const char *account)
{
	char normal[ACCOUNT_NAME_MAX + 1];
	return account_name(span_str(account), normal) == 0 &&
	       !span_is_nocase(span_str(account), normal);
}

/*
 * May this issuer speak for the account that the name means? Of a virtual account its
 * own name counts, whatever other name led to it. A system account is more than mail to
 * its host: only an issuer that was told "system" speaks for one.
 */
static bool may_speak(const struct issuer_setup *by, const struct claim *claim,
	const struct source *source)
{
	if (source->setup->kind == SOURCE_SQLITE)
		return token_is_of_domain(by, source->record.account.name);
	return by->for_system && (account_domain(claim->name).n == 0 ||
					 token_is_of_domain(by, claim->name));
}

static enum source_result authorize(struct auth *auth, struct claim *claim,
	const struct issuer_setup *by, struct source **source)
{
	struct answerer answerer = decide_find(auth, claim);
	if (answerer.holds == HOLDS_YES && !may_speak(by, claim, answerer.source))
		return source_refuse(claim, "token-domain");
	return decide_authorize_found(claim, answerer, source);
}

static enum source_result check(
	struct auth *auth, struct claim *claim, struct source **source)
{
	const struct login *login = claim->login;
	const struct issuer_setup *by;
	char account[LOGIN_NAME_MAX + 1];
	claim->reason = token_account(&auth->memory.issuers, login->secret,
		(int64_t)time(NULL), account, &by);
	if (!claim->reason && is_another(account))
		claim->reason = "token";
	if (!claim->reason && login->name.n && !account_name_is(login->name, account))
		claim->reason = "authzid";
	if (claim->reason)
		return RESULT_REFUSED;
	memcpy(claim->name, account, sizeof(claim->name));
	return authorize(auth, claim, by, source);
}

enum source_result decide_token(
	struct auth *auth, struct claim *claim, struct source **source)
{
	struct step step;
	if (claim->login->state.n == 0)
		return explain(claim, check(auth, claim, source));
	/* Whatever comes behind the explanation, it is over. */
	claim->logged = step_open(auth->memory.step_key, claim->facts, claim->login,
				&step) == 0;
	return source_refuse(claim, "token");
}
