/*
 * store: the database file: opening, waiting, faults, statements. Runs as root in auth
 * (one open per attempt, in a child) and in the postern command. The file
 * is trusted as far as its owner is: one that others can write is refused. Fails by
 * -1, errno and a text that names the file; never logs.
 *
 * The write-ahead log is kept when the last handle closes, and auth's closing does not
 * checkpoint: with one open per login that would be a rewrite per login. The
 * postern command's does, and auth's parent at rest and at its end (store_settle()), so
 * that the file alone is whole as often as it can be.
 *
 * A full disk: SQLite wants room for the index of the log (FILE-shm). Auth can do
 * without, at the price of one reader at a time (locking_mode EXCLUSIVE keeps the index
 * in memory).
 */
#include "accounts/store.h"

#include "accounts/db.h"
#include "accounts/schema.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_PAGES = 32 }; /* of the write-ahead log before it is copied back */

/* --- faults -------------------------------------------------------------- */

int store_fail(struct store *store, int code, const char *text)
{
	snprintf(store->fault, sizeof(store->fault), "%.300s: %s", store->path, text);
	errno = code;
	return -1;
}

static int errno_of_system(struct store *store, int fallback)
{
	int code = store->db ? sqlite3_system_errno(store->db) : 0;
	return code == ENOSPC || code == EDQUOT ? ENOSPC
	       : code == ENOMEM			? ENOMEM
						: fallback;
}

static int errno_of(struct store *store, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return EBUSY;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EUCLEAN;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EACCES;
	case SQLITE_CANTOPEN:
		return errno_of_system(store, EACCES);
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE ||
				       rc == SQLITE_CONSTRAINT_PRIMARYKEY
			       ? EEXIST
			       : EINVAL;
	default:
		return errno_of_system(store, EIO);
	}
}

int store_fail_db(struct store *store, int rc)
{
	int code = errno_of(store, rc);
	switch (code) {
	case EUCLEAN:
		return store_fail(store, code,
			(rc & 0xff) == SQLITE_NOTADB
				? "not a database, or damaged at its beginning"
				: "the database is damaged; restore it from a backup");
	case EBUSY:
		return store_fail(
			store, code, "another process has been writing for too long");
	case ENOSPC:
		return store_fail(store, code, "no space left on the file system");
	default:
		return store_fail(store, code,
			store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc));
	}
}

const char *store_fault(const struct store *store)
{
	return store ? store->fault : "out of memory";
}

const char *store_path(const struct store *store)
{
	return store->path;
}

/* --- opening ------------------------------------------------------------- */

int store_check_file(struct store *store, struct store_file *file)
{
	struct stat st;
	if (stat(store->path, &st) < 0)
		return store_fail(store, errno, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return store_fail(store, EPROTO, "not a regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return store_fail(store, EACCES, "belongs to another user");
	if (st.st_mode & 022)
		return store_fail(store, EACCES,
			"others than its owner can write it (chmod 600)");
	*file = (struct store_file){ .device = st.st_dev, .inode = st.st_ino };
	return 0;
}

/* The directory and an empty file (0600), where missing. The directory lets others pass
 * (0711): it is where the owner of the mail, by default below it, must get through. */
static int create_file(struct store *store)
{
	char path[STORE_PATH_MAX + 1];
	snprintf(path, sizeof(path), "%s", store->path);
	const char *directory = dirname(path);
	if (mkdir(directory, 0711) < 0 && errno != EEXIST)
		return store_fail(store, errno, strerror(errno));
	int fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : store_fail(store, errno, strerror(errno));
	close(fd);
	return 0;
}

/* SQLite opens a file for reading only when it cannot for writing. */
static int open_db(struct store *store, bool alone)
{
	int flags = store->mode == STORE_READ && !alone ? SQLITE_OPEN_READONLY
							: SQLITE_OPEN_READWRITE;
	flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(store->path, &store->db, flags, NULL);
	if (rc != SQLITE_OK)
		return store_fail_db(store, rc);
	store->read_only = sqlite3_db_readonly(store->db, "main") == 1;
	if (store->read_only && store->mode >= STORE_WRITE)
		return store_fail(store, EACCES, "cannot be written");
	return 0;
}

/* The write-ahead log goes back into the file and is emptied, if nobody is reading just
 * now. Emptied, because whoever opens the file when nobody else has it open reads
 * the whole log; and a new handle cannot know how much of it was copied already. */
static void checkpoint(struct store *store)
{
	store->waits = false;
	(void)sqlite3_wal_checkpoint_v2(
		store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	store->waits = true;
}

/* After each commit. */
static int committed(void *arg, sqlite3 *db, const char *name, int pages)
{
	(void)db;
	(void)name;
	if (pages >= LOG_PAGES)
		checkpoint(arg);
	return SQLITE_OK;
}

static int set_up(struct store *store)
{
	int one = 1;
	sqlite3 *db = store->db;
	store->waits = true;
	(void)sqlite3_busy_handler(db, store_busy, store);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &one);
	(void)sqlite3_wal_hook(db, committed, store);
	if (store->mode >= STORE_WRITE)
		return store_exec(
			store, "PRAGMA secure_delete = ON; PRAGMA synchronous = FULL");
	return store_exec(store, store->mode == STORE_READ
					 ? "PRAGMA query_only = ON"
					 : "PRAGMA synchronous = NORMAL");
}

/* Empty or older: made current. A new file gets its write-ahead log first. */
static int migrate(struct store *store, enum schema_state state)
{
	bool reads = store->mode == STORE_READ || store->read_only;
	if (state == SCHEMA_EMPTY && (reads || store->mode != STORE_CREATE))
		return store_fail(store, ENODATA, "not a Postern account database");
	if (reads)
		return store_fail(store, ESTALE,
			"of an earlier version; any command that writes (as root) "
			"updates it");
	if (state == SCHEMA_EMPTY && store_exec(store, "PRAGMA journal_mode = WAL") < 0)
		return -1;
	int rc = schema_migrate(store->db, SCHEMA_VERSION);
	return rc == SQLITE_OK ? 0 : store_fail_db(store, rc);
}

static int check_schema(struct store *store)
{
	int version, rc;
	char text[128];
	enum schema_state state = schema_look(store->db, &version, &rc);
	switch (state) {
	case SCHEMA_CURRENT:
		return 0;
	case SCHEMA_EMPTY:
	case SCHEMA_OLDER:
		return migrate(store, state);
	case SCHEMA_NEWER:
		snprintf(text, sizeof(text),
			"of a later Postern (version %d, this one knows %d)", version,
			SCHEMA_VERSION);
		return store_fail(store, EPROTO, text);
	case SCHEMA_FOREIGN:
		return store_fail(store, EPROTO, "not a Postern account database");
	default:
		return store_fail_db(store, rc);
	}
}

static int open_whole(struct store *store)
{
	return open_db(store, false) < 0 || set_up(store) < 0 ||
			       store_check_fit(store) < 0 || check_schema(store) < 0
		       ? -1
		       : 0;
}

/* No room for the log's index: with the index in memory, and one at a time: two that
 * want the file for themselves would wait for each other, each with a shared lock in
 * hand. */
static int open_alone(struct store *store)
{
	sqlite3_close(store->db);
	store->db = NULL;
	/* Before whatever else looks into the file: that would want the index. */
	if (store_lock(store, &store->alone) < 0 || open_db(store, true) < 0 ||
		store_exec(store, "PRAGMA locking_mode = EXCLUSIVE") < 0 ||
		set_up(store) < 0)
		return -1;
	return store_check_fit(store) < 0 ? -1 : check_schema(store);
}

static int open_patiently(struct store *store)
{
	int64_t deadline = io_now() + STORE_WAIT_MS;
	while (open_whole(store) < 0) {
		if (errno == ENOSPC && store->mode <= STORE_LOGIN)
			return open_alone(store);
		if (errno != EBUSY || io_now() >= deadline)
			return -1;
		sqlite3_close(store->db);
		store->db = NULL;
	}
	return 0;
}

int store_open(struct store **out, const char *path, enum store_mode mode)
{
	struct store *store = *out = calloc(1, sizeof(*store));
	if (!store) {
		errno = ENOMEM;
		return -1;
	}
	store->mode = mode;
	store->alone = store->queue = -1;
	if (span_to_text(span_str(path), store->path, sizeof(store->path)) < 0)
		return store_fail(store, ENAMETOOLONG, "path too long");
	if (password_init() < 0)
		return store_fail(store, EIO, "libsodium cannot start");
	if (mode == STORE_CREATE && create_file(store) < 0)
		return -1;
	if (store_check_file(store, &store->file) < 0 || open_patiently(store) < 0)
		return -1;
	store_note_log(store, &store->log);
	store->usable = true;
	return 0;
}

void store_settle(struct store *store)
{
	if (store->usable)
		checkpoint(store);
}

int store_sound(struct store *store)
{
	struct stmt s;
	char line[128];
	stmt_open(&s, store, "PRAGMA quick_check(1)");
	int got = stmt_step(&s);
	bool good = got == 1 && stmt_text(&s, 0, line, sizeof(line)) == 0 &&
		    strcmp(line, "ok") == 0;
	stmt_close(&s);
	if (got < 0 || good)
		return got < 0 ? -1 : 0;
	return store_fail_db(store, SQLITE_CORRUPT);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->mode >= STORE_WRITE)
		store_settle(store);
	sqlite3_close(store->db);
	io_close(&store->alone);
	io_close(&store->queue);
	free(store);
}
