/*
 * sqlite: virtual users, kept in an account database (record.h). Runs as root in an
 * auth child.
 *
 * Disabled, expired, from a wrong network: found out after the password was hashed,
 * so that no answer comes sooner than another. Fails: a database that cannot be read is
 * RESULT_FAULT; it never makes a name "unknown".
 */
#include "auth/sqlite.h"

#include "auth/owner.h"
#include "auth/template.h"
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

static enum source_result fault(
	const struct source *source, const struct claim *claim, const char *what)
{
	log_line("connection=%llu sqlite:%s: %s",
		(unsigned long long)claim->facts->connection, source->setup->argument,
		what);
	return RESULT_FAULT;
}

static enum source_holds holds(struct source *source, struct claim *claim)
{
	struct record *record = &source->record;
	int found =
		record_find(record, claim->facts->connection, span_str(claim->name));
	if (found < 0)
		return HOLDS_FAULT;
	if (found == 0)
		return HOLDS_NO;
	if (record->account.kind == ACCOUNT_VIRTUAL)
		return HOLDS_YES;
	if (!claim->beside)
		claim->beside = record;
	return HOLDS_NO;
}

/* --- identity --------------------------------------------------------------------- */

/* As whom the session runs: without root as ourselves, else as the account's own
 * ids or the source's owner; never as root. */
static int fill_owner(const struct source *source, struct identity *identity)
{
	const struct account *account = &source->record.account;
	struct owner owner;
	if (!source->root) {
		identity->uid = getuid();
		identity->gid = getgid();
	} else if (account->own_ids) {
		identity->uid = account->uid;
		identity->gid = account->gid;
	} else if (owner_find(source->setup->owner, &owner) == 1) {
		identity->uid = owner.uid;
		identity->gid = owner.gid;
	} else {
		return -1;
	}
	bool root = identity->uid == 0 || identity->gid == 0;
	return source->root && root ? -1 : 0;
}

static int fill_maildrop(const struct source *source, struct identity *identity)
{
	const struct account *account = &source->record.account;
	if (account->maildrop) {
		identity->maildrop = account->maildrop;
		return span_to_text(span_str(account->path), identity->path_name,
			sizeof(identity->path_name));
	}
	identity->maildrop = source->setup->maildrop;
	return template_expand(source->setup->template, span_str(account->name), NULL,
		identity->path_name);
}

static enum source_result fill(struct source *source, struct claim *claim)
{
	struct identity *identity = &claim->identity;
	identity->read_only = record_read_only(&source->record);
	if (fill_owner(source, identity) < 0)
		return fault(source, claim,
			"no Unix user to run this account's session as (owner)");
	if (span_to_text(span_str(source->record.account.name), identity->account,
		    sizeof(identity->account)) < 0 ||
		fill_maildrop(source, identity) < 0)
		return fault(source, claim,
			"the maildrop's template does not fit this account");
	return RESULT_ACCEPTED;
}

static enum source_result authorize(struct source *source, struct claim *claim)
{
	const char *reason = record_limit(&source->record, &claim->facts->peer);
	return reason ? source_refuse(claim, reason) : fill(source, claim);
}

static enum source_result verify(struct source *source, struct claim *claim)
{
	enum source_result result = sqlite_verify(source, claim);
	if (result == RESULT_FAULT)
		return result;
	const char *reason = record_limit(&source->record, &claim->facts->peer);
	if (reason)
		return source_refuse(claim, reason);
	return result == RESULT_ACCEPTED ? fill(source, claim) : result;
}

static void accepted(struct source *source, struct claim *claim)
{
	record_used(&source->record, &claim->facts->peer, claim->login->secret);
	record_rest(&source->record);
}

/* --- the warm parent ----------------------------------------------------------------
 */

/* The mechanisms of a set of enum scram_hash. */
static uint32_t scram_of(uint32_t hashes)
{
	uint32_t set = 0;
	if (hashes >> SCRAM_SHA_1 & 1)
		set |= 1 << LOGIN_SCRAM_SHA_1 | 1 << LOGIN_SCRAM_SHA_1_PLUS;
	if (hashes >> SCRAM_SHA_256 & 1)
		set |= 1 << LOGIN_SCRAM_SHA_256 | 1 << LOGIN_SCRAM_SHA_256_PLUS;
	return set;
}

static uint32_t offer_of(const struct store_offer *held)
{
	uint32_t set = SOURCE_PASSWORDS;
	if (held->sealed)
		set |= 1 << LOGIN_APOP | 1 << LOGIN_CRAM_MD5;
	set |= scram_of(held->scram);
	if (held->certificates)
		set |= 1 << LOGIN_EXTERNAL;
	return set;
}

/* An app password is neither sealed nor has it keys of SCRAM. */
static uint32_t all_of(const struct store_offer *held)
{
	uint32_t set = SOURCE_PASSWORDS;
	if (held->all_sealed && !held->apps)
		set |= 1 << LOGIN_CRAM_MD5;
	if (!held->apps)
		set |= scram_of(held->all_scram);
	return set;
}

static uint32_t offer(struct source *source, uint32_t *all)
{
	struct store *store;
	bool read = store_open(&store, source->setup->argument, STORE_READ) == 0 &&
		    store_offer(store, &source->held) == 0;
	store_close(store);
	*all = read ? all_of(&source->held) : SOURCE_PASSWORDS;
	return read ? offer_of(&source->held) : SOURCE_PASSWORDS;
}

/* Creates a missing database and migrates an older one; a trial does neither. A full
 * disk is no reason not to read. */
static int try_open(const struct source *source)
{
	struct store *store;
	enum store_mode mode = source->check ? STORE_READ : STORE_CREATE;
	int result = store_open(&store, source->setup->argument, mode);
	if (result < 0 && errno == ENOSPC) {
		store_close(store);
		result = store_open(&store, source->setup->argument, STORE_LOGIN);
	}
	/* A service begins in a moment; a trial has the time to look at every page. */
	if (result == 0 && source->check)
		result = store_sound(store);
	bool will_be_made = result < 0 && source->check &&
			    (errno == ENOENT || errno == ESTALE || errno == ENODATA);
	if (result < 0 && !will_be_made)
		log_line("%s", store ? store_fault(store) : "no memory");
	store_close(store);
	return result < 0 && !will_be_made ? -1 : 0;
}

static int check_owner(const struct source *source)
{
	struct owner owner;
	const char *name = source->setup->owner;
	if (!source->root || name[0] == '\0')
		return 0;
	if (owner_find(name, &owner) == 1 && owner.uid != 0 && owner.gid != 0)
		return 0;
	log_line("sqlite:%s: owner %s is not a Unix user that sessions may run as",
		source->setup->argument, name);
	return -1;
}

static int prepare(struct source *source)
{
	source->record.path = source->setup->argument;
	int opened = try_open(source);
	return check_owner(source) < 0 || opened < 0 ? -1 : 0;
}

/* The log goes back into the file, which is then whole without it: for a backup. */
static void settle(struct source *source)
{
	struct store *store;
	if (source->check)
		return;
	if (store_open(&store, source->setup->argument, STORE_LOGIN) == 0)
		store_settle(store);
	store_close(store);
}

const struct source_driver source_sqlite = {
	.kind = SOURCE_SQLITE,
	.prepare = prepare,
	.offer = offer,
	.settle = settle,
	.holds = holds,
	.verify = verify,
	.authorize = authorize,
	.accepted = accepted,
};
