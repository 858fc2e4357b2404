/*
 * mbox_remains: what a commit that can't be finished leaves in an mbox.
 */
#ifndef POSTERN_MAILDROP_MBOX_REMAINS_H
#define POSTERN_MAILDROP_MBOX_REMAINS_H

#include "maildrop/mbox_step.h"

#define REMAINS_NONE UINT64_MAX

/* Where the journal's mark stands in the file, or REMAINS_NONE. 0, or -1. */
int remains_find(int fd, const struct journal *journal, uint64_t *mark);

/*
 * Under the locks, with the journal under another name: removes the mark and the piece
 * of a message behind it. *octets: how many, 0 when there is no mark, or when what is
 * behind it can't be what the commit left. 0, or -1.
 */
int remains_remove(int fd, const struct journal *journal,
	const struct journal_place *place, const struct mbox_tuning *tuning,
	uint64_t *octets);

#endif
