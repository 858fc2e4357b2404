/*
 * undo: deleted Maildir messages, kept for a while. A message that a POP3 session
 * deletes is renamed, not copied, into UNDO_DIR beside new and cur, as
 *
 *   SECONDS.WHERE/NAME
 *
 * the Unix time of the commit, `n` or `c` (new or cur), and the name that it had, of
 * whatever length. Earlier versions kept SECONDS.WHERE.NAME, a file: it is known, too.
 * No other program looks there (Maildir++ folders begin with a dot). The files are the
 * owner's and count towards their quota until they are freed.
 *
 * So that `postern purge` finds them all, the state directory of a maildrop with
 * kept messages has a file UNDO_NOTE: the maildrop's path.
 */
#ifndef POSTERN_MAILDROP_UNDO_H
#define POSTERN_MAILDROP_UNDO_H

#include "base/span.h"

#include <stdint.h>

#define UNDO_DIR  "postern-undo"
#define UNDO_NOTE "undo"

struct undo_entry {
	int dir;	  /* where it is: UNDO_DIR or a directory in it */
	const char *file; /* and its name there */
	int64_t deleted;  /* Unix time */
	bool fresh;	  /* it was in new */
	const char *name; /* what it was called: points into file */
};

/* Reads "SECONDS.WHERE" (name is then empty) or "SECONDS.WHERE.NAME"; false: neither.
 */
bool undo_parse(const char *file, struct undo_entry *entry);

/*
 * Opens UNDO_DIR in the Maildir; makes it (0700) when create is set. No link is
 * followed. A descriptor, or -1 with errno.
 */
int undo_open(const char *maildir, bool create);

/* Is there so little room, on the disk or in the owner's quota, that deleting must free
 * some? */
bool undo_is_tight(int undo);

/* Makes and opens a directory in undo for what was in new (fresh) or cur and is deleted
 * now. A descriptor, or -1 with errno. */
int undo_place(int undo, int64_t now, bool fresh);

/* Renames the message `name` of the directory dir into that place, which is its
 * commit's alone. 0, or -1 with errno. What passes (EINTR, EBUSY ...) is tried again.
 */
int undo_keep(int place, int dir, const char *name);

/* Calls each for the messages in undo until it returns other than 0, which is then
 * returned; -1 with errno when undo can't be read. */
typedef int undo_fn(void *self, const struct undo_entry *entry);
int undo_each(int undo, undo_fn *each, void *self);

struct undo_purged {
	size_t freed, left;
};

/* Frees what was deleted before `before`, at most `most` messages. 0, or -1 with errno
 * when one could not be freed (the others are). */
int undo_purge(int undo, int64_t before, size_t most, struct undo_purged *purged);

/*
 * Gives a message back to the Maildir, under its old name; never over another
 * one (EEXIST). 0, or -1 with errno.
 */
int undo_restore(const char *maildir, const struct undo_entry *entry);

/* Leaves a note in the state directory (nothing when it is -1). */
void undo_note(int state, const char *maildir);

/* Reads the note into path. 0, or -1 when there is none that is an absolute path. */
int undo_read_note(int state, char *path, size_t size);

#endif
