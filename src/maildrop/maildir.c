/*
 * maildir: the Maildir driver (https://cr.yp.to/proto/maildir.html): one file per
 * message in new and cur. Nothing is moved or renamed by reading: flags and new
 * stay what other programs made them.
 *
 * Runs as the mailbox owner. Distrusts everything beneath the path: no link is
 * followed below it, no FIFO or device waited for, names and sizes may change at
 * any time. Takes no lock, as Maildir needs none: a message that another agent
 * renames is found again by its base name, one that it removes is gone.
 *
 * A message that cannot be read (permissions, a bad disk) stays listed and fails
 * when it is asked for: it must not hide the others, nor be hidden.
 */
#include "maildrop/listing.h"
#include "maildrop/maildir_cache.h"
#include "maildrop/octets.h"

#include "base/blake2b.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	MAILDIR_BLOCK = 128 * 1024,
	MAILDIR_UID_HASH = 16,
	/* Work that a session which is killed should not leave to the next. */
	MAILDIR_DEAR_MESSAGES = 250,
	MAILDIR_DEAR_OCTETS = 64 * 1024 * 1024,
};

/* message.stored of a message that leaves the snapshot before it is complete */
#define MAILDIR_GONE UINT64_MAX

struct maildir {
	struct listing listing;
	unsigned char *block; /* MAILDIR_BLOCK octets, while sizes are measured */
	int64_t now;	      /* when measuring began, nanoseconds of the clock */
	size_t measured;      /* messages */
	uint64_t octets;      /* in them */
	bool dirty;	      /* the cache should be written */
};

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return nanoseconds(t);
}

/* --- sizes ---------------------------------------------------------------------- */

static int prepare(struct maildir *maildir)
{
	maildir->now = now();
	if (!maildir->block)
		maildir->block = malloc(MAILDIR_BLOCK);
	return maildir->block ? 0 : -1;
}

static int open_message(
	const struct maildir *maildir, const struct maildrop_message *message)
{
	int dir = maildir->listing.dirs[listing_dir(message)];
	if (dir < 0) {
		errno = ENOENT;
		return -1;
	}
	return openat(dir, listing_name(&maildir->listing, message),
		O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
}

static ssize_t pread_some(int fd, void *p, size_t n, off_t offset)
{
	ssize_t got;
	do
		got = pread(fd, p, n, offset);
	while (got < 0 && errno == EINTR);
	return got;
}

/*
 * Reads the open message to its end. A small one costs one call: what fills the
 * block only in part is all of it (and what is no file fails: ESPIPE, EISDIR).
 */
static int measure_file(
	struct maildir *maildir, struct maildrop_message *message, int fd)
{
	struct octets octets = { 0 };
	off_t offset = 0;
	ssize_t n;
	do {
		n = pread_some(fd, maildir->block, MAILDIR_BLOCK, offset);
		if (n < 0)
			return -1;
		octets_add(&octets, span_of(maildir->block, (size_t)n));
		offset += n;
	} while (n == MAILDIR_BLOCK);
	message->size = octets_total(&octets);
	message->stored = (uint64_t)offset;
	message->id[1] = (uint64_t)maildir->now;
	maildir->measured++;
	maildir->octets += (uint64_t)offset;
	return 0;
}

/* As measure_file(), of what the name stands for now. */
static int measure(struct maildir *maildir, struct maildrop_message *message)
{
	int fd = open_message(maildir, message);
	if (fd < 0)
		return -1;
	int result = measure_file(maildir, message, fd);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

/* What is known of a message that can't be read. */
static void estimate(struct maildir *maildir, struct maildrop_message *message)
{
	struct stat st;
	if (fstatat(maildir->listing.dirs[listing_dir(message)],
		    listing_name(&maildir->listing, message), &st,
		    AT_SYMLINK_NOFOLLOW) == 0)
		message->size = message->stored = (uint64_t)st.st_size;
}

/* 0; or -1 when the whole maildrop can't be opened. */
static int measure_or_judge(struct maildir *maildir, struct maildrop_message *message)
{
	if (measure(maildir, message) == 0)
		return 0;
	switch (errno) {
	case ENOENT: /* renamed or removed */
	case ELOOP:  /* no message: it became a link, */
	case ENXIO:  /* a socket, */
	case ENODEV:
	case ESPIPE: /* a FIFO, */
	case EISDIR: /* a directory */
		message->stored = MAILDIR_GONE;
		return 0;
	case EACCES:
	case EPERM:
	case EIO:
		estimate(maildir, message);
		return 0;
	default:
		return -1;
	}
}

/* Measures what is not known yet; *gone counts what could not be found. */
static int measure_unknown(struct maildrop *drop, size_t *gone)
{
	struct maildir *maildir = drop->own;
	*gone = 0;
	for (size_t i = 0; i < drop->count; i++) {
		struct maildrop_message *message = &drop->messages[i];
		if (message->id[1] != 0)
			continue;
		message->stored = 0;
		if (measure_or_judge(maildir, message) < 0)
			return -1;
		*gone += message->stored == MAILDIR_GONE;
	}
	return 0;
}

static void leave_out_gone(struct maildrop *drop)
{
	size_t kept = 0;
	for (size_t i = 0; i < drop->count; i++)
		if (drop->messages[i].stored != MAILDIR_GONE)
			drop->messages[kept++] = drop->messages[i];
	drop->count = kept;
}

static int measure_all(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	size_t gone;
	int result = prepare(maildir);
	if (result == 0)
		result = measure_unknown(drop, &gone);
	if (result == 0 && gone) {
		maildir->listing.complete = false;
		result = listing_refresh(&maildir->listing, drop);
		if (result == 0)
			result = measure_unknown(drop, &gone);
		leave_out_gone(drop);
	}
	int error = errno;
	free(maildir->block);
	maildir->block = NULL;
	errno = error;
	return result;
}

/* --- the driver ------------------------------------------------------------------- */

/* The snapshot's names, with the sizes that are known. */
static int take_snapshot(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	struct listing *listing = &maildir->listing;
	struct maildir_known known;
	if (maildir_cache_load(listing, drop, &known))
		return 0;
	int result = listing_read(listing, drop, fault);
	if (result == 0 && listing_sort(listing, drop) < 0)
		result = maildrop_fail(fault, "sort", drop->path);
	if (result == 0) {
		size_t hits = maildir_known_apply(&known, listing, drop);
		maildir->dirty = hits != known.count || hits != drop->count ||
				 (listing->complete && listing_settled(listing));
	}
	maildir_known_free(&known);
	return result;
}

static void write_cache(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	leave_out_gone(drop);
	maildir_cache_store(&maildir->listing, drop); /* or the next open is slow */
	maildir->dirty = false;
}

static int maildir_open(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct maildir *maildir = calloc(1, sizeof(*maildir));
	if (!maildir)
		return maildrop_fail(fault, "open", drop->path);
	drop->own = maildir;
	if (listing_open(&maildir->listing, drop, fault) < 0 ||
		take_snapshot(drop, fault) < 0)
		return -1;
	if (measure_all(drop) < 0)
		return maildrop_fail(fault, "read messages in", drop->path);
	maildir->dirty |= maildir->measured > 0;
	if (maildir->measured >= MAILDIR_DEAR_MESSAGES ||
		maildir->octets >= MAILDIR_DEAR_OCTETS)
		write_cache(drop);
	return 0;
}

static void maildir_close(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	if (!maildir)
		return;
	if (maildir->dirty)
		write_cache(drop);
	listing_close(&maildir->listing);
	free(maildir->block);
	free(maildir);
	drop->own = NULL;
}

static bool is_uid(struct span s)
{
	if (s.n == 0 || s.n > MAILDROP_UID_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7E)
			return false;
	return true;
}

/*
 * A hash begins with a dot, which no message's name does: so it can't equal
 * another message's base name, whatever the owner calls their files. Of several
 * files with the same base name each gets a hash: none can pass for one that the
 * client has seen before.
 */
static int maildir_uid(struct maildrop *drop, size_t i, char uid[MAILDROP_UID_MAX + 1])
{
	struct maildir *maildir = drop->own;
	const struct maildrop_message *message = &drop->messages[i];
	struct span base = listing_base(&maildir->listing, message);
	bool duplicate = message->at & LISTING_DUPLICATE;
	if (!duplicate && is_uid(base))
		return span_to_text(base, uid, MAILDROP_UID_MAX + 1);
	unsigned char hash[MAILDIR_UID_HASH];
	struct blake2b b;
	blake2b_init(&b, sizeof(hash));
	blake2b_update(&b, base);
	if (duplicate) {
		blake2b_update(&b, span_of("", 1));
		blake2b_update(&b, span_of(&message->id[0], sizeof(message->id[0])));
	}
	blake2b_final(&b, hash);
	uid[0] = '.';
	hex_of(hash, sizeof(hash), uid + 1);
	return 0;
}

static int message_fail(struct maildrop *drop, const struct maildrop_message *message,
	const char *what, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	char path[MAILDROP_PATH_MAX + LISTING_NAME_MAX + 8];
	snprintf(path, sizeof(path), "%s/%s/%s", drop->path,
		listing_dir(message) == LISTING_NEW ? "new" : "cur",
		listing_name(&maildir->listing, message));
	return maildrop_fail(fault, what, path);
}

/* The message, wherever it is now. */
static int find_and_open(struct maildrop *drop, const struct maildrop_message *message)
{
	struct maildir *maildir = drop->own;
	int fd = open_message(maildir, message);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (listing_refresh(&maildir->listing, drop) < 0)
		return -1;
	return open_message(maildir, message);
}

/* Not changed since it was measured, as far as size and time tell? */
static bool as_known(const struct maildrop_message *message, const struct stat *st)
{
	return message->id[1] != 0 && (uint64_t)st->st_size == message->stored &&
	       nanoseconds(st->st_mtim) < (int64_t)message->id[1] - LISTING_AT_REST;
}

/* The size of the open message made true. */
static int verify(struct maildir *maildir, struct maildrop_message *message, int fd)
{
	struct stat st;
	uint64_t before = message->size;
	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = ENOENT;
		return -1;
	}
	if (as_known(message, &st))
		return 0;
	if (prepare(maildir) < 0 || measure_file(maildir, message, fd) < 0)
		return -1;
	maildir->dirty |= message->size != before;
	return 0;
}

static int maildir_body_open(struct maildrop *drop, size_t i,
	struct maildrop_body *body, struct maildrop_fault *fault)
{
	struct maildrop_message *message = &drop->messages[i];
	int fd = find_and_open(drop, message);
	if (fd < 0)
		return message_fail(drop, message, "open", fault);
	if (verify(drop->own, message, fd) < 0) {
		message_fail(drop, message, "read", fault);
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	*body = (struct maildrop_body){
		.fd = fd, .end = message->stored, .owned = true
	};
	return 0;
}

/* --- commit -------------------------------------------------------------------------
 */

/* 1 when it is gone, 0 when nothing has its name, -1 with errno. */
static int remove_message(
	const struct maildir *maildir, const struct maildrop_message *message)
{
	int dir = maildir->listing.dirs[listing_dir(message)];
	if (dir < 0)
		return 0;
	if (unlinkat(dir, listing_name(&maildir->listing, message), 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

/* One round over the marked messages. */
struct round {
	size_t missing, failed;
	int error; /* errno of the first that failed */
};

/* A removed message loses its mark. */
static struct round remove_marked(
	struct maildrop *drop, struct maildrop_done *done, struct maildrop_fault *fault)
{
	struct round round = { 0 };
	for (size_t i = 0; i < drop->count; i++) {
		struct maildrop_message *message = &drop->messages[i];
		if (!message->marked)
			continue;
		int removed = remove_message(drop->own, message);
		if (removed > 0) {
			maildrop_mark(drop, i, false);
			message->stored = MAILDIR_GONE;
			done->removed++;
		} else if (removed == 0) {
			round.missing++;
		} else if (round.failed++ == 0) {
			round.error = errno;
			message_fail(drop, message, "remove", fault);
		}
	}
	return round;
}

/* The removals survive a crash from here on. */
static int sync_dirs(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	for (int i = 0; i < LISTING_DIRS; i++)
		if (maildir->listing.dirs[i] >= 0 &&
			fsync(maildir->listing.dirs[i]) < 0 && errno != EINVAL)
			return maildrop_fail(fault, "sync", drop->path);
	return 0;
}

static int maildir_commit(
	struct maildrop *drop, struct maildrop_done *done, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	maildir->listing.complete = false;
	maildir->dirty = true;
	struct round round = remove_marked(drop, done, fault);
	if (round.missing) {
		if (listing_refresh(&maildir->listing, drop) < 0) {
			done->failed = round.failed + round.missing;
			return maildrop_fail(fault, "read directory", drop->path);
		}
		round = remove_marked(drop, done, fault);
		/* What is in neither directory now was removed by somebody else. */
		done->removed += round.missing;
	}
	done->failed = round.failed;
	if (sync_dirs(drop, fault) < 0)
		return -1;
	errno = round.error;
	return round.failed ? -1 : 0;
}

const struct maildrop_driver maildrop_maildir = {
	.kind = MAILDROP_MAILDIR,
	.name = "maildir",
	.open = maildir_open,
	.close = maildir_close,
	.uid = maildir_uid,
	.body_open = maildir_body_open,
	.commit = maildir_commit,
};
