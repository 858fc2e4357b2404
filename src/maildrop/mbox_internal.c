/*
 * mbox_internal: knows the message by its "From " line, its subject and the field
 * X-IMAP together, and only where c-client writes it: at the beginning of the file. It
 * is no part of the maildrop, as in UW's servers: nobody is told of it, so nobody
 * deletes it, and the ids and flags that it keeps for other programs stay.
 *
 * A stranger can write all three into a mail. If it is the first in the mbox, it is
 * hidden: only from POP3, and no other one.
 */
#include "maildrop/mbox_internal.h"

static bool begins(struct span line, const char *text)
{
	return span_is_nocase(span_head(line, strlen(text)), text);
}

void mbox_internal_begin(struct mbox_internal *internal, struct span line)
{
	*internal = (struct mbox_internal){ .possible = begins(
						    line, "From MAILER-DAEMON ") };
}

void mbox_internal_line(struct mbox_internal *internal, struct span line)
{
	static const char subject[] =
		"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";

	if (!internal->possible)
		return;
	internal->subject |= begins(line, subject);
	internal->field |= begins(line, "X-IMAP:");
}

bool mbox_internal_is(const struct mbox_internal *internal)
{
	return internal->subject && internal->field;
}
