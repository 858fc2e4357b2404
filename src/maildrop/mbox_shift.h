/*
 * mbox_shift: what a commit removes from an mbox, and where what stays comes
 * from.
 */
#ifndef POSTERN_MAILDROP_MBOX_SHIFT_H
#define POSTERN_MAILDROP_MBOX_SHIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mbox_range {
	uint64_t from, length;
};

/*
 * Octets [0, end) of the file, less n ranges that are removed: in order, none
 * empty, none touching another, all before end. So what stays is shift_size() octets,
 * of which those before removed[0].from are where they were.
 */
struct mbox_shift {
	struct mbox_range *removed;
	size_t n;
	uint64_t end;
};

bool shift_is_sound(const struct mbox_shift *shift);

/* Octets that stay. */
uint64_t shift_size(const struct mbox_shift *shift);

/* A place in what stays: octet `to` of it is octet to + gap of the file. */
struct mbox_cursor {
	uint64_t to, gap;
	size_t next; /* the first range that is not yet in gap */
};

struct mbox_cursor shift_at(const struct mbox_shift *shift, uint64_t to);

/* Reads the next n octets that stay. 0, or -1 with errno. */
int shift_read(int fd, const struct mbox_shift *shift, struct mbox_cursor *cursor,
	unsigned char *p, size_t n);

#endif
