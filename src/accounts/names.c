/*
 * names: the other names of accounts: aliases and certificates. Runs in the postern
 * command. Names are given in normal form (name.h).
 */
#include "accounts/edit.h"
#include "accounts/row.h"

#include <errno.h>

/* --- aliases ------------------------------------------------------------- */

static int alias_add(
	struct store *store, const struct account *account, const char *alias)
{
	struct stmt s;
	stmt_open(&s, store, "SELECT 1 FROM account WHERE name = ?");
	stmt_bind_text(&s, span_str(alias));
	int got = stmt_step(&s);
	stmt_close(&s);
	if (got > 0)
		return store_fail(
			store, EEXIST, "there is an account of that name already");
	if (got < 0)
		return -1;
	stmt_open(&s, store, "INSERT INTO alias (name, account) VALUES (?, ?)");
	stmt_bind_text(&s, span_str(alias));
	stmt_bind_int(&s, account->id);
	if (stmt_run(&s) >= 0)
		return account_touch(store, account->id);
	return errno != EEXIST
		       ? -1
		       : store_fail(store, EEXIST, "that name is an alias already");
}

int edit_alias_add(
	struct store *store, const struct account *account, const char *alias)
{
	if (store_begin(store) < 0)
		return -1;
	return store_end(store, alias_add(store, account, alias));
}

static int alias_remove(struct store *store, const char *alias)
{
	struct stmt s;
	stmt_open(&s, store,
		"UPDATE account SET stamp = stamp + 1"
		" WHERE id = (SELECT account FROM alias WHERE name = ?)");
	stmt_bind_text(&s, span_str(alias));
	if (stmt_run(&s) < 0)
		return -1;
	stmt_open(&s, store, "DELETE FROM alias WHERE name = ?");
	stmt_bind_text(&s, span_str(alias));
	return stmt_run_one(&s, "no such alias");
}

int edit_alias_remove(struct store *store, const char *alias)
{
	return store_begin(store) < 0 ? -1
				      : store_end(store, alias_remove(store, alias));
}

int edit_alias_each(struct store *store, const struct account *account,
	int (*each)(void *arg, const char *alias, const char *account), void *arg)
{
	struct stmt s;
	char alias[ACCOUNT_NAME_MAX + 1], name[ACCOUNT_NAME_MAX + 1];
	int got, result = 0;
	/* Two statements: one with "or all of them" would look through the table. */
	stmt_open(&s, store,
		account ? "SELECT l.name, a.name FROM alias l JOIN account a"
			  " ON a.id = l.account WHERE l.account = ? ORDER BY l.name"
			: "SELECT l.name, a.name FROM alias l JOIN account a"
			  " ON a.id = l.account ORDER BY a.name, l.name");
	if (account)
		stmt_bind_int(&s, account->id);
	while (result == 0 && (got = stmt_step(&s)) != 0)
		result = got < 0 || stmt_text(&s, 0, alias, sizeof(alias)) < 0 ||
					 stmt_text(&s, 1, name, sizeof(name)) < 0
				 ? -1
				 : each(arg, alias, name);
	stmt_close(&s);
	return result;
}

/* --- certificates -------------------------------------------------------- */

static int certificate_add(struct store *store, const struct account *account,
	const unsigned char fingerprint[32], const char *label)
{
	struct stmt s;
	stmt_open(&s, store,
		"INSERT INTO certificate (fingerprint, account, label) VALUES (?, ?, "
		"?)");
	stmt_bind_blob_or_null(&s, span_of(fingerprint, 32));
	stmt_bind_int(&s, account->id);
	stmt_bind_text(&s, span_str(label));
	if (stmt_run(&s) >= 0)
		return account_touch(store, account->id);
	return errno != EEXIST ? -1
			       : store_fail(store, EEXIST,
					 "that certificate is an account's already");
}

int edit_certificate_add(struct store *store, const struct account *account,
	const unsigned char fingerprint[32], const char *label)
{
	if (store_begin(store) < 0)
		return -1;
	return store_end(store, certificate_add(store, account, fingerprint, label));
}

static int certificate_remove(struct store *store, const struct account *account,
	const unsigned char fingerprint[32])
{
	struct stmt s;
	stmt_open(&s, store,
		"DELETE FROM certificate WHERE fingerprint = ? AND account = ?");
	stmt_bind_blob_or_null(&s, span_of(fingerprint, 32));
	stmt_bind_int(&s, account->id);
	return stmt_run_one(&s, "the account has no such certificate") < 0
		       ? -1
		       : account_touch(store, account->id);
}

int edit_certificate_remove(struct store *store, const struct account *account,
	const unsigned char fingerprint[32])
{
	if (store_begin(store) < 0)
		return -1;
	return store_end(store, certificate_remove(store, account, fingerprint));
}

int edit_certificate_each(struct store *store, const struct account *account,
	int (*each)(void *arg, const unsigned char fingerprint[32], const char *label),
	void *arg)
{
	struct stmt s;
	int got, result = 0;
	stmt_open(&s, store,
		"SELECT fingerprint, label FROM certificate WHERE account = ?"
		" ORDER BY label");
	stmt_bind_int(&s, account->id);
	while (result == 0 && (got = stmt_step(&s)) != 0) {
		char label[ACCOUNT_NAME_MAX + 1];
		struct span fingerprint = got > 0 ? stmt_blob(&s, 0) : span_of(NULL, 0);
		result = fingerprint.n != 32 ||
					 stmt_text(&s, 1, label, sizeof(label)) < 0
				 ? -1
				 : each(arg, fingerprint.p, label);
	}
	stmt_close(&s);
	return result;
}
