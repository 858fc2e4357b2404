/*
 * copy: the database copied out and back while others use it, by SQLite's own means: a
 * file that cp(1) takes lacks what is in the log, and one that mv(1) puts back is read
 * with the old one's log. Runs in the postern command, as root.
 *
 * What comes back is not trusted to be a database of ours: it is copied beside the one
 * that serves, brought up to date and looked at there.
 */
#include "accounts/db.h"
#include "accounts/edit.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- pages --------------------------------------------------------------- */

/* All pages of one into the other, in one transaction of each. SQLite's code. */
static int copy_pages(sqlite3 *to, sqlite3 *from)
{
	int64_t deadline = io_now() + STORE_WAIT_MS;
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
	if (!copy)
		return sqlite3_extended_errcode(to);
	int rc;
	do {
		rc = sqlite3_backup_step(copy, -1);
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
			sqlite3_sleep(10);
	} while ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && io_now() < deadline);
	int ended = sqlite3_backup_finish(copy);
	return rc == SQLITE_DONE ? ended : rc;
}

/* "PATH: text" as the store's fault, of another file than its own. */
static int fail_of(struct store *store, const char *path, int code, const char *text)
{
	snprintf(store->fault, sizeof(store->fault), "%.300s: %.200s", path, text);
	errno = code;
	return -1;
}

static int fail_file(struct store *store, const char *path)
{
	return fail_of(store, path, errno, strerror(errno));
}

static void remove_files(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal",
		".lock" };
	char name[STORE_PATH_MAX + 16];
	int saved = errno;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
	errno = saved;
}

/* An empty file that nobody else may read. */
static int make_file(struct store *store, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_file(store, path);
	close(fd);
	return 0;
}

static int flush(struct store *store, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result = fd >= 0 && fsync(fd) == 0 ? 0 : fail_file(store, path);
	io_close(&fd);
	return result;
}

/* --- out ----------------------------------------------------------------- */

static int copy_to(struct store *store, const char *path)
{
	sqlite3 *to = NULL;
	int rc = sqlite3_open_v2(
		path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = copy_pages(to, store->db);
	/* One file, which needs no other beside it to be read. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	int result = rc == SQLITE_OK
			     ? 0
			     : fail_of(store, path, rc == SQLITE_FULL ? ENOSPC : EIO,
				       sqlite3_errstr(rc));
	sqlite3_close(to);
	return result;
}

int edit_backup(struct store *store, const char *path)
{
	if (make_file(store, path) < 0)
		return -1;
	if (copy_to(store, path) == 0 && flush(store, path) == 0)
		return 0;
	remove_files(path);
	return -1;
}

/* --- and back ------------------------------------------------------------ */

/* What `from` holds, into a file of ours. */
static int fetch(struct store *store, const char *from, const char *beside)
{
	sqlite3 *source = NULL, *to = NULL;
	int rc = sqlite3_open_v2(
		from, &source, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_open_v2(beside, &to,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		rc = copy_pages(to, source);
	int code = (rc & 0xff) == SQLITE_FULL ? ENOSPC : EUCLEAN;
	sqlite3_close(source);
	sqlite3_close(to);
	return rc == SQLITE_OK ? 0 : fail_of(store, from, code, sqlite3_errstr(rc));
}

static void note_first(void *first, const char *line)
{
	char *text = first;
	if (!*text)
		snprintf(text, 200, "%s", line);
}

/* No login that was remembered of either database is one of what comes now. */
static int prepare(struct store *copy, const struct store *store)
{
	if (store_begin(copy) < 0)
		return -1;
	int result = store_exec(copy, "UPDATE account SET stamp = abs(random() / 4)");
	if (result == 0)
		result = store_mark_for(copy, store);
	return store_end(copy, result);
}

/* Is it one of ours, and whole? Then it is made ready. */
static int judge(struct store *copy, struct store *store, const char *from)
{
	char first[200] = "";
	int wrong = edit_check(copy, note_first, first);
	if (wrong > 0)
		return fail_of(store, from, EUCLEAN, first);
	if (wrong == 0 && prepare(copy, store) == 0)
		return 0;
	const char *why = strchr(store_fault(copy), ':');
	return fail_of(store, from, errno, why ? why + 2 : store_fault(copy));
}

/* Nobody else's transaction comes between the mark and the pages. */
static int put_back(struct store *store, struct store *copy, const char *from)
{
	int queue;
	store_settle(store);
	if (judge(copy, store, from) < 0 || store_lock(store, &queue) < 0)
		return -1;
	int rc = copy_pages(store->db, copy->db);
	io_close(&queue);
	return rc == SQLITE_OK ? 0 : store_fail_db(store, rc);
}

static int restore_by(struct store *store, const char *from, const char *beside)
{
	struct store *copy = NULL;
	int result = make_file(store, beside);
	if (result < 0)
		return -1;
	result = fetch(store, from, beside);
	if (result == 0 && store_open(&copy, beside, STORE_WRITE) < 0) {
		const char *why = strchr(store_fault(copy), ':');
		result = fail_of(store, from, errno, why ? why + 2 : "no memory");
	}
	if (result == 0)
		result = put_back(store, copy, from);
	int saved = errno;
	store_close(copy);
	remove_files(beside);
	errno = saved;
	return result;
}

int edit_restore(struct store *store, const char *from)
{
	char beside[STORE_PATH_MAX + 16];
	if (access(from, R_OK) < 0)
		return fail_file(store, from);
	snprintf(beside, sizeof(beside), "%.*s.restoring", STORE_PATH_MAX, store->path);
	if (strlen(beside) > STORE_PATH_MAX)
		return store_fail(store, ENAMETOOLONG, "path too long");
	/* What a killed one has left. */
	remove_files(beside);
	int result = restore_by(store, from, beside);
	if (result == 0)
		store_settle(store);
	return result;
}
