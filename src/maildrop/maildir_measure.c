/*
 * maildir_measure: how many octets a message has on the wire, by reading it.
 *
 * Runs as the mailbox owner. The files may be anything, of any size, and change while
 * they are read; memory is one block. A message that cannot be read (permissions, a
 * bad disk) stays listed and fails when it is asked for: it must not hide the others,
 * nor be hidden.
 */
#include "base/io.h"
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

/* Of twins, one may have taken the other's name. */
static bool is_listed(const struct maildrop_message *message, int fd)
{
	struct stat st;
	return !(message->at & LISTING_TWIN) ||
	       (fstat(fd, &st) == 0 && st.st_ino == message->id[0]);
}

int maildir_open_message(
	const struct maildir *maildir, const struct maildrop_message *message)
{
	int dir = maildir->listing.dirs[listing_dir(message)];
	int fd = dir < 0 ? -1
			 : openat(dir, listing_name(&maildir->listing, message),
				   O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY |
					   O_CLOEXEC);
	if (dir >= 0 && (fd < 0 || is_listed(message, fd)))
		return fd;
	io_close(&fd);
	errno = ENOENT;
	return -1;
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
	message->at |= LISTING_YOUNG; /* until it has been looked at once more */
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

/* Who looks through the log finds out which message it is. */
static void remark(struct maildrop *drop, const struct maildrop_message *message)
{
	struct maildrop_fault fault;
	if (drop->remark)
		return;
	maildir_fail(drop, message, "read", &fault);
	drop->remark = strdup(fault.text);
}

/* Is it the process that has too little, and not the message that is broken? */
static bool is_of_process(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE;
}

/* 0; or -1 when the whole maildrop can't be opened. */
static int measure_or_judge(struct maildrop *drop, struct maildrop_message *message)
{
	struct maildir *maildir = drop->own;
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
	default:
		if (is_of_process(errno))
			return -1;
		remark(drop, message);
		estimate(maildir, message);
		return 0;
	}
}

/* Not changed since it was measured, as far as size and time tell? */
static bool as_known(const struct maildir *maildir,
	const struct maildrop_message *message, const struct stat *st)
{
	int64_t changed = nanoseconds(st->st_mtim);
	return message->id[1] != 0 && (uint64_t)st->st_size == message->stored &&
	       changed < (int64_t)message->id[1] -
				 listing_grain(&maildir->listing, changed);
}

/* A file that was changed so long ago is not being written any more. */
static void set_young(const struct maildir *maildir, struct maildrop_message *message,
	const struct stat *st)
{
	message->at &= ~(uint64_t)LISTING_YOUNG;
	if (nanoseconds(st->st_mtim) > maildir->now - MAILDIR_UNFINISHED)
		message->at |= LISTING_YOUNG;
}

/* Of a young message, whether it is what it was when it was measured. */
static bool is_unchanged(struct maildir *maildir, struct maildrop_message *message)
{
	struct stat st;
	if (fstatat(maildir->listing.dirs[listing_dir(message)],
		    listing_name(&maildir->listing, message), &st,
		    AT_SYMLINK_NOFOLLOW) < 0 ||
		!S_ISREG(st.st_mode) || !as_known(maildir, message, &st))
		return false;
	set_young(maildir, message, &st);
	maildir->dirty |= !(message->at & LISTING_YOUNG);
	return true;
}

static bool is_known(const struct maildrop_message *message)
{
	return message->id[1] != 0 && !(message->at & LISTING_YOUNG);
}

/* Measures what is not known yet, and what may have grown; *gone counts what could not
 * be found. */
static int measure_unknown(struct maildrop *drop, size_t *gone)
{
	struct maildir *maildir = drop->own;
	*gone = 0;
	for (size_t i = 0; i < drop->count; i++) {
		struct maildrop_message *message = &drop->messages[i];
		if (is_known(message) ||
			(message->id[1] != 0 && is_unchanged(maildir, message)))
			continue;
		message->stored = message->id[1] = 0;
		if (measure_or_judge(drop, message) < 0)
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
		if (!is_known(&drop->messages[i]))
			return false;
	return true;
}

/* Follows those that somebody renames meanwhile: what is left out here is missing from
 * a whole session's listings. */
static int measure_all(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	size_t gone;
	const int64_t deadline = io_now() + MAILDIR_FOLLOW_MS;
	int still = 0, result = measure_unknown(drop, &gone);
	for (bool again = false; result == 0 && gone && !still; again = true) {
		if (again && io_now() >= deadline)
			break;
		if (again)
			listing_nap(&maildir->listing);
		maildir->listing.complete = false;
		still = listing_refresh(&maildir->listing, drop);
		result = still < 0 ? -1 : measure_unknown(drop, &gone);
	}
	maildir_leave_out_gone(drop);
	return result;
}

int maildir_measure_all(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	if (all_known(drop))
		return 0;
	int result = prepare(maildir);
	if (result == 0)
		result = measure_all(drop);
	int error = errno;
	free(maildir->block);
	maildir->block = NULL;
	errno = error;
	return result;
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
	if (as_known(maildir, message, &st))
		return 0;
	if (prepare(maildir) < 0 || measure_file(maildir, message, fd) < 0)
		return -1;
	maildir->dirty |= message->size != before;
	return 0;
}
