/*
 * deliver: puts one message into a maildrop, as its owner. Used by `postern deliver`.
 *
 * What is missing of the path is made (directories 0700, files 0600), never through
 * a link that was not there before. When deliver_*() returns 0 the message is on disk
 * (fsync of file, directory, and of what new directories stand in); when it returns -1
 * nothing of it is in the maildrop, and errno and *fault say why. Only what a disk that
 * fails has shown to somebody may be there all the same: rather twice than never.
 */
#ifndef POSTERN_MAILDROP_DELIVER_H
#define POSTERN_MAILDROP_DELIVER_H

#include "postern/maildrop.h"

struct deliver_message {
	struct span head;   /* header lines that are put in front */
	struct span begun;  /* the message's first octets, */
	int in;		    /* and where the rest is read from */
	const char *sender; /* of the envelope, for an mbox's "From " line; or "" */
};

/*
 * As a file in new, named TIME.MuPpid.HOST,S=SIZE,W=WIRE: how large it is, and on the
 * wire, is known before anybody reads it.
 */
int deliver_maildir(const char *path, const struct deliver_message *message,
	struct maildrop_fault *fault);

/*
 * At the end, under the same locks as a session's commit. Lines that begin with "From
 * ", also behind '>'s, get one '>' more (mboxrd). EAGAIN: somebody kept the lock.
 */
int deliver_mbox(const char *path, const struct deliver_message *message,
	struct maildrop_fault *fault);

#endif
