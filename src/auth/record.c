/*
 * record: one account of the account store (src/accounts). Runs as root in an auth
 * child. A worker keeps the database open between its claims (src/accounts/rest.c);
 * each claim reads anew, so what the administrator changed is seen by the next login.
 *
 * Trusts: the database and its key file, which only root can write (the store
 * checks). Distrusts: the login name, which reaches SQLite as a bound value only.
 * Fails: a fault is logged with the file's name, and never makes a name "unknown".
 */
#include "auth/record.h"

#include "base/log.h"

#include <errno.h>
#include <time.h>

static int fault(const struct record *record, uint64_t connection)
{
	log_line("connection=%llu %s", (unsigned long long)connection,
		record->store ? store_fault(record->store) : "no memory");
	return -1;
}

static int fault_text(
	const struct record *record, uint64_t connection, const char *text)
{
	log_line("connection=%llu %s: %s", (unsigned long long)connection, record->path,
		text);
	return -1;
}

static int open_store(struct record *record, uint64_t connection)
{
	if (record->awake)
		return 0;
	if (!record->store || !store_wake(record->store)) {
		record_close(record);
		if (store_open(&record->store, record->path, STORE_LOGIN) < 0) {
			fault(record, connection);
			record_close(record);
			return -1;
		}
	}
	record->awake = true;
	return 0;
}

/* What a look-up returned: found, not there, or a fault. */
static int found(struct record *record, uint64_t connection, int result)
{
	if (result == 0)
		return 1;
	record->account = (struct account){ .kind = 0 };
	return errno == ENOENT ? 0 : fault(record, connection);
}

int record_find(struct record *record, uint64_t connection, struct span login)
{
	if (open_store(record, connection) < 0)
		return -1;
	return found(
		record, connection, store_find(record->store, login, &record->account));
}

int record_find_certificate(
	struct record *record, uint64_t connection, const unsigned char fingerprint[32])
{
	if (open_store(record, connection) < 0)
		return -1;
	return found(record, connection,
		store_find_certificate(record->store, fingerprint, &record->account));
}

int record_find_app(struct record *record, uint64_t connection, struct span password)
{
	record->by_app = false;
	if (record->account.apps_n == 0)
		return 0;
	if (store_find_app(record->store, &record->account, password, &record->app) ==
		0) {
		record->by_app = true;
		return 1;
	}
	return errno == ENOENT || errno == EINVAL ? 0 : fault(record, connection);
}

const char *record_limit(const struct record *record, const struct netaddr *peer)
{
	const struct account *account = &record->account;
	const struct app *app = record->by_app ? &record->app : NULL;
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

bool record_read_only(const struct record *record)
{
	return record->account.read_only || (record->by_app && record->app.read_only);
}

int record_secret(struct record *record, uint64_t connection, struct secret *secret)
{
	const struct account *account = &record->account;
	struct seal_key key;
	secret_wipe(secret);
	if (account->sealed_n == 0 || !account->main_password)
		return 0;
	if (seal_key_load(&key, record->path) < 0)
		return fault_text(record, connection, "its key file cannot be used");
	int opened = seal_open(&key, account->name,
		span_of(account->sealed, account->sealed_n), secret);
	seal_key_wipe(&key);
	return opened == 0 ? 0
			   : fault_text(record, connection,
				     "a sealed secret does not open with the key file");
}

int record_own_domain(
	struct record *record, uint64_t connection, char name[ACCOUNT_NAME_MAX + 1])
{
	if (open_store(record, connection) < 0)
		return -1;
	return store_own_domain(record->store, name) < 0 ? fault(record, connection)
							 : 0;
}

/* The fake ones are made for every name: no answer comes later for want of keys. */
int record_scram(struct record *record, uint64_t connection, const char *name,
	enum scram_hash hash, struct scram_keys *keys)
{
	struct scram_keys real;
	const struct account *account = &record->account;
	if (open_store(record, connection) < 0)
		return -1;
	if (store_scram_fake(record->store, span_str(name), hash, keys) < 0)
		return fault(record, connection);
	if (store_scram(record->store, account, hash, &real) == 0) {
		if (account->main_password)
			*keys = real;
		scram_wipe(&real);
		return 0;
	}
	return errno == ENOENT ? 0 : fault(record, connection);
}

static void rehash(struct record *record, struct span password)
{
	if (store_rehash(record->store, &record->account, password) < 0 &&
		errno != EBUSY && errno != ENOENT)
		log_line("%s", store_fault(record->store));
}

void record_used(
	struct record *record, const struct netaddr *peer, struct span password)
{
	const struct app *app = record->by_app ? &record->app : NULL;
	if (record->rehash && password_needs_rehash(record->account.hash))
		rehash(record, password);
	if (store_note_login(record->store, &record->account, app, peer,
		    (int64_t)time(NULL)) < 0 &&
		errno != EBUSY)
		log_line("%s", store_fault(record->store));
}

void record_rest(struct record *record)
{
	if (record->store && !store_rest(record->store))
		record_close(record);
	record->awake = false;
}

void record_forget(struct record *record)
{
	struct record kept = { .path = record->path };
	record_rest(record);
	kept.store = record->store;
	explicit_bzero(record, sizeof(*record));
	*record = kept;
}

void record_close(struct record *record)
{
	store_close(record->store);
	record->store = NULL;
	record->awake = false;
}
