/*
 * account: what a login asks of the database. Runs as root in auth. The login name is a
 * stranger's: it is brought into its normal form or is nobody's, and it is bound.
 * What the database holds is checked against the sizes of struct account; a row that
 * does not fit, or whose networks cannot be read, is EUCLEAN and lets nobody in.
 */
#include "accounts/row.h"

#include <errno.h>

/* --- rows ---------------------------------------------------------------- */

static bool networks_of(struct stmt *s, int column, struct networks *networks)
{
	return networks_parse(networks, stmt_blob(s, column)) == 0;
}

static bool path_of(struct stmt *s, struct account *a, int kind, int path)
{
	if (stmt_is_null(s, kind))
		return true;
	a->maildrop = maildrop_kind_of(stmt_blob(s, kind));
	return a->maildrop && stmt_text(s, path, a->path, sizeof(a->path)) == 0;
}

static bool sealed_of(struct stmt *s, int column, struct account *a)
{
	struct span sealed = stmt_blob(s, column);
	if (sealed.n > sizeof(a->sealed))
		return false;
	if (sealed.n)
		memcpy(a->sealed, sealed.p, sealed.n);
	a->sealed_n = sealed.n;
	return true;
}

/* uid_t's last value means "none" to the kernel. */
static bool ids_of(struct stmt *s, struct account *a, int uid, int gid)
{
	int64_t u = stmt_int(s, uid), g = stmt_int(s, gid);
	a->own_ids = !stmt_is_null(s, uid);
	a->uid = (uint32_t)u;
	a->gid = (uint32_t)g;
	return u >= 0 && u < UINT32_MAX && g >= 0 && g < UINT32_MAX;
}

/* In the order of ACCOUNT_COLUMNS. */
int account_from_row(struct stmt *s, struct account *a)
{
	*a = (struct account){
		.id = stmt_int(s, 0),
		.kind = (enum account_kind)stmt_int(s, 2),
		.enabled = stmt_int(s, 3),
		.created = stmt_int(s, 10),
		.changed = stmt_int(s, 11),
		.last_login = stmt_int(s, 12),
		.stamp = (uint64_t)stmt_int(s, 14),
		.read_only = stmt_int(s, 15),
		.main_password = stmt_int(s, 16),
		.expires = stmt_int(s, 17),
		.quota_octets = (uint64_t)stmt_int(s, 19),
		.quota_messages = (uint64_t)stmt_int(s, 20),
		.apps_n = (uint32_t)stmt_int(s, 21),
		.scram = stmt_int(s, 22),
	};
	if (stmt_text(s, 1, a->name, sizeof(a->name)) == 0 &&
		stmt_text(s, 4, a->hash, sizeof(a->hash)) == 0 && sealed_of(s, 5, a) &&
		path_of(s, a, 6, 7) && ids_of(s, a, 8, 9) &&
		stmt_text(s, 13, a->last_source, sizeof(a->last_source)) == 0 &&
		networks_of(s, 18, &a->networks))
		return 0;
	return store_fail(s->store, EUCLEAN,
		"an account's row is damaged; 'postern user show' names the field");
}

/* In the order of APP_COLUMNS. */
int app_from_row(struct stmt *s, struct app *app)
{
	*app = (struct app){
		.id = stmt_int(s, 0),
		.read_only = stmt_int(s, 2),
		.created = stmt_int(s, 3),
		.expires = stmt_int(s, 4),
		.last_used = stmt_int(s, 6),
	};
	if (stmt_text(s, 1, app->label, sizeof(app->label)) == 0 &&
		networks_of(s, 5, &app->networks) &&
		stmt_text(s, 7, app->last_source, sizeof(app->last_source)) == 0)
		return 0;
	return store_fail(s->store, EUCLEAN, "an app password's row is damaged");
}

/* The one row of a query for an account; closes it. */
static int one_account(struct stmt *s, struct account *account)
{
	int got = stmt_step(s);
	int result = got == 1 ? account_from_row(s, account) : -1;
	if (got == 0)
		store_fail(s->store, ENOENT, "no such account");
	stmt_close(s);
	return result;
}

/* --- by name ------------------------------------------------------------- */

/* ?1: the whole name, ?2: its part before '@', ?3: its domain. */
#define FIND_ID                                                                   \
	"coalesce("                                                               \
	"(SELECT id FROM account WHERE name = ?1),"                               \
	"(SELECT account FROM alias WHERE name = ?1),"                            \
	"(SELECT o.id FROM domain d JOIN account o"                               \
	"  ON o.name = ?2 || '@' || d.alias_of WHERE d.name = ?3 AND d.enabled)," \
	"(SELECT l.account FROM domain d JOIN alias l"                            \
	"  ON l.name = ?2 || '@' || d.alias_of WHERE d.name = ?3 AND d.enabled))"

int store_find(struct store *store, struct span login, struct account *account)
{
	char name[ACCOUNT_NAME_MAX + 1];
	struct stmt s;
	*account = (struct account){ 0 };
	if (account_name(login, name) < 0)
		return store_fail(store, ENOENT, "no such account");
	stmt_open(&s, store,
		"SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.id = " FIND_ID);
	stmt_bind_text(&s, span_str(name));
	stmt_bind_text(&s, account_local(name));
	stmt_bind_text_or_null(&s, account_domain(name));
	return one_account(&s, account);
}

int store_find_certificate(struct store *store, const unsigned char fingerprint[32],
	struct account *account)
{
	struct stmt s;
	*account = (struct account){ 0 };
	stmt_open(&s, store,
		"SELECT " ACCOUNT_COLUMNS " FROM account a JOIN certificate c"
		" ON c.account = a.id WHERE c.fingerprint = ?");
	stmt_bind_blob_or_null(&s, span_of(fingerprint, 32));
	return one_account(&s, account);
}

int store_find_app(struct store *store, const struct account *account,
	struct span password, struct app *app)
{
	unsigned char hash[APP_PASSWORD_HASH];
	struct stmt s;
	*app = (struct app){ 0 };
	if (!account->apps_n || app_password_hash(password, hash) < 0)
		return store_fail(store, ENOENT, "no such app password");
	stmt_open(&s, store,
		"SELECT " APP_COLUMNS " FROM app p WHERE p.account = ? AND p.hash = ?");
	stmt_bind_int(&s, account->id);
	stmt_bind_blob_or_null(&s, span_of(hash, sizeof(hash)));
	int got = stmt_step(&s);
	int result = got == 1 ? app_from_row(&s, app) : -1;
	if (got == 0)
		store_fail(store, ENOENT, "no such app password");
	stmt_close(&s);
	return result;
}

/* --- what there is ------------------------------------------------------- */

static int ask_all(struct store *store, struct store_offer *offer)
{
	struct stmt s;
	stmt_open(&s, store,
		"SELECT"
		" EXISTS (SELECT 1 FROM account WHERE enabled AND hash IS NOT NULL),"
		" EXISTS (SELECT 1 FROM account WHERE enabled AND sealed IS NOT NULL),"
		" NOT EXISTS (SELECT 1 FROM account WHERE enabled AND sealed IS NULL),"
		" EXISTS (SELECT 1 FROM scram WHERE hash = 1) * 2 +"
		"  EXISTS (SELECT 1 FROM scram WHERE hash = 2) * 4,"
		" EXISTS (SELECT 1 FROM certificate),"
		" EXISTS (SELECT 1 FROM app),"
		" (NOT EXISTS (SELECT 1 FROM account a WHERE enabled AND NOT EXISTS"
		"  (SELECT 1 FROM scram s WHERE s.account = a.id AND hash = 1))) * 2 +"
		" (NOT EXISTS (SELECT 1 FROM account a WHERE enabled AND NOT EXISTS"
		"  (SELECT 1 FROM scram s WHERE s.account = a.id AND hash = 2))) * 4,"
		" (SELECT number + 1 FROM generation)");
	int got = stmt_step(&s);
	if (got == 1)
		*offer = (struct store_offer){
			.passwords = stmt_int(&s, 0),
			.sealed = stmt_int(&s, 1),
			.all_sealed = stmt_int(&s, 2),
			.scram = (uint32_t)stmt_int(&s, 3),
			.certificates = stmt_int(&s, 4),
			.apps = stmt_int(&s, 5),
			.all_scram = (uint32_t)stmt_int(&s, 6),
			.generation = stmt_int(&s, 7),
		};
	stmt_close(&s);
	return got == 1 ? 0 : -1;
}

int store_offer(struct store *store, struct store_offer *offer)
{
	struct stmt s;
	stmt_open(&s, store, "SELECT number + 1 FROM generation");
	int got = stmt_step(&s);
	bool known = got == 1 && stmt_int(&s, 0) == offer->generation;
	stmt_close(&s);
	return got < 0 ? -1 : known ? 0 : ask_all(store, offer);
}
