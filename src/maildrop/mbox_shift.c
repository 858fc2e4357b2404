/*
 * mbox_shift: arithmetic of a commit. Reads the mbox, writes nothing.
 */
#include "maildrop/mbox_shift.h"

#include "base/io.h"

#include <errno.h>

bool shift_is_sound(const struct mbox_shift *shift)
{
	uint64_t at = 0;
	if (shift->n == 0 || shift->end > INT64_MAX)
		return false;
	for (size_t i = 0; i < shift->n; i++) {
		const struct mbox_range *r = &shift->removed[i];
		if (r->from < at + (i > 0) || r->from > shift->end || r->length == 0 ||
			r->length > shift->end - r->from)
			return false;
		at = r->from + r->length;
	}
	return true;
}

uint64_t shift_size(const struct mbox_shift *shift)
{
	uint64_t size = shift->end;
	for (size_t i = 0; i < shift->n; i++)
		size -= shift->removed[i].length;
	return size;
}

/* Takes in the ranges that begin at or before the cursor's octet. */
static void settle(const struct mbox_shift *shift, struct mbox_cursor *cursor)
{
	while (cursor->next < shift->n &&
		shift->removed[cursor->next].from <= cursor->to + cursor->gap)
		cursor->gap += shift->removed[cursor->next++].length;
}

struct mbox_cursor shift_at(const struct mbox_shift *shift, uint64_t to)
{
	struct mbox_cursor cursor = { .to = to };
	settle(shift, &cursor);
	return cursor;
}

int shift_read(int fd, const struct mbox_shift *shift, struct mbox_cursor *cursor,
	unsigned char *p, size_t n)
{
	while (n) {
		uint64_t at = cursor->to + cursor->gap;
		uint64_t until = cursor->next < shift->n
					 ? shift->removed[cursor->next].from
					 : shift->end;
		size_t part = until - at < n ? (size_t)(until - at) : n;
		ssize_t got = io_pread_full(fd, p, part, (off_t)at);
		if (got < 0)
			return -1;
		if (part == 0 || (size_t)got < part) {
			errno = EIO;
			return -1;
		}
		cursor->to += part;
		settle(shift, cursor);
		p += part;
		n -= part;
	}
	return 0;
}
