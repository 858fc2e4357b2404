/*
 * sqlite: virtual users, kept in the account store (src/accounts). Runs as root in an
 * auth child; the database is opened anew for each claim, so what the
 * administrator changed is seen by the next login.
 *
 * Trusts: the database and its key file, which only root can write (the store
 * checks). Distrusts: the claim; its name reaches SQLite as a bound value only.
 *
 * Disabled, expired, from a wrong network: found out after the password was hashed,
 * so that no answer comes sooner than another. Fails: a database that cannot be read
 * is RESULT_FAULT and names its file; it never makes a name "unknown".
 */
#include "accounts/store.h"
#include "auth/apop.h"
#include "auth/owner.h"
#include "auth/source.h"
#include "auth/template.h"
#include "base/die.h"
#include "base/log.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

struct sqlite_state {
	struct store *store;
	struct account account;
	struct app app;
	bool by_app; /* the claim was app's */
	bool rehash; /* the claim was the hash's */
};

static void log_fault(const struct source *source, const struct claim *claim)
{
	const struct sqlite_state *state = source->state;
	log_line("connection=%llu %s", (unsigned long long)claim->facts->connection,
		store_fault(state->store));
}

static enum source_result fault(
	const struct source *source, const struct claim *claim, const char *what)
{
	log_line("connection=%llu sqlite:%s: %s",
		(unsigned long long)claim->facts->connection, source->setup->argument,
		what);
	return RESULT_FAULT;
}

static int open_store(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	if (store_open(&state->store, source->setup->argument, STORE_LOGIN) == 0)
		return 0;
	log_fault(source, claim);
	return -1;
}

static enum source_holds holds(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	if (open_store(source, claim) < 0)
		return HOLDS_FAULT;
	if (store_find(state->store, span_str(claim->name), &state->account) == 0)
		return state->account.kind == ACCOUNT_VIRTUAL ? HOLDS_YES : HOLDS_NO;
	if (errno == ENOENT)
		return HOLDS_NO;
	log_fault(source, claim);
	return HOLDS_FAULT;
}

/* May this account, or this app password of it, be used now and from there? */
static const char *limit(const struct account *account, const struct app *app,
	const struct netaddr *peer)
{
	int64_t now = (int64_t)time(NULL);
	if (!account->enabled)
		return "disabled";
	if ((account->expires && now >= account->expires) ||
		(app && app->expires && now >= app->expires))
		return "expired";
	if (!networks_allow(&account->networks, peer) ||
		(app && !networks_allow(&app->networks, peer)))
		return "network";
	return NULL;
}

/* 1: it is an app password of the account; 0; -1: the store failed, logged. */
static int find_app(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	if (state->account.apps_n == 0)
		return 0;
	if (store_find_app(state->store, &state->account, claim->login->secret,
		    &state->app) == 0)
		return 1;
	if (errno == ENOENT || errno == EINVAL)
		return 0;
	log_fault(source, claim);
	return -1;
}

static bool main_password(struct sqlite_state *state, struct claim *claim)
{
	const struct account *account = &state->account;
	struct span password = claim->login->secret;
	claim->worked = true;
	if (!account->main_password || account->hash[0] == '\0')
		return password_nobody(password);
	state->rehash = password_verify(account->hash, password);
	return state->rehash;
}

static enum source_result verify_password(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	int app = find_app(source, claim);
	if (app < 0)
		return RESULT_FAULT;
	state->by_app = app == 1;
	if (!state->by_app && !main_password(state, claim))
		return source_refuse(claim, "password");
	return RESULT_ACCEPTED;
}

static enum source_result verify_apop(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	const struct account *account = &state->account;
	struct seal_key key = { 0 };
	struct secret secret = { .n = 0 };
	if (account->sealed_n && seal_key_load(&key, source->setup->argument) < 0)
		return fault(source, claim, "its key file cannot be used");
	if (account->sealed_n &&
		seal_open(&key, account->name,
			span_of(account->sealed, account->sealed_n), &secret) < 0) {
		seal_key_wipe(&key);
		return fault(source, claim, "a sealed secret does not open");
	}
	seal_key_wipe(&key);
	bool same = apop_verify(span_str(claim->facts->challenge), secret_span(&secret),
		claim->login->secret);
	secret_wipe(&secret);
	return same ? RESULT_ACCEPTED : source_refuse(claim, "password");
}

static enum source_result verify_secret(struct source *source, struct claim *claim)
{
	if (source_is_password(claim->login->mechanism))
		return verify_password(source, claim);
	if (claim->login->mechanism == LOGIN_APOP)
		return verify_apop(source, claim);
	return source_refuse(claim, "mechanism");
}

/* As whom the session runs: without root as ourselves, else as the account's own
 * ids or the source's owner; never as root. */
static int fill_owner(const struct source *source, struct identity *identity)
{
	const struct sqlite_state *state = source->state;
	struct owner owner;
	if (!source->root) {
		identity->uid = getuid();
		identity->gid = getgid();
	} else if (state->account.own_ids) {
		identity->uid = state->account.uid;
		identity->gid = state->account.gid;
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
	const struct account *account =
		&((const struct sqlite_state *)source->state)->account;
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
	const struct sqlite_state *state = source->state;
	struct identity *identity = &claim->identity;
	identity->read_only =
		state->account.read_only || (state->by_app && state->app.read_only);
	if (fill_owner(source, identity) < 0)
		return fault(source, claim,
			"no Unix user to run this account's session as (owner)");
	if (span_to_text(span_str(state->account.name), identity->account,
		    sizeof(identity->account)) < 0 ||
		fill_maildrop(source, identity) < 0)
		return fault(source, claim,
			"the maildrop's template does not fit this account");
	return RESULT_ACCEPTED;
}

static enum source_result verify(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	enum source_result result = verify_secret(source, claim);
	if (result == RESULT_FAULT)
		return result;
	const char *reason = limit(&state->account, state->by_app ? &state->app : NULL,
		&claim->facts->peer);
	if (reason)
		return source_refuse(claim, reason);
	return result == RESULT_ACCEPTED ? fill(source, claim) : result;
}

static void rehash(struct sqlite_state *state, struct span password)
{
	char hash[PASSWORD_HASH_MAX + 1];
	if (password_hash(password, hash) == 0 &&
		store_rehash(state->store, &state->account, hash) < 0 && errno != EBUSY)
		log_line("%s", store_fault(state->store));
	explicit_bzero(hash, sizeof(hash));
}

static void accepted(struct source *source, struct claim *claim)
{
	struct sqlite_state *state = source->state;
	if (state->rehash && password_needs_rehash(state->account.hash))
		rehash(state, claim->login->secret);
	const struct app *app = state->by_app ? &state->app : NULL;
	if (store_note_login(state->store, &state->account, app, &claim->facts->peer,
		    (int64_t)time(NULL)) < 0 &&
		errno != EBUSY)
		log_line("%s", store_fault(state->store));
	store_close(state->store);
	state->store = NULL;
}

static uint32_t offer(const struct source *source)
{
	struct store *store;
	struct store_offer held = { .passwords = false };
	bool read = store_open(&store, source->setup->argument, STORE_READ) == 0 &&
		    store_offer(store, &held) == 0;
	store_close(store);
	uint32_t set = SOURCE_PASSWORDS;
	if (read && held.sealed)
		set |= 1 << LOGIN_APOP;
	return set;
}

/* Creates a missing database and migrates an older one; a trial does neither. */
static int try_open(const struct source *source)
{
	struct store *store;
	enum store_mode mode = source->check ? STORE_READ : STORE_CREATE;
	int result = store_open(&store, source->setup->argument, mode);
	bool will_be_made = source->check && (errno == ENOENT || errno == EPROTO);
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
	source->state = calloc(1, sizeof(struct sqlite_state));
	if (!source->state)
		die(EXIT_TEMPORARY, "memory");
	int opened = try_open(source);
	return check_owner(source) < 0 || opened < 0 ? -1 : 0;
}

const struct source_driver source_sqlite = {
	.kind = SOURCE_SQLITE,
	.prepare = prepare,
	.offer = offer,
	.holds = holds,
	.verify = verify,
	.accepted = accepted,
};
