/*
 * journal: see journal.h for the file's form, mbox_rewrite.c for its use. Runs
 * as the mailbox owner, in a directory that the owner can write: what is read here
 * is hostile. It is a regular file of ours with one name, or it is not looked at;
 * counts are bounded by the file's own size; sums find what a crash tore, not
 * what an owner forged. A forged journal can only move octets within the mbox of
 * the same owner.
 *
 * Fails with -1 and errno.
 */
#include "maildrop/journal.h"

#include "base/blake2b.h"
#include "base/io.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_id.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BLOCK = 4096,
	RANGES_AT = 3 * BLOCK,
	SUM = 16,
	HEADER_WORDS = 6,
	RECORD_WORDS = 8,
	READ_ONCE = 64 * 1024, /* octets of the log that are summed at once */
};

static const char magic[32] = "postern mbox journal, version 1";

void journal_place(struct journal_place *place, int state, const char *path)
{
	char parent[MAILDROP_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');

	*place = (struct journal_place){ .dir = state, .name = "mbox-journal" };
	if (state >= 0 || !slash)
		return;
	int n = snprintf(
		place->name, sizeof(place->name), ".%s.postern-journal", slash + 1);
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path) + 1, path);
	if (n < (int)sizeof(place->name))
		place->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place->owned = true;
}

void journal_place_close(struct journal_place *place)
{
	if (place->owned)
		io_close(&place->dir);
}

int journal_remove(const struct journal_place *place)
{
	return unlinkat(place->dir, place->name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int journal_set_aside(const struct journal_place *place)
{
	char kept[JOURNAL_NAME_MAX + 8];

	snprintf(kept, sizeof(kept), "%s.kept", place->name);
	return renameat(place->dir, place->name, place->dir, kept);
}

void journal_close(struct journal *journal)
{
	int error = errno;

	io_close(&journal->fd);
	free(journal->shift.removed);
	journal->shift.removed = NULL;
	errno = error;
}

static uint64_t ranges_size(const struct journal *journal)
{
	return journal->shift.n * sizeof(struct mbox_range);
}

static uint64_t log_at(const struct journal *journal, uint64_t number)
{
	uint64_t behind = RANGES_AT + ranges_size(journal);
	behind += BLOCK - behind % BLOCK;
	return behind + (number % 2 ? 0 : journal->log_room);
}

/* A checksum bound to this journal by its mark. */
static void sum_of(const struct journal *journal, struct span s, unsigned char *sum)
{
	struct blake2b b;

	blake2b_init(&b, SUM);
	blake2b_update(&b, span_of(journal->mark, JOURNAL_MARK));
	blake2b_update(&b, s);
	blake2b_final(&b, sum);
}

static void to_disk(uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = htole64(words[i]);
}

static void from_disk(uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = le64toh(words[i]);
}

/* --- header and ranges ------------------------------------------------------- */

struct header {
	char magic[sizeof(magic)];
	unsigned char mark[JOURNAL_MARK];
	uint64_t words[HEADER_WORDS]; /* inode, head_sum, n, end, log_room, ranges' sum
				       */
	unsigned char sum[SUM];
};

/* Beside the numbers of mbox_range, which are two of 64 bits. */
_Static_assert(sizeof(struct mbox_range) == 16, "a range has no padding");

static uint64_t sum_of_ranges(const struct journal *journal)
{
	return mbox_sum_of(
		span_of(journal->shift.removed, (size_t)ranges_size(journal)));
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

static int write_header(struct journal *journal)
{
	struct header header = { .words = { journal->inode, journal->head_sum,
					 journal->shift.n, journal->shift.end,
					 journal->log_room, 0 } };

	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.mark, journal->mark, JOURNAL_MARK);
	turn_ranges(journal);
	header.words[5] = sum_of_ranges(journal);
	int result = io_pwrite_all(journal->fd, journal->shift.removed,
		(size_t)ranges_size(journal), RANGES_AT);
	turn_ranges(journal);
	if (result < 0)
		return -1;
	to_disk(header.words, HEADER_WORDS);
	sum_of(journal, span_of(&header, offsetof(struct header, sum)), header.sum);
	return io_pwrite_all(journal->fd, &header, sizeof(header), 0);
}

/* 1, or 0 when it is none. */
static int read_header(struct journal *journal, uint64_t *ranges_sum)
{
	struct header header;
	unsigned char sum[SUM];
	ssize_t n = io_pread_full(journal->fd, &header, sizeof(header), 0);

	if (n < 0)
		return -1;
	if (n < (ssize_t)sizeof(header) ||
		memcmp(header.magic, magic, sizeof(magic)) != 0)
		return 0;
	memcpy(journal->mark, header.mark, JOURNAL_MARK);
	sum_of(journal, span_of(&header, offsetof(struct header, sum)), sum);
	if (memcmp(sum, header.sum, SUM) != 0)
		return 0;
	from_disk(header.words, HEADER_WORDS);
	journal->inode = header.words[0];
	journal->head_sum = header.words[1];
	journal->shift.n = (size_t)header.words[2];
	journal->shift.end = header.words[3];
	journal->log_room = header.words[4];
	*ranges_sum = header.words[5];
	return header.words[2] <= MAILDROP_MESSAGES_MAX && journal->log_room > 0 &&
	       journal->log_room <= INT64_MAX / 4;
}

/* 1, or 0 when they are torn or senseless. */
static int read_ranges(struct journal *journal, uint64_t size, uint64_t sum)
{
	uint64_t n = ranges_size(journal);

	/* Before memory is asked for: they must be there. */
	if (journal->shift.n == 0 || size < RANGES_AT || size - RANGES_AT < n)
		return 0;
	journal->shift.removed = malloc((size_t)n);
	if (!journal->shift.removed)
		return -1;
	ssize_t got = io_pread_full(
		journal->fd, journal->shift.removed, (size_t)n, RANGES_AT);
	if (got < 0)
		return -1;
	if ((uint64_t)got < n || sum_of_ranges(journal) != sum)
		return 0;
	turn_ranges(journal);
	return shift_is_sound(&journal->shift);
}

/* --- records --------------------------------------------------------------------- */

struct record {
	uint64_t words[RECORD_WORDS];
	unsigned char sum[SUM];
};

static off_t record_at(uint64_t number)
{
	return number % 2 ? 2 * BLOCK : BLOCK;
}

int journal_write(struct journal *journal, const struct journal_record *record)
{
	struct record r = { .words = { record->number, record->step, record->from,
				    record->to, record->logged, record->log_sum,
				    record->end, record->tail_sum } };

	to_disk(r.words, RECORD_WORDS);
	sum_of(journal, span_of(r.words, sizeof(r.words)), r.sum);
	if (io_pwrite_all(journal->fd, &r, sizeof(r), record_at(record->number)) < 0 ||
		fdatasync(journal->fd) < 0)
		return -1;
	journal->last = *record;
	journal->shift.end = record->end;
	return 0;
}

/* Is the record one that a commit of this journal can have written? */
static bool is_sound(const struct journal *journal, const struct journal_record *r)
{
	struct mbox_shift shift = journal->shift;

	if (r->end < shift.end || r->end > INT64_MAX)
		return false;
	shift.end = r->end;
	if (r->from > r->to || r->from < shift.removed[0].from ||
		r->to > shift_size(&shift))
		return false;
	return !r->logged || r->to - r->from <= journal->log_room;
}

/* 1; 0: its log is torn; -1. */
static int check_log(struct journal *journal, const struct journal_record *r)
{
	static const size_t most = READ_ONCE;
	unsigned char *block = malloc(most);
	struct mbox_sum sum;
	int result = 1;

	if (!block)
		return -1;
	mbox_sum_begin(&sum);
	for (uint64_t at = 0, n = r->to - r->from; result == 1 && at < n;) {
		size_t part = n - at < most ? (size_t)(n - at) : most;
		if (journal_log_read(journal, r->number, at, block, part) < 0)
			result = errno == EIO ? 0 : -1;
		mbox_sum_add(&sum, span_of(block, part));
		at += part;
	}
	free(block);
	if (result < 1)
		return result;
	return mbox_sum_finish(&sum) == r->log_sum;
}

/* 1: a whole one that counts; 0; -1. */
static int read_record(struct journal *journal, int slot, struct journal_record *out)
{
	struct record r;
	unsigned char sum[SUM];
	ssize_t n =
		io_pread_full(journal->fd, &r, sizeof(r), record_at((uint64_t)slot));

	if (n < (ssize_t)sizeof(r))
		return n < 0 ? -1 : 0;
	sum_of(journal, span_of(r.words, sizeof(r.words)), sum);
	if (memcmp(sum, r.sum, SUM) != 0)
		return 0;
	from_disk(r.words, RECORD_WORDS);
	if (r.words[1] != JOURNAL_MOVE && r.words[1] != JOURNAL_CUT)
		return 0;
	*out = (struct journal_record){ .number = r.words[0],
		.step = (enum journal_step)r.words[1],
		.from = r.words[2],
		.to = r.words[3],
		.logged = r.words[4] != 0,
		.log_sum = r.words[5],
		.end = r.words[6],
		.tail_sum = r.words[7] };
	if (out->number % 2 != (uint64_t)slot || !is_sound(journal, out))
		return 0;
	return out->logged ? check_log(journal, out) : 1;
}

static int read_records(struct journal *journal)
{
	struct journal_record r[2];
	int have[2];

	for (int slot = 0; slot < 2; slot++) {
		have[slot] = read_record(journal, slot, &r[slot]);
		if (have[slot] < 0)
			return -1;
	}
	if (!have[0] && !have[1])
		return 0;
	bool second = have[1] && (!have[0] || r[1].number > r[0].number);
	journal->last = r[second];
	journal->shift.end = journal->last.end;
	return 1;
}

/* --- the file ------------------------------------------------------------------------
 */

int journal_log(
	struct journal *journal, uint64_t number, uint64_t at, const void *p, size_t n)
{
	return io_pwrite_all(journal->fd, p, n, (off_t)(log_at(journal, number) + at));
}

int journal_log_read(
	struct journal *journal, uint64_t number, uint64_t at, void *p, size_t n)
{
	ssize_t got =
		io_pread_full(journal->fd, p, n, (off_t)(log_at(journal, number) + at));

	if (got >= 0 && (size_t)got < n)
		errno = EIO;
	return got == (ssize_t)n ? 0 : -1;
}

/* What no mail begins with: a NUL, then what nobody can guess. */
static int draw_mark(struct journal *journal)
{
	ssize_t n = getrandom(journal->mark, JOURNAL_MARK, 0);

	if (n != JOURNAL_MARK)
		return -1;
	journal->mark[0] = '\0';
	return 0;
}

/* Space for the logs now, so that it cannot be missing half-way. */
static int fill_new(struct journal *journal, int dir, unsigned logs)
{
	if (draw_mark(journal) < 0 || write_header(journal) < 0)
		return -1;
	if (logs) {
		int error = posix_fallocate(journal->fd, (off_t)log_at(journal, 1),
			(off_t)(logs * journal->log_room));
		if (error) {
			errno = error;
			return -1;
		}
	}
	return fsync(dir);
}

int journal_create(
	struct journal *journal, const struct journal_place *place, unsigned logs)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	if (journal_remove(place) < 0)
		return -1;
	journal->fd = openat(place->dir, place->name, flags, 0600);
	if (journal->fd < 0)
		return -1;
	if (fill_new(journal, place->dir, logs) == 0)
		return 0;
	int error = errno;
	io_close(&journal->fd);
	(void)journal_remove(place); /* without a record it means nothing */
	errno = error;
	return -1;
}

/* 1: it may be read; 0: it is none of ours; -1. */
static int check_file(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid();
}

static int read_all(struct journal *journal)
{
	uint64_t size, sum;
	int result = check_file(journal->fd, &size);

	if (result == 1)
		result = read_header(journal, &sum);
	if (result == 1)
		result = read_ranges(journal, size, sum);
	return result == 1 ? read_records(journal) : result;
}

int journal_open(struct journal *journal, const struct journal_place *place)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	*journal = (struct journal){ .fd = -1 };
	if (place->dir < 0)
		return 0;
	journal->fd = openat(place->dir, place->name, flags);
	if (journal->fd < 0 && errno == ENOENT)
		return 0;
	if (journal->fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO)
		return -1;
	int result = journal->fd < 0 ? 0 : read_all(journal);
	if (result == 1)
		return 1;
	journal_close(journal);
	if (result == 0)
		(void)journal_remove(place);
	return result;
}
