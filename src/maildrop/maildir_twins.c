/*
 * maildir_twins: a marked message's other files. Several files with one base name are
 * one message to every program that knows Maildir, and a client that deletes it would
 * see it again if one stayed. But nobody has seen what is in the others: only what
 * holds the same octets goes with it.
 *
 * Runs as the mailbox owner, behind a QUIT, before the listed files are removed: an
 * interruption leaves each message at least one file, or none.
 */
#include "maildrop/maildir.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TWINS_BLOCK = 16 * 1024 };

struct twins {
	struct maildrop *drop;
	maildir_remove_fn *remove;
	void *self;
	struct maildrop_fault *fault;
	size_t failed;
	int error;
};

/* Octet for octet? 1 or 0; -1 with errno. */
static int same_octets(int a, int b)
{
	unsigned char x[TWINS_BLOCK], y[TWINS_BLOCK];
	for (off_t at = 0;; at += TWINS_BLOCK) {
		ssize_t n = io_pread_full(a, x, sizeof(x), at);
		ssize_t m = io_pread_full(b, y, sizeof(y), at);
		if (n < 0 || m < 0)
			return -1;
		if (n != m || memcmp(x, y, (size_t)n) != 0)
			return 0;
		if (n < TWINS_BLOCK)
			return 1;
	}
}

static int open_file(int dir, const char *name)
{
	return openat(
		dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
}

/* 1, 0; -1 with errno. */
static int is_same(const struct maildir *maildir,
	const struct maildrop_message *message, int dir, const char *name)
{
	int a = maildir_open_message(maildir, message);
	int b = a < 0 ? -1 : open_file(maildir->listing.dirs[dir], name);
	int result = b < 0 ? -1 : same_octets(a, b);
	int error = errno;
	io_close(&a);
	io_close(&b);
	errno = error;
	return result;
}

static void fail(struct twins *t, size_t i)
{
	if (t->failed++ == 0) {
		t->error = errno;
		maildir_fail(t->drop, &t->drop->messages[i], "remove another name of",
			t->fault);
	}
	maildrop_mark(t->drop, i, false);
}

static int meet(
	void *self, size_t i, int dir, const char *name, size_t n, uint64_t inode)
{
	struct twins *t = self;
	const struct maildir *maildir = t->drop->own;
	const struct maildrop_message *message = &t->drop->messages[i];
	(void)n;
	if (!message->marked || !(message->at & LISTING_TWIN) ||
		(listing_dir(message) == dir &&
			strcmp(listing_name(&maildir->listing, message), name) == 0))
		return 0;
	int same = message->id[0] == inode ? 1 : is_same(maildir, message, dir, name);
	if (same < 0 || (same > 0 && t->remove(t->self, dir, name) < 0))
		fail(t, i);
	return 0;
}

static bool has_twins(const struct maildrop *drop)
{
	for (size_t i = 0; i < drop->count; i++)
		if (drop->messages[i].marked && drop->messages[i].at & LISTING_TWIN)
			return true;
	return false;
}

/* The directories cannot be read: nothing is known of any twin. */
static void fail_all(struct twins *t)
{
	for (size_t i = 0; i < t->drop->count; i++)
		if (t->drop->messages[i].marked &&
			t->drop->messages[i].at & LISTING_TWIN)
			fail(t, i);
}

size_t maildir_remove_twins(struct maildrop *drop, maildir_remove_fn *remove,
	void *self, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	struct twins t = {
		.drop = drop, .remove = remove, .self = self, .fault = fault
	};
	if (!has_twins(drop))
		return 0;
	if (listing_refresh(&maildir->listing, drop) < 0 ||
		listing_match(&maildir->listing, drop, meet, &t) < 0)
		fail_all(&t);
	errno = t.error;
	return t.failed;
}
