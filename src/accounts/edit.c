/*
 * edit: accounts and their credentials, as the administrator changes them. Runs in the
 * postern command, as the owner of the database. Every change of what a credential is
 * worth also changes the account's stamp, in the same transaction.
 */
#include "accounts/edit.h"

#include "accounts/row.h"

#include <errno.h>
#include <sodium.h>
#include <time.h>

int edit_begin(struct store *store)
{
	return store_begin(store);
}

int edit_end(struct store *store, int result)
{
	return store_end(store, result);
}

void credentials_wipe(struct credentials *credentials)
{
	explicit_bzero(credentials, sizeof(*credentials));
}

/* --- values -------------------------------------------------------------- */

static void bind_networks(struct stmt *s, const struct networks *networks)
{
	char text[NETWORKS_MAX * NETWORK_TEXT_MAX];
	struct buf b;
	buf_fixed(&b, text, sizeof(text));
	networks_put(&b, networks);
	stmt_bind_text(s, buf_len(&b) ? buf_span(&b) : span_str(""));
}

static void bind_maildrop(struct stmt *s, const struct account *a)
{
	if (!a->maildrop) {
		stmt_bind_null(s);
		stmt_bind_null(s);
		return;
	}
	stmt_bind_text(s, span_str(maildrop_kind_name(a->maildrop)));
	stmt_bind_text(s, span_str(a->path));
}

static void bind_ids(struct stmt *s, const struct account *a)
{
	if (!a->own_ids) {
		stmt_bind_null(s);
		stmt_bind_null(s);
		return;
	}
	stmt_bind_int(s, a->uid);
	stmt_bind_int(s, a->gid);
}

/* What edit_add() and edit_update() both write, in the same order. */
#define LIMIT_COLUMNS                                                           \
	"enabled, maildrop, path, uid, gid, read_only, main_password, expires," \
	" networks, quota_octets, quota_messages, changed"

static void bind_limits(struct stmt *s, const struct account *a)
{
	stmt_bind_int(s, a->enabled);
	bind_maildrop(s, a);
	bind_ids(s, a);
	stmt_bind_int(s, a->read_only);
	stmt_bind_int(s, a->main_password);
	stmt_bind_int_or_null(s, a->expires);
	bind_networks(s, &a->networks);
	stmt_bind_int_or_null(s, (int64_t)a->quota_octets);
	stmt_bind_int_or_null(s, (int64_t)a->quota_messages);
	stmt_bind_int(s, a->changed);
}

int account_touch(struct store *store, int64_t account)
{
	struct stmt s;
	stmt_open(&s, store,
		"UPDATE account SET stamp = stamp + 1, changed = ? WHERE id = ?");
	stmt_bind_int(&s, time(NULL));
	stmt_bind_int(&s, account);
	return stmt_run_one(&s, "no such account");
}

/* --- accounts ------------------------------------------------------------ */

/* Is the name free of the given table's rows? 0, or -1 and EEXIST with the text. */
static int name_free(
	struct store *store, const char *sql, const char *name, const char *taken)
{
	struct stmt s;
	stmt_open(&s, store, sql);
	stmt_bind_text(&s, span_str(name));
	int got = stmt_step(&s);
	stmt_close(&s);
	if (got > 0)
		return store_fail(store, EEXIST, taken);
	return got;
}

static int name_is_new(struct store *store, const char *name)
{
	if (name_free(store, "SELECT 1 FROM account WHERE name = ?", name,
		    "there is an account of that name already") < 0)
		return -1;
	return name_free(store, "SELECT 1 FROM alias WHERE name = ?", name,
		"that name is another account's alias already");
}

/* A stamp that no account ever had, with room above it. */
static uint64_t stamp_new(void)
{
	uint64_t drawn;
	randombytes_buf(&drawn, sizeof(drawn));
	return drawn >> 2;
}

static int add(struct store *store, struct account *account)
{
	struct stmt s;
	if (name_is_new(store, account->name) < 0)
		return -1;
	stmt_open(&s, store,
		"INSERT INTO account (" LIMIT_COLUMNS ", name, kind, created, stamp)"
		" VALUES (?,?,?,?,?,?,?,?,?,?,?,?, ?,?,?,?)");
	bind_limits(&s, account);
	stmt_bind_text(&s, span_str(account->name));
	stmt_bind_int(&s, account->kind);
	stmt_bind_int(&s, account->created);
	stmt_bind_int(&s, (int64_t)account->stamp);
	if (stmt_run(&s) < 0)
		return -1;
	account->id = sqlite3_last_insert_rowid(store->db);
	return 0;
}

int edit_add(struct store *store, struct account *account)
{
	account->created = account->changed = time(NULL);
	account->stamp = stamp_new();
	return store_begin(store) < 0 ? -1 : store_end(store, add(store, account));
}

int edit_update(struct store *store, struct account *account)
{
	struct stmt s;
	account->changed = time(NULL);
	stmt_open(&s, store,
		"UPDATE account SET (" LIMIT_COLUMNS ")"
		" = (?,?,?,?,?,?,?,?,?,?,?,?), stamp = stamp + 1 WHERE id = ?");
	bind_limits(&s, account);
	stmt_bind_int(&s, account->id);
	return stmt_run_one(&s, "no such account");
}

static int put_credentials(
	struct store *store, const struct account *account, const struct credentials *c)
{
	struct stmt s;
	stmt_open(&s, store, "UPDATE account SET hash = ?, sealed = ? WHERE id = ?");
	stmt_bind_text_or_null(&s, span_str(c->hash));
	stmt_bind_blob_or_null(&s, span_of(c->sealed, c->sealed_n));
	stmt_bind_int(&s, account->id);
	if (stmt_run_one(&s, "no such account") < 0 ||
		account_touch(store, account->id) < 0)
		return -1;
	stmt_open(&s, store, "DELETE FROM scram WHERE account = ?");
	stmt_bind_int(&s, account->id);
	int result = stmt_run(&s) < 0 ? -1 : 0;
	for (size_t i = 0; i < c->scram_n && result == 0; i++)
		result = scram_put(store, account->id, &c->scram[i]);
	return result;
}

int edit_credentials(struct store *store, const struct account *account,
	const struct credentials *credentials)
{
	if (store_begin(store) < 0)
		return -1;
	return store_end(store, put_credentials(store, account, credentials));
}

int edit_remove(struct store *store, const struct account *account)
{
	struct stmt s;
	stmt_open(&s, store, "DELETE FROM account WHERE id = ?");
	stmt_bind_int(&s, account->id);
	return stmt_run_one(&s, "no such account");
}

int edit_each(struct store *store,
	int (*each)(void *arg, const struct account *account), void *arg)
{
	struct stmt s;
	struct account account;
	int got, result = 0;
	stmt_open(
		&s, store, "SELECT " ACCOUNT_COLUMNS " FROM account a ORDER BY a.name");
	while (result == 0 && (got = stmt_step(&s)) != 0)
		result = got < 0 || account_from_row(&s, &account) < 0
				 ? -1
				 : each(arg, &account);
	stmt_close(&s);
	explicit_bzero(&account, sizeof(account));
	return result;
}

/* --- app passwords ------------------------------------------------------- */

static int app_add(struct store *store, const struct account *account, struct app *app,
	const unsigned char hash[APP_PASSWORD_HASH])
{
	struct stmt s;
	stmt_open(&s, store,
		"INSERT INTO app (account, label, hash, read_only, created, expires,"
		" networks) VALUES (?,?,?,?,?,?,?)");
	stmt_bind_int(&s, account->id);
	stmt_bind_text(&s, span_str(app->label));
	stmt_bind_blob_or_null(&s, span_of(hash, APP_PASSWORD_HASH));
	stmt_bind_int(&s, app->read_only);
	stmt_bind_int(&s, app->created);
	stmt_bind_int_or_null(&s, app->expires);
	bind_networks(&s, &app->networks);
	if (stmt_run(&s) < 0)
		return errno != EEXIST ? -1
				       : store_fail(store, EEXIST,
						 "the account has an app password of"
						 " that label already");
	app->id = sqlite3_last_insert_rowid(store->db);
	return account_touch(store, account->id);
}

int edit_app_add(struct store *store, const struct account *account, struct app *app,
	const unsigned char hash[APP_PASSWORD_HASH])
{
	app->created = time(NULL);
	if (store_begin(store) < 0)
		return -1;
	return store_end(store, app_add(store, account, app, hash));
}

static int app_remove(
	struct store *store, const struct account *account, struct span label)
{
	struct stmt s;
	stmt_open(&s, store, "DELETE FROM app WHERE account = ? AND label = ?");
	stmt_bind_int(&s, account->id);
	stmt_bind_text(&s, label);
	return stmt_run_one(&s, "the account has no app password of that label") < 0
		       ? -1
		       : account_touch(store, account->id);
}

int edit_app_remove(
	struct store *store, const struct account *account, struct span label)
{
	if (store_begin(store) < 0)
		return -1;
	return store_end(store, app_remove(store, account, label));
}

/* The row and its hash, which follows the columns. */
static int app_row(
	struct stmt *s, struct app *app, unsigned char hash[APP_PASSWORD_HASH])
{
	struct span octets = stmt_blob(s, APP_COLUMNS_N);
	if (octets.n != APP_PASSWORD_HASH)
		return store_fail(
			s->store, EUCLEAN, "an app password's row is damaged");
	memcpy(hash, octets.p, APP_PASSWORD_HASH);
	return app_from_row(s, app);
}

int edit_app_each(struct store *store, const struct account *account,
	int (*each)(void *arg, const struct app *app,
		const unsigned char hash[APP_PASSWORD_HASH]),
	void *arg)
{
	struct stmt s;
	struct app app;
	unsigned char hash[APP_PASSWORD_HASH];
	int got, result = 0;
	stmt_open(&s, store,
		"SELECT " APP_COLUMNS ", p.hash FROM app p WHERE p.account = ?"
		" ORDER BY p.label");
	stmt_bind_int(&s, account->id);
	while (result == 0 && (got = stmt_step(&s)) != 0)
		result = got < 0 || app_row(&s, &app, hash) < 0 ? -1
								: each(arg, &app, hash);
	stmt_close(&s);
	return result;
}

/* --- SCRAM --------------------------------------------------------------- */

int edit_scram_get(struct store *store, const struct account *account,
	struct scram_keys keys[2], size_t *n)
{
	*n = 0;
	for (int hash = SCRAM_SHA_1; hash <= SCRAM_SHA_256; hash++) {
		if (store_scram(store, account, (enum scram_hash)hash, &keys[*n]) == 0)
			++*n;
		else if (errno != ENOENT)
			return -1;
	}
	return 0;
}
