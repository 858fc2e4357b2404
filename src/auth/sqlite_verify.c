/*
 * sqlite_verify: does the claim's password or digest belong to the account? Runs as
 * root in an auth child. Whether the account may be used now is not asked here.
 */
#include "auth/sqlite.h"

#include "accounts/saslprep.h"
#include "auth/apop.h"
#include "auth/cram.h"
#include "base/io.h"

static struct remember_claim to_remember(
	const struct source *source, const struct claim *claim)
{
	const struct account *account = &source->record.account;
	return (struct remember_claim){
		.source = source->place,
		.account = span_of(&account->id, sizeof(account->id)),
		.stamp = span_of(&account->stamp, sizeof(account->stamp)),
		.password = claim->login->secret,
		.peer = &claim->facts->peer,
	};
}

static bool main_password(struct source *source, struct claim *claim)
{
	struct record *record = &source->record;
	const struct account *account = &record->account;
	const struct remember *remember = &claim->memory->remember;
	struct span password = claim->login->secret;
	struct remember_claim what = to_remember(source, claim);
	int64_t now = io_now() / 1000;
	bool possible = account->main_password && account->hash[0] != '\0';
	if (possible && remember_knows(remember, &what, now))
		return true;
	claim->worked = true;
	if (!possible)
		return password_nobody(password);
	record->rehash = password_verify(account->hash, password);
	if (record->rehash)
		remember_add(remember, &what, now);
	return record->rehash;
}

static enum source_result verify_password(struct source *source, struct claim *claim)
{
	int app = record_find_app(
		&source->record, claim->facts->connection, claim->login->secret);
	if (app < 0)
		return RESULT_FAULT;
	if (app == 1 || main_password(source, claim))
		return RESULT_ACCEPTED;
	return source_refuse(claim, "password");
}

static enum source_result verify_digest(struct source *source, struct claim *claim,
	bool (*fits)(struct span challenge, struct span secret, struct span digest))
{
	struct secret secret;
	if (record_secret(&source->record, claim->facts->connection, &secret) < 0)
		return RESULT_FAULT;
	struct span challenge = span_str(claim->facts->challenge), prepared;
	char text[SASLPREP_MAX];
	(void)saslprep(secret_span(&secret), text, &prepared);
	claim->soiled = saslprep_soils(secret_span(&secret));
	/* Some clients prepare the secret (GNU SASL), most do not. */
	bool same = fits(challenge, secret_span(&secret), claim->login->secret);
	same = fits(challenge, prepared, claim->login->secret) || same;
	explicit_bzero(text, sizeof(text));
	secret_wipe(&secret);
	return same ? RESULT_ACCEPTED : source_refuse(claim, "password");
}

enum source_result sqlite_verify(struct source *source, struct claim *claim)
{
	if (source_is_password(claim->login->mechanism))
		return verify_password(source, claim);
	if (claim->login->mechanism == LOGIN_APOP)
		return verify_digest(source, claim, apop_verify);
	if (claim->login->mechanism == LOGIN_CRAM_MD5)
		return verify_digest(source, claim, cram_verify);
	return source_refuse(claim, "mechanism");
}
