/*
 * pam: system accounts by the host's own rules. Runs as root in an auth child, once,
 * for one claim.
 *
 * Trusts: PAM's service (talk.c), the user database, and a database's record of the
 * account. Distrusts: the name; only harmless ones reach a module.
 *
 * An account may have a record in a database (postern user add --system): app
 * passwords, networks, an end, a maildrop of its own. Whoever comes with an app
 * password, a token or a certificate still passes PAM's account management: what locks
 * a Unix account or lets it expire counts for all of them.
 */
#include "auth/pam.h"

#include "auth/owner.h"
#include "auth/source.h"
#include "auth/talk.h"
#include "auth/template.h"
#include "auth/vigil.h"
#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <shadow.h>
#include <unistd.h>

enum { PAM_NAME_MAX = 64, SHADOW_ENTRY_MAX = 4096, STAMP_MAX = 1024 };

static bool harmless(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c != '\0' && strchr("._-+@$", c)) ||
	       c >= 0x80;
}

bool pam_name_fits(struct span name)
{
	if (name.n == 0 || name.n > PAM_NAME_MAX || name.p[0] == '-' ||
		name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!harmless(name.p[i]))
			return false;
	return true;
}

static enum source_result fault(
	const struct source *source, const struct claim *claim, const char *what)
{
	log_line("connection=%llu pam:%s: %s",
		(unsigned long long)claim->facts->connection, source->setup->argument,
		what);
	return RESULT_FAULT;
}

/* --- remembered logins --------------------------------------------------------------
 */

static void put_shadow(struct buf *stamp, const char *name)
{
	char room[SHADOW_ENTRY_MAX];
	struct spwd entry, *found = NULL;
	if (getspnam_r(name, &entry, room, sizeof(room), &found) == 0 && found)
		buf_printf(stamp, "%s %ld %ld", found->sp_pwdp, found->sp_lstchg,
			found->sp_expire);
	explicit_bzero(room, sizeof(room));
}

/* Whatever changes when the account's password or its record does. Of users that are
 * not in shadow(5) (LDAP) nothing is known: a change is seen when the time that
 * logins are remembered is over. */
static void put_stamp(struct buf *stamp, const struct claim *claim)
{
	const struct record *record = claim->beside;
	put_shadow(stamp, claim->name);
	buf_printf(stamp, " %llu",
		record ? (unsigned long long)record->account.stamp : 0ULL);
}

static enum source_result authenticate(
	const struct source *source, struct claim *claim, struct talk *talk)
{
	unsigned char storage[STAMP_MAX];
	struct buf stamp;
	const struct remember *remember = &claim->memory->remember;
	int64_t now = io_now() / 1000;
	buf_fixed(&stamp, storage, sizeof(storage));
	put_stamp(&stamp, claim);
	struct remember_claim what = {
		.source = source->place,
		.account = span_str(claim->name),
		.stamp = buf_span(&stamp),
		.password = claim->login->secret,
		.peer = &claim->facts->peer,
	};
	/* What opens a session may need the password itself. */
	bool possible = buf_ok(&stamp) && !source->pam_session;
	if (possible && remember_knows(remember, &what, now))
		return RESULT_ACCEPTED;
	enum source_result result = talk_authenticate(talk);
	/* A name that modules mapped is asked for each time. */
	if (result == RESULT_ACCEPTED && possible && talk_keeps_name(talk))
		remember_add(remember, &what, now);
	buf_wipe(&stamp);
	return result;
}

/* --- verifying
 * ------------------------------------------------------------------------ */

/* Its own, of the record, or as the source's template says. */
static int fill_maildrop(const struct source *source, const struct record *record,
	const struct owner *owner, struct identity *identity)
{
	if (record && record->account.maildrop) {
		identity->maildrop = record->account.maildrop;
		return span_to_text(span_str(record->account.path), identity->path_name,
			sizeof(identity->path_name));
	}
	identity->maildrop = source->setup->maildrop;
	return template_expand(source->setup->template, span_str(owner->name),
		owner->home, identity->path_name);
}

static enum source_result fill(
	const struct source *source, struct claim *claim, const struct owner *owner)
{
	struct identity *identity = &claim->identity;
	struct span name = span_str(owner->name);
	identity->read_only = claim->beside && record_read_only(claim->beside);
	if (span_to_text(name, identity->account, sizeof(identity->account)) == 0 &&
		owner_become(owner, identity) == 0 &&
		fill_maildrop(source, claim->beside, owner, identity) == 0)
		return RESULT_ACCEPTED;
	return fault(source, claim, "the maildrop's template does not fit this user");
}

/* With the account's own password, or (proven) without any. */
static enum source_result ask(const struct source *source, struct claim *claim,
	struct talk *talk, bool proven)
{
	struct owner owner;
	const struct record *record = claim->beside;
	enum source_result result = RESULT_ACCEPTED;
	if (!proven)
		result = authenticate(source, claim, talk);
	if (result == RESULT_ACCEPTED)
		result = talk_account(talk);
	if (result == RESULT_ACCEPTED)
		result = talk_owner(talk, source->first_uid, &owner);
	const char *reason = record ? record_limit(record, &claim->facts->peer) : NULL;
	if (result != RESULT_FAULT && reason)
		return source_refuse(claim, reason);
	return result == RESULT_ACCEPTED ? fill(source, claim, &owner) : result;
}

static enum source_result conclude(
	struct source *source, struct claim *claim, bool proven)
{
	struct talk talk;
	struct span password = proven ? span_of("", 0) : claim->login->secret;
	enum source_result result =
		talk_open(&talk, source->setup->argument, claim, password);
	if (result != RESULT_ACCEPTED)
		return result;
	result = ask(source, claim, &talk, proven);
	if (result == RESULT_ACCEPTED && source->pam_session)
		result = vigil_begin(&talk, claim);
	if (claim->lifeline >= 0)
		talk_leave(&talk);
	else
		talk_close(&talk, result);
	return result;
}

static enum source_result verify(struct source *source, struct claim *claim)
{
	struct record *record = claim->beside;
	int app = 0;
	if (!source_is_password(claim->login->mechanism))
		return source_refuse(claim, "mechanism");
	if (record)
		app = record_find_app(
			record, claim->facts->connection, claim->login->secret);
	if (app < 0)
		return RESULT_FAULT;
	if (app == 0 && record && !record->account.main_password)
		return source_refuse(claim, "password");
	return conclude(source, claim, app == 1);
}

static enum source_result authorize(struct source *source, struct claim *claim)
{
	return conclude(source, claim, true);
}

static void accepted(struct source *source, struct claim *claim)
{
	(void)source;
	if (!claim->beside)
		return;
	record_used(claim->beside, &claim->facts->peer, claim->login->secret);
	record_rest(claim->beside);
}

static enum source_holds holds(struct source *source, struct claim *claim)
{
	struct owner owner;
	if (!source->usable || !pam_name_fits(span_str(claim->name)))
		return HOLDS_NO;
	int found = owner_find(claim->name, &owner);
	if (found < 0) {
		fault(source, claim, strerror(errno));
		return HOLDS_FAULT;
	}
	/* Not in the user database: modules may still map the name. */
	if (found == 0)
		return HOLDS_MAYBE;
	return owner_is_person(&owner, source->first_uid) ? HOLDS_YES : HOLDS_NO;
}

static uint32_t offer(struct source *source, uint32_t *all)
{
	*all = source->usable ? SOURCE_PASSWORDS : LOGIN_MECHANISMS_ALL;
	return source->usable ? SOURCE_PASSWORDS : 0;
}

static int prepare(struct source *source)
{
	const char *service = source->setup->argument;
	struct owner owner;
	if (!source->root || geteuid() != 0) {
		log_line("pam:%s is refused: PAM needs the server to be started as "
			 "root; system accounts cannot log in",
			service);
		return -1;
	}
	/* Loads what nsswitch.conf(5) names, so that no child has to. */
	(void)owner_find("root", &owner);
	if (talk_preload(service) == 0)
		return 0;
	log_line("pam:%s: PAM cannot start this service", service);
	return -1;
}

const struct source_driver source_pam = {
	.kind = SOURCE_PAM,
	.prepare = prepare,
	.offer = offer,
	.holds = holds,
	.verify = verify,
	.authorize = authorize,
	.accepted = accepted,
};
