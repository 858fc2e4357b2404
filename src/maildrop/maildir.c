/*
 * maildir: the Maildir driver (https://cr.yp.to/proto/maildir.html): one file per
 * message in new and cur. Nothing is moved or renamed by reading: flags and new
 * stay what other programs made them.
 *
 * Runs as the mailbox owner. Distrusts everything beneath the path: no link is
 * followed below it, no FIFO or device waited for, names and sizes may change at
 * any time. Takes no lock, as Maildir needs none: a message that another agent
 * renames is found again by its base name, one that it removes is gone.
 */
#include "maildrop/maildir.h"
#include "maildrop/maildir_cache.h"

#include "base/blake2b.h"
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

enum {
	MAILDIR_UID_HASH = 16,
	/* Work that a session which is killed should not leave to the next. */
	MAILDIR_DEAR_MESSAGES = 250,
	MAILDIR_DEAR_OCTETS = 64 * 1024 * 1024,
};

/* --- the driver --- */

/* The snapshot's names, with the sizes that are known. */
static int take_snapshot(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct maildir *maildir = drop->own;
	struct listing *listing = &maildir->listing;
	struct maildir_known known;
	size_t hits = 0;
	if (listing_await_stamps(listing) < 0)
		return maildrop_fail(fault, "read directory", drop->path);
	maildir_cache_load(listing, drop, &known);
	const bool present = known.dirs == LISTING_ALL;
	int result = listing_read(listing, drop, &known.dirs, fault);
	if (result == 0 &&
		(listing_sort(listing, drop) < 0 ||
			maildir_known_merge(&known, listing, drop, &hits) < 0))
		result = maildrop_fail(fault, "sort", drop->path);
	if (result == 0)
		maildir->dirty =
			hits != known.count || hits != drop->count ||
			(!present && listing->complete && listing_settled(listing));
	maildir_known_free(&known);
	return result;
}

static void write_cache(struct maildrop *drop)
{
	struct maildir *maildir = drop->own;
	maildir_leave_out_gone(drop);
	maildir_cache_store(&maildir->listing, drop); /* or the next open is slow */
	maildir->dirty = false;
}

static int maildir_open(struct maildrop *drop, struct maildrop_fault *fault)
{
	struct maildir *maildir = calloc(1, sizeof(*maildir));
	if (!maildir)
		return maildrop_fail(fault, "open", drop->path);
	drop->own = maildir;
	maildir->undo = maildir->kept[LISTING_NEW] = maildir->kept[LISTING_CUR] = -1;
	if (listing_open(&maildir->listing, drop, fault) < 0 ||
		take_snapshot(drop, fault) < 0)
		return -1;
	if (maildir_measure_all(drop) < 0)
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
	if (maildir->undo >= 0)
		maildir_free_expired(drop);
	maildir_clean_tmp(drop);
	io_close(&maildir->undo);
	io_close(&maildir->kept[LISTING_NEW]);
	io_close(&maildir->kept[LISTING_CUR]);
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
 * another message's base name, whatever the owner calls their files.
 */
static int maildir_uid(struct maildrop *drop, size_t i, char uid[MAILDROP_UID_MAX + 1])
{
	struct maildir *maildir = drop->own;
	struct span base = listing_base(&maildir->listing, &drop->messages[i]);
	if (is_uid(base))
		return span_to_text(base, uid, MAILDROP_UID_MAX + 1);
	uid[0] = '.';
	blake2b_hex(base, MAILDIR_UID_HASH, uid + 1);
	return 0;
}

/* The message, wherever it is now: until it is found, or is not where nothing moves. */
static int find_and_open(struct maildrop *drop, const struct maildrop_message *message)
{
	struct maildir *maildir = drop->own;
	const int64_t deadline = io_now() + MAILDIR_FOLLOW_MS;
	int fd = maildir_open_message(maildir, message);
	for (int still = 0; fd < 0 && errno == ENOENT && !still;) {
		still = listing_refresh(&maildir->listing, drop);
		if (still < 0)
			return -1;
		fd = maildir_open_message(maildir, message);
		if (fd >= 0 || still || io_now() >= deadline)
			break;
		listing_nap(&maildir->listing);
	}
	return fd;
}

static int maildir_body_open(struct maildrop *drop, size_t i,
	struct maildrop_body *body, struct maildrop_fault *fault)
{
	struct maildrop_message *message = &drop->messages[i];
	int fd = find_and_open(drop, message);
	if (fd < 0)
		return maildir_fail(drop, message, "open", fault);
	if (maildir_verify(drop->own, message, fd) < 0) {
		maildir_fail(drop, message, "read", fault);
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

const struct maildrop_driver maildrop_maildir = {
	.kind = MAILDROP_MAILDIR,
	.name = "maildir",
	.open = maildir_open,
	.close = maildir_close,
	.uid = maildir_uid,
	.body_open = maildir_body_open,
	.commit = maildir_commit,
};
