/*
 * maildir_measure: how many octets a message has on the wire, by reading it.
 *
 * Runs as the mailbox owner. The files may be anything, of any size, and change while
 * they are read; memory is one block. A message that cannot be read (permissions, a
 * bad disk) stays listed and fails when it is asked for: it must not hide the others,
 * nor be hidden.
 */
#include "base/num.h"
#include "maildrop/maildir.h"
#include "maildrop/octets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAILDIR_BLOCK = 128 * 1024 };

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t maildir_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return nanoseconds(t);
}

static int prepare(struct maildir *maildir)
{
	maildir->now = maildir_clock();
	if (!maildir->block)
		maildir->block = malloc(MAILDIR_BLOCK);
	return maildir->block ? 0 : -1;
}

int maildir_open_message(
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
	int fd = maildir_open_message(maildir, message);
	if (fd < 0)
		return -1;
	int result = measure_file(maildir, message, fd);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

/* The number behind ",W=" in a base name (octets on the wire, as delivery agents write
 * it), if a file of so many octets can have it; else that of the file. */
static uint64_t hint(struct span base, uint64_t stored)
{
	uint64_t octets;
	while (base.n) {
		struct span field = span_cut(&base, ',');
		if (!span_is(span_head(field, 2), "W="))
			continue;
		if (num_parse(span_tail(field, 2), UINT64_MAX, &octets) == 0 &&
			octets >= stored && octets - stored <= stored + 2)
			return octets;
	}
	return stored;
}

/*
 * What is known of a message that can't be read: the file's size, and what the name
 * claims. Of one that can be read the name is never asked: it is the owner's or a
 * stranger's, and what a listing says must be what is sent.
 */
static void estimate(struct maildir *maildir, struct maildrop_message *message)
{
	struct stat st;
	if (fstatat(maildir->listing.dirs[listing_dir(message)],
		    listing_name(&maildir->listing, message), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return;
	message->stored = (uint64_t)st.st_size;
	message->size = hint(listing_base(&maildir->listing, message), message->stored);
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

void maildir_leave_out_gone(struct maildrop *drop)
{
	size_t kept = 0;
	for (size_t i = 0; i < drop->count; i++)
		if (drop->messages[i].stored != MAILDIR_GONE)
			drop->messages[kept++] = drop->messages[i];
	drop->count = kept;
}

static bool all_known(const struct maildrop *drop)
{
	for (size_t i = 0; i < drop->count; i++)
		if (drop->messages[i].id[1] == 0)
			return false;
	return true;
}

int maildir_measure_all(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	size_t gone;
	if (all_known(drop))
		return 0;
	int result = prepare(maildir);
	if (result == 0)
		result = measure_unknown(drop, &gone);
	if (result == 0 && gone) {
		maildir->listing.complete = false;
		result = listing_refresh(&maildir->listing, drop);
		if (result == 0)
			result = measure_unknown(drop, &gone);
		maildir_leave_out_gone(drop);
	}
	int error = errno;
	free(maildir->block);
	maildir->block = NULL;
	errno = error;
	return result;
}

/* Not changed since it was measured, as far as size and time tell? */
static bool as_known(const struct maildrop_message *message, const struct stat *st)
{
	return message->id[1] != 0 && (uint64_t)st->st_size == message->stored &&
	       nanoseconds(st->st_mtim) < (int64_t)message->id[1] - LISTING_AT_REST;
}

/* The size of the open message made true. */
int maildir_verify(struct maildir *maildir, struct maildrop_message *message, int fd)
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
