/*
 * mbox_rewrite: removes octets from an mbox so that a crash at any instant leaves
 * it whole for the next open, before or after.
 */
#ifndef POSTERN_MAILDROP_MBOX_REWRITE_H
#define POSTERN_MAILDROP_MBOX_REWRITE_H

#include "maildrop/journal.h"
#include "postern/maildrop.h"

struct mbox_lock;

/* How much a step does; tests make it little. */
struct mbox_tuning {
	uint64_t gap_min; /* distance from which octets move without being logged */
	uint64_t log_max; /* octets of a step that are logged */
	const struct mbox_lock *lock; /* that is held, if any */
};

/* Where two more flushes cost less than to write the octets twice; disk space. */
#define MBOX_TUNING ((struct mbox_tuning){ 8U << 20, 32U << 20, NULL })

/*
 * Under the locks of the mbox, open for reading and writing: removes the shift's
 * ranges. shift->end is the file's size. Returns 0 when that is done and on disk;
 * or -1 with errno: ENOTSUP: there is no place for a journal, nothing was done.
 * After any other error either nothing was done, or mbox_recover() has to
 * finish it before anybody reads the file.
 */
int mbox_rewrite(int fd, const struct mbox_shift *shift,
	const struct journal_place *place, const struct mbox_tuning *tuning);

/*
 * Under the locks: finishes what a crash interrupted, with what was appended since.
 * A journal that does not fit the file (another program changed it) is kept
 * under another name, the mark and what belongs to it are removed (mbox_remains.c), and
 * *remark says so, for the log; else it is "". Returns 0, or -1 with errno: the mbox
 * must not be read now.
 */
int mbox_recover(int fd, const struct journal_place *place,
	const struct mbox_tuning *tuning, struct maildrop_fault *remark);

#endif
