/*
 * mbox_internal: the message that is no mail: c-client (alpine, UW imapd and pop3d)
 * keeps its notes about a folder in one at the beginning of the mbox.
 */
#ifndef POSTERN_MAILDROP_MBOX_INTERNAL_H
#define POSTERN_MAILDROP_MBOX_INTERNAL_H

#include "base/span.h"

/* What has been seen of the first message of an mbox; all zero: of another one. */
struct mbox_internal {
	bool possible, subject, field;
};

/* The first message's "From " line; then each line of its header. */
void mbox_internal_begin(struct mbox_internal *internal, struct span line);
void mbox_internal_line(struct mbox_internal *internal, struct span line);

bool mbox_internal_is(const struct mbox_internal *internal);

#endif
