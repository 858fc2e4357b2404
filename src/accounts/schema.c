/*
 * schema: the tables and how they came to be. A step that was once released never
 * changes; what comes later is a new step. All tables are STRICT, so that a value of
 * the wrong type never gets in, and names compare without the case of ASCII letters.
 *
 * Version 1: accounts. Version 2: limits of accounts, app passwords, login names,
 * domains, certificates, SCRAM. Version 3: a number that moves when what the accounts
 * can verify does, and not when a login is noted, so that auth need not ask all of them
 * again.
 */
#include "accounts/schema.h"

#include <sodium.h>

static const char step_1[] =
	"CREATE TABLE meta ("
	" key TEXT PRIMARY KEY, value BLOB NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE account ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL COLLATE NOCASE UNIQUE"
	"  CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),"
	" kind INTEGER NOT NULL CHECK (kind IN (1, 2)),"
	" enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),"
	" hash TEXT,"
	" sealed BLOB,"
	" maildrop TEXT CHECK (maildrop IN ('maildir', 'mbox')),"
	" path TEXT,"
	" uid INTEGER,"
	" gid INTEGER,"
	" created INTEGER NOT NULL,"
	" changed INTEGER NOT NULL,"
	" last_login INTEGER,"
	" last_source TEXT,"
	" stamp INTEGER NOT NULL,"
	" CHECK ((maildrop IS NULL) = (path IS NULL)),"
	" CHECK ((uid IS NULL) = (gid IS NULL))"
	") STRICT;";

static const char step_2[] =
	"ALTER TABLE account ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0"
	" CHECK (read_only IN (0, 1));"
	"ALTER TABLE account ADD COLUMN main_password INTEGER NOT NULL DEFAULT 1"
	" CHECK (main_password IN (0, 1));"
	"ALTER TABLE account ADD COLUMN expires INTEGER;"
	"ALTER TABLE account ADD COLUMN networks TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE account ADD COLUMN quota_octets INTEGER;"
	"ALTER TABLE account ADD COLUMN quota_messages INTEGER;"
	"CREATE TABLE app ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
	" label TEXT NOT NULL COLLATE NOCASE,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32),"
	" read_only INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1)),"
	" created INTEGER NOT NULL,"
	" expires INTEGER,"
	" networks TEXT NOT NULL DEFAULT '',"
	" last_used INTEGER,"
	" last_source TEXT,"
	" UNIQUE (account, label)"
	") STRICT;"
	"CREATE TABLE alias ("
	" name TEXT PRIMARY KEY NOT NULL COLLATE NOCASE"
	"  CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),"
	" account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX alias_account ON alias (account);"
	"CREATE TABLE domain ("
	" name TEXT PRIMARY KEY NOT NULL COLLATE NOCASE,"
	" enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),"
	" alias_of TEXT COLLATE NOCASE REFERENCES domain (name) ON DELETE CASCADE"
	"  CHECK (alias_of <> name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX domain_alias ON domain (alias_of);"
	"CREATE TABLE certificate ("
	" fingerprint BLOB PRIMARY KEY NOT NULL CHECK (length(fingerprint) = 32),"
	" account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
	" label TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX certificate_account ON certificate (account);"
	"CREATE TABLE scram ("
	" account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
	" hash INTEGER NOT NULL CHECK (hash IN (1, 2)),"
	" iterations INTEGER NOT NULL CHECK (iterations BETWEEN 1 AND 10000000),"
	" salt BLOB NOT NULL CHECK (length(salt) = 16),"
	" stored BLOB NOT NULL CHECK (length(stored) IN (20, 32)),"
	" server BLOB NOT NULL CHECK (length(server) = length(stored)),"
	" PRIMARY KEY (account, hash)"
	") STRICT, WITHOUT ROWID;";

/* Drawn anew, not counted: a backup that was put back never comes by an old number. */
#define MOVE " BEGIN UPDATE generation SET number = abs(random() / 2); END;"

static const char step_3[] =
	"CREATE TABLE generation (number INTEGER NOT NULL) STRICT;"
	"INSERT INTO generation (number) VALUES (abs(random() / 2));"
	"CREATE TRIGGER account_added AFTER INSERT ON account" MOVE
	"CREATE TRIGGER account_gone AFTER DELETE ON account" MOVE
	"CREATE TRIGGER account_changed AFTER UPDATE OF enabled, hash, sealed"
	" ON account" MOVE "CREATE TRIGGER scram_added AFTER INSERT ON scram" MOVE
	"CREATE TRIGGER scram_gone AFTER DELETE ON scram" MOVE
	"CREATE TRIGGER app_added AFTER INSERT ON app" MOVE
	"CREATE TRIGGER app_gone AFTER DELETE ON app" MOVE
	"CREATE TRIGGER certificate_added AFTER INSERT ON certificate" MOVE
	"CREATE TRIGGER certificate_gone AFTER DELETE ON certificate" MOVE;

/* The step to version i + 1. */
static const char *const steps[SCHEMA_VERSION] = { step_1, step_2, step_3 };

/* The one number that the statement gives. */
static int number(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*value = sqlite3_column_int(st, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return rc;
}

static int read_header(sqlite3 *db, int *version, int *application, int *tables)
{
	int rc = number(db, "PRAGMA user_version", version);
	if (rc == SQLITE_OK)
		rc = number(db, "PRAGMA application_id", application);
	if (rc == SQLITE_OK)
		rc = number(db, "SELECT count(*) FROM sqlite_schema", tables);
	return rc;
}

/* In one transaction, or as a part of the caller's: half before and half after another
 * process's commit would look like somebody else's database. */
enum schema_state schema_look(sqlite3 *db, int *version, int *rc)
{
	int application = 0, tables = 0;
	*version = 0;
	*rc = sqlite3_exec(db, "SAVEPOINT look", NULL, NULL, NULL);
	if (*rc != SQLITE_OK)
		return SCHEMA_ERROR;
	*rc = read_header(db, version, &application, &tables);
	(void)sqlite3_exec(db, "RELEASE look", NULL, NULL, NULL);
	if (*rc != SQLITE_OK)
		return SCHEMA_ERROR;
	if (application == SCHEMA_APPLICATION && *version > 0)
		return *version == SCHEMA_VERSION  ? SCHEMA_CURRENT
		       : *version < SCHEMA_VERSION ? SCHEMA_OLDER
						   : SCHEMA_NEWER;
	return tables || application || *version ? SCHEMA_FOREIGN : SCHEMA_EMPTY;
}

/* The key that store_scram_fake() draws its salts with. */
static int put_fake_key(sqlite3 *db)
{
	unsigned char key[32];
	sqlite3_stmt *st = NULL;
	randombytes_buf(key, sizeof(key));
	int rc = sqlite3_prepare_v2(db,
		"INSERT OR IGNORE INTO meta (key, value) VALUES ('scram-fake', ?)", -1,
		&st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(st, 1, key, sizeof(key), SQLITE_TRANSIENT);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int set_version(sqlite3 *db, int version)
{
	char sql[96];
	snprintf(sql, sizeof(sql),
		"PRAGMA application_id = %d; PRAGMA user_version = %d",
		SCHEMA_APPLICATION, version);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* Inside a transaction: looks again, since another process may have been first. */
static int take_steps(sqlite3 *db, int version)
{
	int from, rc;
	if (schema_look(db, &from, &rc) == SCHEMA_ERROR)
		return rc;
	for (int i = from; i < version && i < SCHEMA_VERSION && rc == SQLITE_OK; i++)
		rc = sqlite3_exec(db, steps[i], NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = put_fake_key(db);
	if (rc == SQLITE_OK && from < version)
		rc = set_version(db, version);
	return rc;
}

int schema_migrate(sqlite3 *db, int version)
{
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	rc = take_steps(db, version);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
