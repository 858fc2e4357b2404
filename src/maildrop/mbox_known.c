/*
 * mbox_known: before unique-ids were those of what is sent (mbox_id.h, MBOX_FORM_WIRE),
 * CR, a missing last line end and four more fields went into them. A client that knows
 * a message by such an id must not get it a second time: whoever opens an mbox whose
 * size cache is of that time computes both ids of every message, once, and keeps a
 * table of those that differ, KNOWN_NAME in the state directory. The new id of a
 * message does not change, so the table holds for as long as the message is there. It
 * is empty for an mbox of plain LF lines without those fields, and then there is no
 * file.
 *
 * Rejected: to give both forms for ever (two hashes of every message, and clients see
 * one). Where there is no state directory nobody knows what clients know: ids of the
 * messages concerned change once.
 *
 * The file: its magic, the number of pairs, a sum, the pairs. It is the mailbox
 * owner's: hostile, and at worst gives the owner's messages other ids.
 */
#include "maildrop/mbox_known.h"

#include "base/io.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAGIC, COUNT, SUM, HEADER_WORDS };

/* In the order and size that this machine has them, as the size cache. */
static const uint64_t magic = 0x706f7374656b6e01;

static int compare(const void *x, const void *y)
{
	const struct mbox_known_pair *a = x, *b = y;

	if (a->found[0] != b->found[0])
		return a->found[0] < b->found[0] ? -1 : 1;
	return a->found[1] < b->found[1] ? -1 : a->found[1] > b->found[1];
}

static uint64_t sum_of(const struct mbox_known_pair *pairs, size_t n)
{
	return mbox_sum_of(span_of(pairs, n * sizeof(*pairs)));
}

/* --- reading ------------------------------------------------------------------------
 */

static int read_pairs(int fd, struct mbox_known *known)
{
	uint64_t header[HEADER_WORDS];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		io_pread_full(fd, header, sizeof(header), 0) !=
			(ssize_t)sizeof(header) ||
		header[MAGIC] != magic || header[COUNT] > MAILDROP_MESSAGES_MAX ||
		(uint64_t)st.st_size !=
			sizeof(header) + header[COUNT] * sizeof(*known->pairs))
		return -1;
	size_t n = (size_t)header[COUNT] * sizeof(*known->pairs);
	known->pairs = malloc(n + 1);
	if (!known->pairs ||
		io_pread_full(fd, known->pairs, n, sizeof(header)) != (ssize_t)n)
		return -1;
	known->n = (size_t)header[COUNT];
	return sum_of(known->pairs, known->n) == header[SUM] ? 0 : -1;
}

static void load(const struct maildrop *drop, struct mbox_known *known)
{
	known->loaded = true;
	if (drop->state < 0)
		return;
	int fd = openat(drop->state, KNOWN_NAME,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read_pairs(fd, known) < 0)
		known->n = 0;
	close(fd);
}

void mbox_known_id(struct maildrop *drop, uint64_t id[2])
{
	struct mbox *box = drop->own;
	struct mbox_known *known = &box->known;
	const struct mbox_known_pair key = { .found = { id[0], id[1] } };

	if (!known->loaded)
		load(drop, known);
	if (known->n == 0)
		return;
	const struct mbox_known_pair *pair =
		bsearch(&key, known->pairs, known->n, sizeof(*known->pairs), compare);
	if (pair) {
		id[0] = pair->given[0];
		id[1] = pair->given[1];
	}
}

/* --- writing ------------------------------------------------------------------------
 */

static int write_pairs(int fd, const struct mbox_known *known)
{
	const uint64_t header[HEADER_WORDS] = { [MAGIC] = magic,
		[COUNT] = known->n,
		[SUM] = sum_of(known->pairs, known->n) };

	if (io_pwrite_all(fd, header, sizeof(header), 0) < 0 ||
		io_pwrite_all(fd, known->pairs, known->n * sizeof(*known->pairs),
			sizeof(header)) < 0)
		return -1;
	return fsync(fd);
}

static int store(int state, const struct mbox_known *known)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	(void)unlinkat(state, KNOWN_NEW, 0); /* of a session that was cut off */
	int fd = openat(state, KNOWN_NEW, flags, 0600);
	if (fd < 0)
		return -1;
	int result = write_pairs(fd, known);
	if (close(fd) < 0)
		result = -1;
	if (result == 0)
		result = renameat(state, KNOWN_NEW, state, KNOWN_NAME);
	if (result == 0)
		return fsync(state);
	int error = errno;
	(void)unlinkat(state, KNOWN_NEW, 0);
	errno = error;
	return -1;
}

void mbox_known_forget(struct maildrop *drop)
{
	if (drop->state >= 0)
		(void)unlinkat(drop->state, KNOWN_NAME, 0);
}

void mbox_known_free(struct mbox_known *known)
{
	free(known->pairs);
	*known = (struct mbox_known){ 0 };
}

/* --- learning -----------------------------------------------------------------------
 */

struct learn {
	struct maildrop *drop;
	size_t i;
};

static int learn_one(void *self, const struct mbox_found *found)
{
	struct learn *learn = self;
	struct mbox *box = learn->drop->own;

	if (found->internal)
		return 0;
	if (learn->i == learn->drop->count) {
		errno = EAGAIN;
		return -1;
	}
	struct maildrop_message *message = &learn->drop->messages[learn->i++];
	if (message->id[0] == found->id[0] && message->id[1] == found->id[1])
		return 0;
	struct mbox_known_pair *pair = &box->known.pairs[box->known.n++];
	for (int k = 0; k < 2; k++) {
		pair->found[k] = message->id[k];
		pair->given[k] = message->id[k] = found->id[k];
	}
	return 0;
}

int mbox_known_learn(struct maildrop *drop)
{
	struct mbox *box = drop->own;
	struct mbox_known *known = &box->known;
	struct learn learn = { .drop = drop };
	const struct mbox_extent extent = {
		.fd = box->fd, .end = box->end, .form = MBOX_FORM_STORED
	};

	mbox_known_free(known);
	known->loaded = true;
	known->pairs = malloc(drop->count * sizeof(*known->pairs) + 1);
	if (!known->pairs || mbox_scan(&extent, learn_one, &learn) < 0)
		return -1;
	if (known->n == 0)
		return 0;
	qsort(known->pairs, known->n, sizeof(*known->pairs), compare);
	return store(drop->state, known);
}
