/*
 * turn: waiting for one's turn, and transactions. Runs as root in auth and in the
 * postern command.
 *
 * SQLite's locks have no queue: whoever finds one taken sleeps for a short random while
 * and tries again, until the deadline. Transactions that write begin as writers (BEGIN
 * IMMEDIATE), so none is ever refused half way. The administrator's writers line up at
 * another lock before; a login that writes does not wait at all.
 */
#include "accounts/db.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { DOOR_PAUSE_MS = 10 };

/* --- waiting ------------------------------------------------------------- */

int store_busy(void *arg, int tries)
{
	struct store *store = arg;
	if (!store->waits)
		return 0;
	if (tries == 0)
		store->deadline = io_now() + STORE_WAIT_MS;
	if (io_now() >= store->deadline)
		return 0;
	uint32_t limit = tries < 8 ? 1u << tries : 256; /* in 0.1 ms */
	struct timespec pause = { .tv_nsec = 0 };
	pause.tv_nsec = 100000L * (long)(1 + randombytes_uniform(limit));
	nanosleep(&pause, NULL);
	return 1;
}

/* Of the file that is locked in the database's place, made when it is missing: 0600, so
 * that nobody else can hold a lock on it. On a full disk, where one reader at a time
 * must do, the directory stands in for it. */
static int open_door(struct store *store)
{
	char path[STORE_PATH_MAX + 8];
	struct stat st;
	snprintf(path, sizeof(path), "%s.lock", store->path);
	int fd = open(
		path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EROFS)) {
		snprintf(path, sizeof(path), "%s", store->path);
		fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077)) {
		(void)fchmod(fd, 0600);
	}
	return fd;
}

/*
 * A second door in front of SQLite's locks, for a crowd. Not the file itself, since to
 * close another descriptor of it would drop SQLite's own locks. Trying it costs next to
 * nothing, so that those who wait leave the processor to the one who is through.
 */
int store_lock(struct store *store, int *fd)
{
	int64_t deadline = io_now() + STORE_WAIT_MS;
	*fd = open_door(store);
	if (*fd < 0)
		return store_fail(store, errno, strerror(errno));
	while (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		struct timespec pause = { .tv_nsec = 1000000L * DOOR_PAUSE_MS };
		if (errno != EWOULDBLOCK || io_now() >= deadline) {
			io_close(fd);
			return store_fail_db(store, SQLITE_BUSY);
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* --- transactions ---------------------------------------------------------- */

int store_exec(struct store *store, const char *sql)
{
	int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : store_fail_db(store, rc);
}

/* SQLite itself gives up waiting for the index of the log after some ten seconds. */
static int begin_patiently(struct store *store, const char *sql)
{
	int64_t deadline = io_now() + (store->waits ? STORE_WAIT_MS : 0);
	int rc;
	do
		rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	while ((rc & 0xff) == SQLITE_PROTOCOL && io_now() < deadline);
	return rc == SQLITE_OK ? 0 : store_fail_db(store, rc);
}

int store_begin(struct store *store)
{
	bool queued = store->waits && store->depth == 0;
	if (queued && store_lock(store, &store->queue) < 0)
		return -1;
	if (begin_patiently(
		    store, store->depth ? "SAVEPOINT edit" : "BEGIN IMMEDIATE") < 0) {
		int saved = errno;
		io_close(&store->queue);
		errno = saved;
		return -1;
	}
	store->depth++;
	if (store->depth > 1 || store_mark(store) == 0)
		return 0;
	return store_end(store, -1);
}

/* After a full disk SQLite has taken all back itself: to do it again is no error. */
static void take_back(struct store *store, bool outer)
{
	(void)sqlite3_exec(store->db,
		outer ? "ROLLBACK" : "ROLLBACK TO edit; RELEASE edit", NULL, NULL,
		NULL);
}

int store_end(struct store *store, int result)
{
	bool outer = --store->depth == 0;
	if (result == 0)
		result = store_exec(store, outer ? "COMMIT" : "RELEASE edit");
	int saved = errno;
	if (result < 0)
		take_back(store, outer);
	if (outer)
		io_close(&store->queue);
	errno = saved;
	return result;
}
