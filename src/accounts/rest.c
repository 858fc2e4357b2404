/*
 * rest: a handle between two claims of one auth process. To open the database costs
 * more than to ask it: SQLite looks for a log that was left behind and reads the
 * schema.
 *
 * A handle at rest has no transaction and no row in its cache, so each claim sees
 * whatever was committed before it. What no lock tells is that somebody put another
 * file in the database's place (a backup), or took its log away: that is looked for.
 */
#include "accounts/db.h"

#include <sys/stat.h>

static struct store_file look(const struct store *store, const char *suffix)
{
	char path[STORE_PATH_MAX + 8];
	struct stat st;
	snprintf(path, sizeof(path), "%s%s", store->path, suffix);
	if (stat(path, &st) < 0)
		return (struct store_file){ 0 };
	return (struct store_file){ .device = st.st_dev, .inode = st.st_ino };
}

void store_note_log(const struct store *store, struct store_log *log)
{
	log->wal = look(store, "-wal");
	log->shm = look(store, "-shm");
}

bool store_rest(struct store *store)
{
	/* One that reads alone keeps others out. */
	if (!store->db || store->alone >= 0 || store->depth > 0 ||
		sqlite3_next_stmt(store->db, NULL))
		return false;
	return sqlite3_db_release_memory(store->db) == SQLITE_OK;
}

static bool is_same(struct store_file a, struct store_file b)
{
	return a.device == b.device && a.inode == b.inode;
}

bool store_wake(struct store *store)
{
	struct store_file file;
	struct store_log now;
	if (store_check_file(store, &file) < 0 || !is_same(file, store->file))
		return false;
	store_note_log(store, &now);
	return is_same(now.wal, store->log.wal) && is_same(now.shm, store->log.shm);
}
