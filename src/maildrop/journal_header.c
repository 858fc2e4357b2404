/*
 * journal_header: what is removed, of which mbox: written once, read by a recovery.
 * Runs as the mailbox owner; what is read is hostile: counts are bounded by the
 * file's own size. Fails with -1 and errno.
 */
#include "maildrop/journal_file.h"

#include "base/blake2b.h"
#include "base/io.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_id.h"

#include <endian.h>

enum { HEADER_WORDS = 6 };

static const char magic[32] = "postern mbox journal, version 1";

uint64_t journal_ranges_size(const struct journal *journal)
{
	return journal->shift.n * sizeof(struct mbox_range);
}

uint64_t journal_log_at(const struct journal *journal, uint64_t number)
{
	uint64_t behind = JOURNAL_RANGES_AT + journal_ranges_size(journal);
	behind += JOURNAL_BLOCK - behind % JOURNAL_BLOCK;
	return behind + (number % 2 ? 0 : journal->log_room);
}

void journal_sum(const struct journal *journal, struct span s, unsigned char *sum)
{
	struct blake2b b;

	blake2b_init(&b, JOURNAL_SUM);
	blake2b_update(&b, span_of(journal->mark, JOURNAL_MARK));
	blake2b_update(&b, s);
	blake2b_final(&b, sum);
}

void journal_to_disk(uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = htole64(words[i]);
}

void journal_from_disk(uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = le64toh(words[i]);
}

struct header {
	char magic[sizeof(magic)];
	unsigned char mark[JOURNAL_MARK];
	uint64_t words[HEADER_WORDS]; /* inode, head_sum, n, end, log_room, ranges' sum
				       */
	unsigned char sum[JOURNAL_SUM];
};

/* Beside the numbers of mbox_range, which are two of 64 bits. */
_Static_assert(sizeof(struct mbox_range) == 16, "a range has no padding");

static uint64_t sum_of_ranges(const struct journal *journal)
{
	return mbox_sum_of(
		span_of(journal->shift.removed, (size_t)journal_ranges_size(journal)));
}

/* The ranges as the disk has them; a no-op where numbers are little-endian. */
static void turn_ranges(struct journal *journal)
{
	for (size_t i = 0; i < journal->shift.n; i++) {
		struct mbox_range *range = &journal->shift.removed[i];
		range->from = le64toh(range->from);
		range->length = le64toh(range->length);
	}
}

int journal_write_header(struct journal *journal)
{
	struct header header = { .words = { journal->inode, journal->head_sum,
					 journal->shift.n, journal->shift.end,
					 journal->log_room, 0 } };

	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.mark, journal->mark, JOURNAL_MARK);
	turn_ranges(journal);
	header.words[5] = sum_of_ranges(journal);
	int result = io_pwrite_all(journal->fd, journal->shift.removed,
		(size_t)journal_ranges_size(journal), JOURNAL_RANGES_AT);
	turn_ranges(journal);
	if (result < 0)
		return -1;
	journal_to_disk(header.words, HEADER_WORDS);
	journal_sum(
		journal, span_of(&header, offsetof(struct header, sum)), header.sum);
	return io_pwrite_all(journal->fd, &header, sizeof(header), 0);
}

int journal_read_header(struct journal *journal, uint64_t *ranges_sum)
{
	struct header header;
	unsigned char sum[JOURNAL_SUM];
	ssize_t n = io_pread_full(journal->fd, &header, sizeof(header), 0);

	if (n < 0)
		return -1;
	if (n < (ssize_t)sizeof(header) ||
		memcmp(header.magic, magic, sizeof(magic)) != 0)
		return 0;
	memcpy(journal->mark, header.mark, JOURNAL_MARK);
	journal_sum(journal, span_of(&header, offsetof(struct header, sum)), sum);
	if (memcmp(sum, header.sum, JOURNAL_SUM) != 0)
		return 0;
	journal_from_disk(header.words, HEADER_WORDS);
	journal->inode = header.words[0];
	journal->head_sum = header.words[1];
	journal->shift.n = (size_t)header.words[2];
	journal->shift.end = header.words[3];
	journal->log_room = header.words[4];
	*ranges_sum = header.words[5];
	return header.words[2] <= MAILDROP_MESSAGES_MAX && journal->log_room > 0 &&
	       journal->log_room <= INT64_MAX / 4;
}

int journal_read_ranges(struct journal *journal, uint64_t size, uint64_t sum)
{
	uint64_t n = journal_ranges_size(journal);

	/* Before memory is asked for: they must be there. */
	if (journal->shift.n == 0 || size < JOURNAL_RANGES_AT ||
		size - JOURNAL_RANGES_AT < n)
		return 0;
	journal->shift.removed = malloc((size_t)n);
	if (!journal->shift.removed)
		return -1;
	ssize_t got = io_pread_full(
		journal->fd, journal->shift.removed, (size_t)n, JOURNAL_RANGES_AT);
	if (got < 0)
		return -1;
	if ((uint64_t)got < n || sum_of_ranges(journal) != sum)
		return 0;
	turn_ranges(journal);
	return shift_is_sound(&journal->shift);
}
