/*
 * listing: the names in a Maildir. See listing.h.
 *
 * Runs as the mailbox owner. Distrusts the directories: links, FIFOs and devices
 * in them are not messages; names may be anything that the system allows. Fails
 * with -1, errno and a text.
 */
#include "maildrop/listing.h"

#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const dir_names[LISTING_DIRS] = { "new", "cur" };

/* A stamp younger than this may be that of a change that is still to come: file
 * systems round time (FAT, the worst, to two seconds). */
static const int64_t settled_after = 2500000000;

enum { READ_TRIES = 5 };

size_t listing_base_length(const char *name, size_t n)
{
	const char *colon = memchr(name, ':', n);
	return colon ? (size_t)(colon - name) : n;
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

int listing_stamp(const struct listing *listing, int dir, struct listing_stamp *stamp)
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

static int take_stamps(struct listing *listing)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	listing->read_at = nanoseconds(now);
	for (int i = 0; i < LISTING_DIRS; i++)
		if (listing_stamp(listing, i, &listing->stamps[i]) < 0)
			return -1;
	return 0;
}

static bool same_stamp(const struct listing_stamp *a, const struct listing_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

/* Have the directories not changed since the stamps were taken? */
static bool same_stamps(const struct listing *listing)
{
	struct listing_stamp now;
	for (int i = 0; i < LISTING_DIRS; i++)
		if (listing_stamp(listing, i, &now) < 0 ||
			!same_stamp(&now, &listing->stamps[i]))
			return false;
	return true;
}

/* And could they not have, unnoticed? */
static bool settled(const struct listing *listing)
{
	for (int i = 0; i < LISTING_DIRS; i++)
		if (listing->read_at - listing->stamps[i].mtime < settled_after ||
			listing->read_at - listing->stamps[i].ctime < settled_after)
			return false;
	return true;
}

/* --- reading ------------------------------------------------------------------ */

/* Appends a name and its NUL; *at is where it begins. */
static int keep_name(struct listing *listing, const char *name, size_t n, size_t *at)
{
	if (listing->names_room - listing->names_n < n + 1) {
		size_t room = listing->names_room ? listing->names_room * 2 : 4096;
		char *names = realloc(listing->names, room);
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
	return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* What is done with each file that is a message. 0, or -1 with errno. */
typedef int entry_fn(void *self, int dir, const char *name, size_t n, uint64_t inode);

static int read_entries(DIR *stream, int which, entry_fn *each, void *self)
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

static int read_dir(struct listing *listing, int which, entry_fn *each, void *self)
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
	if (keep_name(to->listing, name, n, &at) < 0)
		return -1;
	struct maildrop_message *message = maildrop_append(to->drop);
	if (!message)
		return -1;
	message->at = listing_at(at, listing_base_length(name, n), dir);
	message->id[0] = inode;
	return 0;
}

static int read_once(struct listing *listing, struct maildrop *drop)
{
	struct append to = { listing, drop };
	if (take_stamps(listing) < 0)
		return -1;
	for (int i = 0; i < LISTING_DIRS; i++)
		if (read_dir(listing, i, append, &to) < 0)
			return -1;
	return 0;
}

int listing_read(
	struct listing *listing, struct maildrop *drop, struct maildrop_fault *fault)
{
	/*
	 * A file that is renamed while its directory is read may be seen twice or
	 * not at all (POSIX lets readdir choose): then once more. Whoever renames
	 * for ever only hides their own mail until the next session.
	 */
	for (int tries = 0; tries < READ_TRIES; tries++) {
		drop->count = 0;
		listing->names_n = 0;
		if (read_once(listing, drop) < 0)
			return maildrop_fail(fault, "read directory", drop->path);
		if (same_stamps(listing))
			break;
	}
	return 0;
}

/* --- order ---------------------------------------------------------------------- */

struct key {
	uint64_t time;
	uint64_t head; /* the first octets behind the time: most comparisons end here */
	const struct listing *listing;
	const struct maildrop_message *message;
};

static size_t parse_time(struct span base, uint64_t *time)
{
	size_t i = 0;
	uint64_t t = 0;
	for (; i < base.n && base.p[i] >= '0' && base.p[i] <= '9'; i++) {
		unsigned digit = (unsigned)(base.p[i] - '0');
		t = t > (UINT64_MAX - digit) / 10 ? UINT64_MAX : t * 10 + digit;
	}
	*time = t;
	return i;
}

static struct key key_of(
	const struct listing *listing, const struct maildrop_message *message)
{
	struct key key = { .listing = listing, .message = message };
	struct span base = listing_base(listing, message);
	struct span rest = span_tail(base, parse_time(base, &key.time));
	for (size_t i = 0; i < sizeof(key.head); i++)
		key.head = key.head << 8 | (i < rest.n ? rest.p[i] : 0);
	return key;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_spans(struct span a, struct span b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : compare_numbers(a.n, b.n);
}

static int compare_bases(const struct key *a, const struct key *b)
{
	if (a->time != b->time)
		return compare_numbers(a->time, b->time);
	if (a->head != b->head)
		return compare_numbers(a->head, b->head);
	return compare_spans(listing_base(a->listing, a->message),
		listing_base(b->listing, b->message));
}

static int compare_keys(const void *x, const void *y)
{
	const struct key *a = x, *b = y;
	int c = compare_bases(a, b);
	if (c == 0)
		c = compare_numbers(a->message->id[0], b->message->id[0]);
	if (c == 0)
		c = listing_dir(a->message) - listing_dir(b->message);
	return c ? c
		 : strcmp(listing_name(a->listing, a->message),
			   listing_name(b->listing, b->message));
}

int listing_compare(const struct listing *listing, const struct maildrop_message *a,
	const struct maildrop_message *b)
{
	struct key x = key_of(listing, a), y = key_of(listing, b);
	return compare_bases(&x, &y);
}

/* The same file under two names of one message: seen twice while it was renamed. */
static bool same_file(const struct key *a, const struct key *b)
{
	return a->message->id[0] == b->message->id[0] && compare_bases(a, b) == 0;
}

/* Moves the messages into the order of the keys; a file that was seen twice counts
 * once; those that share a base name are flagged. Returns how many there are. */
static size_t arrange(struct maildrop_message *sorted, const struct key *keys, size_t n)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		bool alone = i == 0 || compare_bases(&keys[i - 1], &keys[i]) != 0;
		if (!alone && same_file(&keys[i - 1], &keys[i]))
			continue;
		sorted[count] = *keys[i].message;
		sorted[count].at &= ~(uint64_t)LISTING_DUPLICATE;
		if (!alone) {
			sorted[count - 1].at |= LISTING_DUPLICATE;
			sorted[count].at |= LISTING_DUPLICATE;
		}
		count++;
	}
	return count;
}

int listing_sort(struct listing *listing, struct maildrop *drop)
{
	size_t n = drop->count;
	if (n == 0)
		return 0;
	struct key *keys = malloc(n * sizeof(*keys));
	struct maildrop_message *sorted = malloc(n * sizeof(*sorted));
	if (!keys || !sorted) {
		free(keys);
		free(sorted);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		keys[i] = key_of(listing, &drop->messages[i]);
	qsort(keys, n, sizeof(*keys), compare_keys);
	drop->count = arrange(sorted, keys, n);
	free(drop->messages);
	drop->messages = sorted;
	drop->room = n;
	free(keys);
	return 0;
}

/* --- finding again ---------------------------------------------------------------- */

/* An open hash table from base name to message, valid for one refresh. */
struct index {
	struct listing *listing;
	struct maildrop *drop;
	uint32_t *slots; /* message number + 1, or 0 */
	uint64_t mask;
	unsigned char *found; /* by message number */
};

static uint64_t hash_of(struct span s)
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 1099511628211u;
	return h ^ h >> 29;
}

static int index_build(struct index *index)
{
	size_t n = index->drop->count, size = 16;
	while (size < 2 * n)
		size *= 2;
	index->mask = size - 1;
	index->slots = calloc(size, sizeof(*index->slots));
	index->found = calloc(n + 1, 1);
	if (!index->slots || !index->found)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = hash_of(
			listing_base(index->listing, &index->drop->messages[i]));
		while (index->slots[at & index->mask])
			at++;
		index->slots[at & index->mask] = (uint32_t)i + 1;
	}
	return 0;
}

/* The message that this file is: same base name; same inode if there is a choice. */
static struct maildrop_message *index_find(
	struct index *index, struct span base, uint64_t inode)
{
	uint32_t best = 0, slot;
	for (uint64_t at = hash_of(base); (slot = index->slots[at & index->mask]);
		at++) {
		const struct maildrop_message *m = &index->drop->messages[slot - 1];
		if (index->found[slot - 1] ||
			!span_eq(listing_base(index->listing, m), base))
			continue;
		if (m->id[0] == inode) {
			best = slot;
			break;
		}
		if (!(m->at & LISTING_DUPLICATE))
			best = slot;
	}
	if (!best)
		return NULL;
	index->found[best - 1] = 1;
	return &index->drop->messages[best - 1];
}

static int rename_message(
	void *self, int dir, const char *name, size_t n, uint64_t inode)
{
	struct index *index = self;
	size_t base = listing_base_length(name, n), at;
	struct maildrop_message *message =
		index_find(index, span_of(name, base), inode);
	if (!message)
		return 0; /* delivered since the snapshot */
	message->id[0] = inode;
	if (listing_dir(message) == dir &&
		strcmp(listing_name(index->listing, message), name) == 0)
		return 0;
	if (keep_name(index->listing, name, n, &at) < 0)
		return -1;
	message->at = listing_at(at, base, dir) | (message->at & LISTING_DUPLICATE);
	return 0;
}

int listing_refresh(struct listing *listing, struct maildrop *drop)
{
	struct index index = { .listing = listing, .drop = drop };
	if (settled(listing) && same_stamps(listing))
		return 0;
	int result = take_stamps(listing) < 0 || index_build(&index) < 0 ? -1 : 0;
	for (int i = 0; result == 0 && i < LISTING_DIRS; i++)
		result = read_dir(listing, i, rename_message, &index);
	int error = errno;
	free(index.slots);
	free(index.found);
	errno = error;
	return result;
}
