/*
 * undo: deleted Maildir messages, kept for a while. A message that a POP3 session
 * deletes is renamed, not copied, into UNDO_DIR beside new and cur, as
 *
 *   SECONDS.WHERE.NAME
 *
 * the Unix time of the deletion, `n` or `c` (new or cur), and the name that it had;
 * or, when that would be too long, a hash of that name. No other program looks
 * there (Maildir++ folders begin with a dot). The files are the owner's and count
 * towards their quota until they are freed.
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

enum { UNDO_NAME_MAX = 255 };

struct undo_entry {
	const char *file; /* the name in UNDO_DIR */
	int64_t deleted;  /* Unix time */
	bool fresh;	  /* it was in new */
	const char *name; /* what it was called: points into file */
};

/* false: no name that undo_keep() gives. */
bool undo_parse(const char *file, struct undo_entry *entry);

/*
 * Opens UNDO_DIR in the Maildir; makes it (0700) when create is set. No link is
 * followed. A descriptor, or -1 with errno.
 */
int undo_open(const char *maildir, bool create);

/* Is there so little room that deleting must free some? */
bool undo_is_tight(int undo);

/* Renames the message `name` of the directory dir into undo. 0, or -1 with errno. */
int undo_keep(int undo, int dir, const char *name, bool fresh, int64_t now);

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
int undo_restore(const char *maildir, int undo, const struct undo_entry *entry);

/* Leaves a note in the state directory (nothing when it is -1). */
void undo_note(int state, const char *maildir);

/* Reads the note into path. 0, or -1 when there is none that is an absolute path. */
int undo_read_note(int state, char *path, size_t size);

#endif
