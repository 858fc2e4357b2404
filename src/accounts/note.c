/*
 * note: what a login leaves behind in the database: when and from where, and a better
 * hash. Runs as root in auth, after the identity has gone off. None of it is worth a
 * wait or a refused login: another writer at work is EBUSY at once.
 */
#include "accounts/db.h"

#include <errno.h>

enum { NOTE_SECONDS = 60 };

static bool note_due(
	int64_t last, const char *last_source, const char *source, int64_t now)
{
	return now < last || now - last >= NOTE_SECONDS ||
	       strcmp(last_source, source) != 0;
}

static int note(struct store *store, const char *sql, int64_t id, const char *source,
	int64_t now)
{
	struct stmt s;
	stmt_open(&s, store, sql);
	stmt_bind_int(&s, now);
	stmt_bind_text(&s, span_str(source));
	stmt_bind_int(&s, id);
	return stmt_run(&s) < 0 ? -1 : 0;
}

static int note_both(struct store *store, const struct account *account,
	const struct app *app, const char *source, int64_t now)
{
	if (note(store,
		    "UPDATE account SET last_login = ?, last_source = ? WHERE id = ?",
		    account->id, source, now) < 0)
		return -1;
	return !app ? 0
		    : note(store,
			      "UPDATE app SET last_used = ?, last_source = ?"
			      " WHERE id = ?",
			      app->id, source, now);
}

int store_note_login(struct store *store, const struct account *account,
	const struct app *app, const struct netaddr *peer, int64_t now)
{
	char source[NETADDR_TEXT_MAX];
	netaddr_text(peer, source);
	if (!note_due(account->last_login, account->last_source, source, now) &&
		(!app || !note_due(app->last_used, app->last_source, source, now)))
		return 0;
	store->waits = false;
	int result = store_begin(store);
	if (result == 0)
		result = store_end(store, note_both(store, account, app, source, now));
	store->waits = true;
	return result;
}

/* --- a better hash ------------------------------------------------------- */

static int replace_hash(
	struct store *store, const struct account *account, const char *hash)
{
	struct stmt s;
	stmt_open(&s, store, "UPDATE account SET hash = ? WHERE id = ? AND hash = ?");
	stmt_bind_text(&s, span_str(hash));
	stmt_bind_int(&s, account->id);
	stmt_bind_text(&s, span_str(account->hash));
	int changed = stmt_run(&s);
	if (changed == 0)
		return store_fail(store, ENOENT, "the account has changed meanwhile");
	return changed < 0 ? -1 : 0;
}

int store_rehash(
	struct store *store, const struct account *account, struct span password)
{
	char hash[PASSWORD_HASH_MAX + 1];
	if (password_hash(password, hash) < 0)
		return store_fail(store, errno, "a password cannot be hashed");
	store->waits = false;
	int result = store_begin(store);
	if (result == 0)
		result = store_end(store, replace_hash(store, account, hash));
	store->waits = true;
	explicit_bzero(hash, sizeof(hash));
	return result;
}
