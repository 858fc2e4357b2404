/*
 * listing: the names in a Maildir. See listing.h.
 *
 * Runs as the mailbox owner. Distrusts the directories: links, FIFOs and devices
 * in them are not messages; names may be anything that the system allows. Fails
 * with -1, errno and a text.
 */
#include "maildrop/listing.h"

#include "base/io.h"
#include "base/pages.h"
#include "maildrop/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const dir_names[LISTING_DIRS] = { "new", "cur" };

enum { READ_TRIES = 5, NAMES_MORE = 4096 /* octets: more than a name */ };

size_t listing_base_length(const char *name, size_t n)
{
	const char *colon = memchr(name, ':', n);
	return colon ? (size_t)(colon - name) : n;
}

/* Of others an unchanged time of a directory proves nothing. */
static bool keeps_times(int dir)
{
	return dir < 0 || volume_is_local(dir);
}

static int no_directory(int error)
{
	return error == ENOENT ? 0 : -1;
}

int listing_open(struct listing *listing, const struct maildrop *drop,
	struct maildrop_fault *fault)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	*listing = (struct listing){ .dirs = { -1, -1 } };
	int root = open(drop->path, flags);
	if (root < 0 && no_directory(errno) == 0)
		return 0;
	if (root < 0)
		return maildrop_fail(fault, "open", drop->path);
	for (int i = 0; i < LISTING_DIRS; i++) {
		int dir = openat(root, dir_names[i], flags | O_NOFOLLOW);
		if (dir < 0 && no_directory(errno) < 0) {
			char path[MAILDROP_PATH_MAX + 8];
			snprintf(path, sizeof(path), "%s/%s", drop->path, dir_names[i]);
			maildrop_fail(fault, "open", path);
			close(root);
			return -1;
		}
		listing->dirs[i] = dir;
	}
	close(root);
	listing->keeps_times = keeps_times(listing->dirs[LISTING_NEW]) &&
			       keeps_times(listing->dirs[LISTING_CUR]);
	return 0;
}

void listing_close(struct listing *listing)
{
	for (int i = 0; i < LISTING_DIRS; i++)
		io_close(&listing->dirs[i]);
	free(listing->names);
	listing->names = NULL;
}

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int stamp_of(const struct listing *listing, int dir, struct listing_stamp *stamp)
{
	struct stat st;
	*stamp = (struct listing_stamp){ 0 };
	if (listing->dirs[dir] < 0)
		return 0;
	if (fstat(listing->dirs[dir], &st) < 0)
		return -1;
	*stamp = (struct listing_stamp){ st.st_dev, st.st_ino, nanoseconds(st.st_mtim),
		nanoseconds(st.st_ctim) };
	return 0;
}

int listing_take_stamps(struct listing *listing)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	for (int i = 0; i < LISTING_DIRS; i++) {
		listing->read_at[i] = nanoseconds(now);
		if (stamp_of(listing, i, &listing->stamps[i]) < 0)
			return -1;
	}
	return 0;
}

static bool same_stamp(const struct listing_stamp *a, const struct listing_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

bool listing_same(const struct listing *listing)
{
	struct listing_stamp now;
	for (int i = 0; i < LISTING_DIRS; i++)
		if (stamp_of(listing, i, &now) < 0 ||
			!same_stamp(&now, &listing->stamps[i]))
			return false;
	return true;
}

bool listing_settled_dir(const struct listing *listing, int dir)
{
	const struct listing_stamp *stamp = &listing->stamps[dir];
	return listing->keeps_times &&
	       listing->read_at[dir] - stamp->mtime >= LISTING_AT_REST &&
	       listing->read_at[dir] - stamp->ctime >= LISTING_AT_REST;
}

bool listing_settled(const struct listing *listing)
{
	for (int i = 0; i < LISTING_DIRS; i++)
		if (!listing_settled_dir(listing, i))
			return false;
	return true;
}

int64_t listing_grain(const struct listing *listing, int64_t time)
{
	/* A time without a fraction is of a file system that keeps none. */
	bool fine = time % 1000000000 != 0;
	return listing->keeps_times && fine ? LISTING_TICK : LISTING_AT_REST;
}

/* Of a directory's stamp. */
static int64_t grain(const struct listing *listing, const struct listing_stamp *stamp)
{
	return listing_grain(
		listing, stamp->mtime % 1000000000 ? stamp->mtime : stamp->ctime);
}

/* Were both directories at rest for so long, before the stamps were taken? */
static bool rested(const struct listing *listing, int dir, int64_t time)
{
	const struct listing_stamp *stamp = &listing->stamps[dir];
	int64_t least = listing->read_at[dir] - time;
	return stamp->mtime <= least && stamp->ctime <= least;
}

static bool rested_a_tick(const struct listing *listing)
{
	for (int i = 0; i < LISTING_DIRS; i++)
		if (!rested(listing, i, LISTING_TICK))
			return false;
	return true;
}

bool listing_still(const struct listing *listing)
{
	for (int i = 0; i < LISTING_DIRS; i++)
		if (!rested(listing, i, grain(listing, &listing->stamps[i])))
			return false;
	return listing_same(listing);
}

static void nap(int64_t time)
{
	struct timespec t = { time / 1000000000, time % 1000000000 };
	nanosleep(&t, NULL);
}

void listing_nap(const struct listing *listing)
{
	int64_t longest = LISTING_TICK;
	for (int i = 0; i < LISTING_DIRS; i++) {
		int64_t one = grain(listing, &listing->stamps[i]);
		if (listing->dirs[i] >= 0 && one > longest)
			longest = one;
	}
	nap(longest);
}

int listing_await_stamps(struct listing *listing)
{
	int result = listing_take_stamps(listing);
	if (result < 0 || rested_a_tick(listing))
		return result;
	nap(LISTING_TICK);
	return listing_take_stamps(listing);
}

/* --- reading --- */

int listing_keep_name(struct listing *listing, const char *name, size_t n, size_t *at)
{
	if (listing->names_room - listing->names_n < n + 1) {
		/* The names that a cache gave have no room behind them. */
		size_t room = 2 * listing->names_room + NAMES_MORE;
		char *names = pages_grow(listing->names, listing->names_n, room);
		if (!names)
			return -1;
		listing->names = names;
		listing->names_room = room;
	}
	*at = listing->names_n;
	memcpy(listing->names + *at, name, n + 1);
	listing->names_n += n + 1;
	return 0;
}

static bool is_message(int dir, const struct dirent *entry, size_t n)
{
	struct stat st;
	if (entry->d_name[0] == '.' || n > LISTING_NAME_MAX)
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT; /* its inode is broken: it must not be hidden */
	return S_ISREG(st.st_mode);
}

static int read_entries(DIR *stream, int which, listing_fn *each, void *self)
{
	const struct dirent *entry;
	for (;;) {
		errno = 0;
		entry = readdir(stream);
		if (!entry)
			return errno ? -1 : 0;
		size_t n = strlen(entry->d_name);
		if (is_message(dirfd(stream), entry, n) &&
			each(self, which, entry->d_name, n, entry->d_ino) < 0)
			return -1;
	}
}

int listing_read_dir(struct listing *listing, int which, listing_fn *each, void *self)
{
	if (listing->dirs[which] < 0)
		return 0;
	/* A description of its own: the position is not shared. */
	int fd = openat(listing->dirs[which], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	DIR *stream = fdopendir(fd);
	if (!stream) {
		io_close(&fd);
		return -1;
	}
	int result = read_entries(stream, which, each, self);
	int error = errno;
	closedir(stream);
	errno = error;
	return result;
}

struct append {
	struct listing *listing;
	struct maildrop *drop;
};

static int append(void *self, int dir, const char *name, size_t n, uint64_t inode)
{
	struct append *to = self;
	size_t at;
	if (listing_keep_name(to->listing, name, n, &at) < 0)
		return -1;
	struct maildrop_message *message = maildrop_append(to->drop);
	if (!message)
		return -1;
	message->at = listing_at(at, listing_base_length(name, n), dir);
	message->id[0] = inode;
	return 0;
}

static int read_once(struct listing *listing, struct maildrop *drop, unsigned known)
{
	struct append to = { listing, drop };
	for (int i = 0; i < LISTING_DIRS; i++)
		if (!(known & LISTING_SET(i)) &&
			listing_read_dir(listing, i, append, &to) < 0)
			return -1;
	return 0;
}

int listing_read(struct listing *listing, struct maildrop *drop, unsigned *known,
	struct maildrop_fault *fault)
{
	const size_t names_n = listing->names_n;
	/*
	 * A file that is renamed while its directory is read may be seen twice or
	 * not at all (POSIX lets readdir choose): then once more. Whoever renames
	 * for ever only hides their own mail until the next session.
	 */
	for (int tries = 0; tries < READ_TRIES; tries++) {
		if (tries > 0)
			*known = 0;
		drop->count = 0;
		listing->names_n = names_n;
		if ((tries > 0 && listing_await_stamps(listing) < 0) ||
			read_once(listing, drop, *known) < 0)
			return maildrop_fail(fault, "read directory", drop->path);
		listing->complete = rested_a_tick(listing) && listing_same(listing);
		if (listing->complete)
			break;
	}
	return 0;
}
