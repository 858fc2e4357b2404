/*
 * mbox_remains: a commit was cut off behind its last move, and before the next login
 * another program changed the mbox, so that the commit can't be finished. What stays is
 * there; behind it the mark, then what the cut would have taken: a piece of a message,
 * which has become part of the one before, and whole messages, which are copies, or
 * were removed and are back. Those are the owner's to judge; the mark and the piece are
 * nobody's and are taken out.
 *
 * Runs as the mailbox owner, under the locks. Distrusts journal and mbox: nothing is
 * removed but the mark, and octets up to the next "From " line, if they are not more
 * than the commit would have cut. Fails with -1 and errno.
 */
#include "maildrop/mbox_remains.h"

#include "base/io.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_scan.h"

#include <errno.h>
#include <sys/stat.h>

enum {
	OVERLAP = 16, /* of two blocks: as much as what is looked for */
	MARK_MIN = 7, /* octets of a mark that is no accident */
};

/* Looks for something in octets [from, end) of the file: its place, or REMAINS_NONE. */
static int search(int fd, uint64_t from, uint64_t end,
	size_t (*find)(const void *self, struct span block), const void *self,
	uint64_t *at)
{
	unsigned char *block = malloc(MBOX_BLOCK);
	int result = block ? 0 : -1;

	*at = REMAINS_NONE;
	while (result == 0 && *at == REMAINS_NONE && from < end) {
		size_t want =
			end - from < MBOX_BLOCK ? (size_t)(end - from) : MBOX_BLOCK;
		ssize_t n = io_pread_full(fd, block, want, (off_t)from);
		if (n <= 0) {
			result = (int)n;
			break;
		}
		size_t found = find(self, span_of(block, (size_t)n));
		if (found < (size_t)n)
			*at = from + found;
		from += (size_t)n < MBOX_BLOCK ? (size_t)n : (size_t)n - OVERLAP;
	}
	int error = errno;
	free(block);
	errno = error;
	return result;
}

static size_t find_mark(const void *self, struct span block)
{
	const struct journal *journal = self;
	const unsigned char *p = memmem(
		block.p, block.n, journal->mark, step_mark_size(&journal->shift));

	return p ? (size_t)(p - block.p) : block.n;
}

/* Do the n octets before this one end in an empty line? */
static bool ends_empty(const unsigned char *p, size_t n)
{
	return n >= 2 && *(p - 1) == '\n' &&
	       (*(p - 2) == '\n' || (n >= 3 && *(p - 2) == '\r' && *(p - 3) == '\n'));
}

/* A "From " line behind an empty one. */
static size_t find_next(const void *self, struct span block)
{
	(void)self;
	for (size_t at = 0; at < block.n;) {
		at += mbox_find_from(span_tail(block, at)) + 1;
		if (at < block.n && ends_empty(block.p + at, at))
			return at;
	}
	return block.n;
}

static int size_of(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	return 0;
}

int remains_find(int fd, const struct journal *journal, uint64_t *mark)
{
	uint64_t size;

	*mark = REMAINS_NONE;
	if (step_mark_size(&journal->shift) < MARK_MIN)
		return 0;
	return size_of(fd, &size) < 0 ? -1
				      : search(fd, 0, size, find_mark, journal, mark);
}

/* Where what nobody can use ends: in front of the next message, and of the empty line
 * before it, if the octets before the mark don't end in one. 0, or -1. */
static int find_end(int fd, uint64_t mark, size_t mark_size, uint64_t *end)
{
	unsigned char before[3];
	size_t want = mark < sizeof(before) ? (size_t)mark : sizeof(before);
	uint64_t size;

	if (size_of(fd, &size) < 0 ||
		search(fd, mark + mark_size, size, find_next, NULL, end) < 0 ||
		io_pread_full(fd, before, want, (off_t)(mark - want)) < 0)
		return -1;
	if (*end == REMAINS_NONE)
		*end = size;
	else if (want > 0 && !ends_empty(before + want, want))
		*end -= 1;
	return 0;
}

int remains_remove(int fd, const struct journal *journal,
	const struct journal_place *place, const struct mbox_tuning *tuning,
	uint64_t *octets)
{
	const uint64_t most = journal->shift.end - shift_size(&journal->shift);
	struct mbox_range range;
	uint64_t size, end;

	*octets = 0;
	if (size_of(fd, &size) < 0 || remains_find(fd, journal, &range.from) < 0)
		return -1;
	if (range.from == REMAINS_NONE)
		return 0;
	if (find_end(fd, range.from, (size_t)step_mark_size(&journal->shift), &end) < 0)
		return -1;
	range.length = end - range.from;
	if (range.length > most)
		return 0;
	const struct mbox_shift shift = { .removed = &range, .n = 1, .end = size };
	*octets = range.length;
	return mbox_rewrite(fd, &shift, place, tuning);
}
