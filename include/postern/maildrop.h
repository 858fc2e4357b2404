/*
 * maildrop: the storage contract of POP3. A driver (maildir, mbox) knows paths
 * and octets, never POP3, reply text or sockets.
 *
 * maildrop_open() takes a snapshot: messages 0 to count-1, fixed for the life
 * of the handle; what is delivered later is not in it and survives a commit.
 * Everything in the maildrop is hostile input: its owner can write it.
 *
 * The size cache (a hint that saves reading messages at open) and the journal
 * (that makes an mbox commit atomic) live inside the driver, behind open and
 * commit, in the state directory that the caller gives.
 */
#ifndef POSTERN_MAILDROP_H
#define POSTERN_MAILDROP_H

#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

enum {
	MAILDROP_PATH_MAX = 1023, /* octets, without NUL */
	MAILDROP_UID_MAX = 70,	  /* RFC 1939 section 7, UIDL */
	MAILDROP_MESSAGES_MAX = 16 * 1024 * 1024,
};

enum maildrop_kind {
	MAILDROP_MAILDIR = 1,
	MAILDROP_MBOX = 2,
};

/* Why an operation failed, for the log: errno says what kind of fault. */
struct maildrop_fault {
	char text[512]; /* "open /var/mail/joe: Permission denied" */
};

struct maildrop;

/* An open message: read from the start to the end, once. One at a time. */
struct maildrop_body {
	int fd;
	struct maildrop *watch; /* whose driver is told what is read; or NULL */
	uint64_t offset, end;	/* of the stored octets still to be read */
	bool owned;		/* fd is this body's and closed with it */
};

/*
 * "maildir" or "mbox" to its kind; 0 when it is neither. And back.
 */
enum maildrop_kind maildrop_kind_of(struct span name);
const char *maildrop_kind_name(enum maildrop_kind kind);

/*
 * Is this, beside an mbox, the name of something else: of another mbox's dotlock
 * ("joe.lock"), of what becomes one ("joe.lock.new"; other programs write more behind
 * ".lock."), of a journal? It cannot be a maildrop: what stands there is replaced and
 * removed.
 */
bool maildrop_name_is_taken(enum maildrop_kind kind, const char *path);

/* Which maildrop, and what goes with it. */
struct maildrop_place {
	enum maildrop_kind kind;
	const char *path; /* absolute */
	/*
	 * A directory of this maildrop's own outside of it, which the owner can
	 * write: the size cache and an mbox's journal live there. Hostile, as
	 * the maildrop is. -1: there is none, and no cache.
	 */
	int state;
	/* A commit keeps the deleted messages for this long (Maildir): 0: not. */
	uint32_t undo_seconds;
};

/*
 * Opens the maildrop at an absolute path, with the rights of the calling
 * process, which is its owner. A path that does not exist is an empty maildrop
 * and nothing is created (whether it may be taken for one: src/maildrop/reach.h). The
 * caller already holds the one-session lock
 * (src/maildrop/lock.h). Returns 0 and a handle that maildrop_close() releases,
 * or -1 with errno and *fault:
 *   EACCES, EPERM, ELOOP, ENOTDIR, EISDIR, EFTYPE-like EINVAL: permanent
 *   EAGAIN: a delivery agent held the mbox lock for too long
 *   any other: temporary
 */
int maildrop_open(struct maildrop **drop, const struct maildrop_place *place,
	struct maildrop_fault *fault);
void maildrop_close(struct maildrop *drop);

/* What was found at open that the administrator should know although it went well, in
 * one sentence for the log; or NULL. */
const char *maildrop_remark(const struct maildrop *drop);

/* Messages in the snapshot. */
size_t maildrop_count(const struct maildrop *drop);

/* Octets that RETR sends for message i: CRLF line ends, before dot-stuffing
 * (RFC 1939 section 11). Known since open; maildrop_body_open() corrects it when
 * it finds that a cached size was wrong, so ask after it, not before. */
uint64_t maildrop_size(const struct maildrop *drop, size_t i);

/*
 * The unique-id of message i into uid: 1 to MAILDROP_UID_MAX octets of 0x21 to
 * 0x7E, and a NUL; no two messages of the snapshot have the same.
 * Returns 0, or -1 with errno.
 */
int maildrop_uid(struct maildrop *drop, size_t i, char uid[MAILDROP_UID_MAX + 1]);

/*
 * Begins to read message i as it is stored (line ends and all; an mbox's "From "
 * line is not part of it). Returns 0, or -1 with errno and *fault when it is gone
 * or has changed since the snapshot in a way that can't be followed: such a
 * message is never served as garbage. A Maildir message whose size turns out to
 * be another is measured anew and served with its right size.
 */
int maildrop_body_open(struct maildrop *drop, size_t i, struct maildrop_body *body,
	struct maildrop_fault *fault);

/* Up to n octets; 0 at the end; -1 with errno (EIO: shorter than promised). */
ssize_t maildrop_body_read(struct maildrop_body *body, void *p, size_t n);

/*
 * Behind the reading: was what was read message i? 0; or -1 with errno and *fault when
 * another program has changed the maildrop meanwhile, so that it may have been pieces
 * of several.
 */
int maildrop_body_check(struct maildrop *drop, size_t i, struct maildrop_fault *fault);
void maildrop_body_close(struct maildrop_body *body);

/* Marks are in memory only until maildrop_commit(). */
void maildrop_mark(struct maildrop *drop, size_t i, bool deleted);
bool maildrop_marked(const struct maildrop *drop, size_t i);

struct maildrop_done {
	size_t removed; /* messages that are gone for good */
	size_t failed;	/* marked, but still there */
	size_t unkept;	/* removed at once, though undo_seconds asks to keep them */
};

/*
 * Removes the marked messages; those delivered since open stay. A message that
 * somebody else removed counts as removed. Returns 0, or -1 with errno and
 * *fault when at least one marked message is still there; then no message that
 * was not marked is harmed. When 0, and messages were not kept, *fault says why.
 * The snapshot must not be used afterwards, but for maildrop_close().
 */
int maildrop_commit(struct maildrop *drop, struct maildrop_done *done,
	struct maildrop_fault *fault);

#endif
