/*
 * journal: a journal of an mbox commit that its owner forged: well formed, with good
 * sums, and with any numbers. Opening the mbox may do to it what its owner could; it
 * may not end the session.
 *
 * The input: ranges, a record, the mbox.
 */
#include "fuzz.h"

#include "maildrop/journal.h"
#include "maildrop_walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANGES_MAX = 8, LOG_ROOM = 4096 };

static const char mbox[] = "From a Mon Jan  1 00:00:00 2024\nSubject: x\n\nbody\n\n"
			   "From b Mon Jan  1 00:00:00 2024\nSubject: y\n\n.\n\n"
			   "From c Mon Jan  1 00:00:00 2024\nSubject: z\n\nend\n\n";

/* Small mostly, so that it meets the file; sometimes huge. */
static uint64_t number(struct span *input)
{
	uint64_t low = fuzz_octet(input);
	return low < 0xF0 ? low : low << (fuzz_octet(input) % 57);
}

static void fill(struct journal *journal, struct span *input, uint64_t inode)
{
	*journal = (struct journal){ .fd = -1, .inode = inode, .log_room = LOG_ROOM };
	journal->head_sum = number(input);
	journal->shift.end = number(input);
	journal->shift.n = fuzz_octet(input) % RANGES_MAX + 1;
	journal->shift.removed = calloc(journal->shift.n, sizeof(struct mbox_range));
	FUZZ_CHECK(journal->shift.removed);
	for (size_t i = 0; i < journal->shift.n; i++)
		journal->shift.removed[i] =
			(struct mbox_range){ number(input), number(input) };
}

static void forge(int state, struct span *input, uint64_t inode)
{
	struct journal journal;
	struct journal_place place;
	struct journal_record record = { 0 };

	fill(&journal, input, inode);
	journal_place(&place, state, "/none");
	if (journal_create(&journal, &place, 2) < 0) {
		free(journal.shift.removed);
		return;
	}
	record.number = number(input);
	record.step = fuzz_octet(input) % 2 ? JOURNAL_MOVE : JOURNAL_CUT;
	record.from = number(input);
	record.to = number(input);
	record.logged = fuzz_octet(input) % 2;
	record.log_sum = number(input);
	record.end = number(input);
	record.tail_sum = number(input);
	(void)journal_write(&journal, &record);
	journal_close(&journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	struct stat st;
	char path[128];

	fuzz_clear();
	snprintf(path, sizeof(path), "%s/state", fuzz_directory());
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	int state = open(path, O_RDONLY | O_DIRECTORY);
	FUZZ_CHECK(state >= 0);
	fuzz_write("mail", span_str(mbox));
	snprintf(path, sizeof(path), "%s/mail", fuzz_directory());
	FUZZ_CHECK(stat(path, &st) == 0);
	forge(state, &input, st.st_ino);
	walk_forged(MAILDROP_MBOX, path, state);
	close(state);
	return 0;
}
