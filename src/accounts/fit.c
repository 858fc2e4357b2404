/*
 * fit: do the database and its write-ahead log belong together? SQLite does not ask: a
 * file that was put in the place of another one, whose log was not empty, is read with
 * that one's pages in it, and rows come to belong to accounts that are gone.
 *
 * Whoever writes first into an empty log draws a new mark and keeps the one before
 * beside it, in the same transaction. So the file without its log has one of the marks
 * that the file with its log names, or it is another file. Runs as root in auth and in
 * the postern command, once for each opening, when there is a log.
 *
 * Known limit: a log that SQLite began anew without emptying it, since somebody was
 * reading, keeps its marks, and another file with the mark in front of it is believed.
 */
#include "accounts/db.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>

enum {
	MARK = 8,      /* octets */
	MARKS_MAX = 3, /* the last one is the file's own */
	LOOKS = 20,    /* somebody may just copy the log back, page by page */
	LOOK_PAUSE_MS = 10,
};

struct marks {
	unsigned char octets[MARKS_MAX * MARK];
	size_t n; /* octets; 0: there are none */
};

static bool is_log_empty(const struct store *store)
{
	char path[STORE_PATH_MAX + 8];
	struct stat st;
	snprintf(path, sizeof(path), "%s-wal", store->path);
	return stat(path, &st) < 0 || st.st_size == 0;
}

/* SQLite's code: SQLITE_ROW, SQLITE_DONE (no marks) or what went wrong. */
static int read_marks(sqlite3 *db, struct marks *marks)
{
	sqlite3_stmt *st = NULL;
	*marks = (struct marks){ .n = 0 };
	int rc = sqlite3_prepare_v2(
		db, "SELECT value FROM meta WHERE key = 'log'", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	const void *value = rc == SQLITE_ROW ? sqlite3_column_blob(st, 0) : NULL;
	size_t n = value ? (size_t)sqlite3_column_bytes(st, 0) : 0;
	if (value && n <= sizeof(marks->octets) && n % MARK == 0) {
		memcpy(marks->octets, value, n);
		marks->n = n;
	}
	sqlite3_finalize(st);
	return rc;
}

/* --- writing ------------------------------------------------------------- */

static int write_marks(sqlite3 *db, const struct marks *marks)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db,
		"INSERT OR REPLACE INTO meta (key, value) VALUES ('log', ?)", -1, &st,
		NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(
			st, 1, marks->octets, (int)marks->n, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A new mark behind the last `kept` octets of the old ones. */
static struct marks draw(const struct marks *old, size_t kept)
{
	struct marks new = { .n = 0 };
	if (kept > old->n)
		kept = old->n;
	memcpy(new.octets, old->octets + old->n - kept, kept);
	randombytes_buf(new.octets + kept, MARK);
	new.n = kept + MARK;
	return new;
}

int store_mark(struct store *store)
{
	struct marks old;
	if (!is_log_empty(store))
		return 0;
	int rc = read_marks(store->db, &old);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return store_fail_db(store, rc);
	struct marks new = draw(&old, MARK);
	rc = write_marks(store->db, &new);
	return rc == SQLITE_OK ? 0 : store_fail_db(store, rc);
}

int store_mark_for(struct store *store, const struct store *place)
{
	struct marks old;
	int rc = read_marks(place->db, &old);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return store_fail_db(store, rc);
	struct marks new = draw(&old, 2 * MARK);
	rc = write_marks(store->db, &new);
	return rc == SQLITE_OK ? 0 : store_fail_db(store, rc);
}

/* --- looking ------------------------------------------------------------- */

/* "file:PATH?immutable=1": what SQLite opens without a look at the log. */
static void put_uri(struct buf *uri, const char *path)
{
	buf_puts(uri, "file:");
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("/._-", c);
		buf_printf(uri, plain ? "%c" : "%%%02X", c);
	}
	buf_puts(uri, "?immutable=1");
	buf_putc(uri, '\0');
}

/* The marks of the file alone. A file without the table has none. */
static bool read_alone(const struct store *store, struct marks *marks)
{
	char text[3 * STORE_PATH_MAX + 32];
	struct buf uri;
	sqlite3 *db = NULL;
	buf_fixed(&uri, text, sizeof(text));
	put_uri(&uri, store->path);
	*marks = (struct marks){ .n = 0 };
	int rc = !buf_ok(&uri) ? SQLITE_NOMEM
			       : sqlite3_open_v2(text, &db,
					 SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
						 SQLITE_OPEN_NOMUTEX,
					 NULL);
	if (rc == SQLITE_OK)
		rc = read_marks(db, marks);
	sqlite3_close(db);
	return rc == SQLITE_ROW || rc == SQLITE_DONE || rc == SQLITE_ERROR;
}

/* Does one of the marks that the log's reader sees stand in the file? */
static bool names(const struct marks *whole, const struct marks *alone)
{
	static const unsigned char none[MARK];
	const unsigned char *own = alone->n ? alone->octets + alone->n - MARK : none;
	if (alone->n == 0 && whole->n == MARK)
		return true;
	for (size_t i = 0; i < whole->n; i += MARK)
		if (memcmp(whole->octets + i, own, MARK) == 0)
			return true;
	return false;
}

/* While it is read the log cannot begin anew: both looks are at the same one. */
static bool look(struct store *store, int *rc)
{
	struct marks whole, alone;
	*rc = sqlite3_exec(store->db, "SAVEPOINT fit", NULL, NULL, NULL);
	if (*rc != SQLITE_OK)
		return true;
	int got = read_marks(store->db, &whole);
	bool fits = got != SQLITE_ROW ||
		    (read_alone(store, &alone) && names(&whole, &alone));
	(void)sqlite3_exec(store->db, "RELEASE fit", NULL, NULL, NULL);
	return fits;
}

int store_check_fit(struct store *store)
{
	struct timespec pause = { .tv_nsec = 1000000L * LOOK_PAUSE_MS };
	int rc;
	for (int i = 0; i < LOOKS; i++) {
		if (is_log_empty(store) || look(store, &rc))
			return 0;
		nanosleep(&pause, NULL);
	}
	return store_fail(store, EUCLEAN,
		"another file was put in its place, beside the old one's log: stop the "
		"server and remove the -wal and -shm files ('postern user restore' "
		"needs none of this)");
}
