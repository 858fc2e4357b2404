/*
 * mbox_step: the steps of which a commit of an mbox consists; see mbox_rewrite.c.
 */
#ifndef POSTERN_MAILDROP_MBOX_STEP_H
#define POSTERN_MAILDROP_MBOX_STEP_H

#include "maildrop/mbox_rewrite.h"

/* A commit, from its first step to its last, or from where a crash cut it off. */
struct mbox_steps {
	int fd;
	struct journal *journal;
	const struct mbox_tuning *tuning;
	unsigned char *block; /* of MBOX_BLOCK octets */
};

/* The first octet that is removed. */
uint64_t step_first(const struct mbox_shift *shift);

/* Octets of the mark: it must fit into what is cut off. */
uint64_t step_mark_size(const struct mbox_shift *shift);

/* Hash of the last octets before end, none of them before low. 0, or -1. */
int step_sum_before(int fd, uint64_t low, uint64_t end, uint64_t *sum);

/* Of the octets at the end that no step touches before the cut. 0, or -1. */
int step_tail_sum(int fd, const struct mbox_shift *shift, uint64_t *sum);

/* How far a step that begins at record->from goes, and whether it is logged. */
void step_plan(const struct mbox_shift *shift, const struct mbox_tuning *tuning,
	struct journal_record *record);

/* Writes the record of the next step, for a file of end octets; needs the block. 0, or
 * -1. */
int step_record(
	struct mbox_steps *w, enum journal_step step, uint64_t from, uint64_t end);

/* From the newest record, whose step is not done or not known to be done, to the cut.
 * 0, or -1. */
int step_run_all(struct mbox_steps *w);

#endif
