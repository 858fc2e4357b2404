/*
 * schema: the tables of the account database and their history. The version is
 * in PRAGMA user_version, and PRAGMA application_id says that the file is ours.
 * Each version is a step of SQL from the one before; all steps that are
 * missing are taken in one transaction.
 */
#ifndef POSTERN_ACCOUNTS_SCHEMA_H
#define POSTERN_ACCOUNTS_SCHEMA_H

#include "base/poison.h"

#include <sqlite3.h>
#include <stdbool.h>

enum {
	SCHEMA_APPLICATION = 0x50737472, /* "Pstr" */
	SCHEMA_VERSION = 3,
};

enum schema_state {
	SCHEMA_CURRENT,
	SCHEMA_EMPTY,	/* a database without any table */
	SCHEMA_OLDER,	/* schema_migrate() helps */
	SCHEMA_NEWER,	/* of a later Postern: hands off */
	SCHEMA_FOREIGN, /* somebody else's database */
	SCHEMA_ERROR,	/* *rc is SQLite's */
};

/* What is in that database? *version is what it says. */
enum schema_state schema_look(sqlite3 *db, int *version, int *rc);

/*
 * Takes an empty or older database to the given version (tests ask for an old one;
 * everybody else for SCHEMA_VERSION). Safe with any number of callers at once.
 * Returns SQLITE_OK or SQLite's code; the database is then as it was.
 */
int schema_migrate(sqlite3 *db, int version);

#endif
