/*
 * db: inside of the store. A handle, its faults, and statements whose values are
 * bound one after the other with one question at the end:
 *
 *	struct stmt st;
 *	stmt_open(&st, store, "SELECT a FROM b WHERE c = ? AND d = ?");
 *	stmt_bind_text(&st, span_str("x"));
 *	stmt_bind_int(&st, 7);
 *	while ((got = stmt_step(&st)) > 0)
 *		... stmt_int(&st, 0) ...
 *	stmt_close(&st);
 */
#ifndef POSTERN_ACCOUNTS_DB_H
#define POSTERN_ACCOUNTS_DB_H

#include "accounts/store.h"

#include <sqlite3.h>

enum { STORE_PATH_MAX = 4095 };

/* A file that SQLite has open. Both 0: it was not there. */
struct store_file {
	uint64_t device, inode;
};

/* The write-ahead log, which SQLite makes when it opens the database, and its index. */
struct store_log {
	struct store_file wal, shm;
};

struct store {
	sqlite3 *db;
	enum store_mode mode;
	bool read_only; /* the file could only be opened so */
	bool usable;	/* store_open() has succeeded */
	bool waits;	/* for other writers, up to deadline */
	int64_t deadline;
	/* the file's lock (see turn.c), or -1: while the handle reads alone,
	 * during a transaction */
	int alone, queue;
	unsigned depth;		/* transactions begun and not ended */
	struct store_file file; /* noted before it was opened: never a later one */
	struct store_log log;	/* noted behind that */
	char path[STORE_PATH_MAX + 1];
	char fault[STORE_FAULT_MAX];
};

/* Sets the fault "PATH: text" and errno. Returns -1. */
int store_fail(struct store *store, int code, const char *text);

/* The same for SQLite's last error, translated. Returns -1. */
int store_fail_db(struct store *store, int rc);

/* May the file that has the database's name now be trusted? Nobody but its owner may
 * write it, and that is root or we. 0, and *file is which one that is; or -1. */
int store_check_file(struct store *store, struct store_file *file);

/* Notes which files have the names of the log and its index now. */
void store_note_log(const struct store *store, struct store_log *log);

/* fit.c: is the log of this very file? 0; or -1 and EUCLEAN. */
int store_check_fit(struct store *store);

/* Inside of a transaction that writes: marks the file when its log is empty. 0, or -1.
 */
int store_mark(struct store *store);

/* Marks *store so that its pages may become those of *place, whose log stays. 0, or -1.
 */
int store_mark_for(struct store *store, const struct store *place);

/* Statements without values. 0, or -1. */
int store_exec(struct store *store, const char *sql);

/* SQLite's busy handler: sleeps for a short while, as long as the store waits. */
int store_busy(void *store, int tries);

/* Locks the file beside the database ("FILE.lock") into *fd. 0, or -1. */
int store_lock(struct store *store, int *fd);

/* A transaction that will write: waits for its turn. Inside of another one: a part
 * of it that can be taken back. 0, or -1. */
int store_begin(struct store *store);

/* Ends it: commits when result is 0, else takes all back and keeps errno and fault.
 * Returns result, or -1 when the commit failed. */
int store_end(struct store *store, int result);

struct stmt {
	struct store *store;
	sqlite3_stmt *st;
	int at; /* values bound so far */
	int rc;
};

void stmt_open(struct stmt *s, struct store *store, const char *sql);
void stmt_bind_int(struct stmt *s, int64_t value);
/* 0 is bound as NULL. */
void stmt_bind_int_or_null(struct stmt *s, int64_t value);
void stmt_bind_text(struct stmt *s, struct span text);
/* An empty one is bound as NULL. */
void stmt_bind_text_or_null(struct stmt *s, struct span text);
void stmt_bind_blob_or_null(struct stmt *s, struct span blob);
void stmt_bind_null(struct stmt *s);

/* 1: a row; 0: done; -1: errno and fault are set. */
int stmt_step(struct stmt *s);
/* Binds from the first value again. */
void stmt_reset(struct stmt *s);
void stmt_close(struct stmt *s);

/* Runs a statement that gives no row, and closes it: the rows changed, or -1. */
int stmt_run(struct stmt *s);

/* As stmt_run(), in a transaction: 0; or -1, and ENOENT with the text missing when no
 * row was changed. */
int stmt_run_one(struct stmt *s, const char *missing);

int64_t stmt_int(struct stmt *s, int column);
bool stmt_is_null(struct stmt *s, int column);
/* Borrowed until the next step. */
struct span stmt_blob(struct stmt *s, int column);
/* Into text[size]; 0, or -1 when it does not fit. NULL is the empty string. */
int stmt_text(struct stmt *s, int column, char *text, size_t size);

/* Moves the account's stamp: none of its remembered logins answers any more. Part of
 * the caller's transaction. 0, or -1. */
int account_touch(struct store *store, int64_t account);

/* Adds keys that the account has not yet. 0, or -1. */
int scram_put(struct store *store, int64_t account, const struct scram_keys *keys);

#endif
