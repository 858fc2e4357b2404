/*
 * mbox_scan: finds the messages of an mbox.
 */
#ifndef POSTERN_MAILDROP_MBOX_SCAN_H
#define POSTERN_MAILDROP_MBOX_SCAN_H

#include "maildrop/mbox_id.h"

struct mbox_found {
	uint64_t from;	 /* where its "From " line begins */
	uint64_t at;	 /* where it begins itself, behind that line */
	uint64_t stored; /* its octets, without the empty line behind it */
	uint64_t size;	 /* what they are on the wire */
	uint64_t id[2];	 /* of mbox_id.h */
	uint64_t sum;	 /* mbox_sum_of() its first MBOX_HEAD_SEEN octets, from on */
	bool internal;	 /* no mail: see mbox_internal.h */
};

/* Octets of a file that are read, for ids of which form. */
struct mbox_extent {
	int fd;
	uint64_t start; /* the file's beginning, or that of a "From " line */
	uint64_t end;
	enum mbox_form form;
};

/*
 * Reads them, and calls found for each message in turn; a result of -1 ends the scan.
 * Returns 0, or -1 with errno. EINVAL: they do not begin as an mbox does.
 * EAGAIN: the file ended before end.
 */
int mbox_scan(const struct mbox_extent *extent,
	int (*found)(void *self, const struct mbox_found *found), void *self);

/* Offset of the first LF in s that "From " follows, or s.n. */
size_t mbox_find_from(struct span s);

/* Does a "From " line carry a date, as all delivery agents write one? */
bool mbox_from_is_dated(struct span line);

/* What is known about dated "From " lines ahead; all zero at the start. */
struct mbox_ahead {
	uint64_t clear_from, clear_to; /* none begins in between */
	bool dated;		       /* one begins at clear_to */
};

/*
 * Does the message's end that its Content-Length claims hold, for a "From " line
 * without date at from? See mbox_length.c. 1, 0, or -1 with errno.
 */
int mbox_length_holds(
	int fd, struct mbox_ahead *ahead, uint64_t from, uint64_t claim, uint64_t end);

#endif
