/*
 * driver: what a kind of maildrop implements. maildrop.c holds what all kinds
 * share (the snapshot's array, the marks) and calls these. A driver is a file
 * and a row in maildrop.c.
 */
#ifndef POSTERN_MAILDROP_DRIVER_H
#define POSTERN_MAILDROP_DRIVER_H

#include "postern/maildrop.h"

struct maildrop_message {
	uint64_t size;	 /* octets on the wire */
	uint64_t stored; /* octets as stored */
	uint64_t at;	 /* the driver's: mbox offset; Maildir name */
	uint64_t id[2];	 /* the driver's: mbox hash for the unique-id; Maildir inode,
			    when measured */
	bool marked;
	unsigned char unused[7]; /* no padding: the cache stores it as it is */
};

struct maildrop {
	const struct maildrop_driver *driver;
	char path[MAILDROP_PATH_MAX + 1];
	int state; /* the state directory (borrowed), or -1 */
	uint32_t undo_seconds;
	struct maildrop_message *messages;
	size_t count, room;
	size_t marked; /* how many */
	char *remark;  /* see maildrop_remark(); malloc'd, or NULL */
	void *own;     /* the driver's own; its close() frees it */
};

struct maildrop_driver {
	enum maildrop_kind kind;
	const char *name;
	/* As maildrop_open(). close() is called afterwards, even when it failed. */
	int (*open)(struct maildrop *drop, struct maildrop_fault *fault);
	void (*close)(struct maildrop *drop);
	int (*uid)(struct maildrop *drop, size_t i, char uid[MAILDROP_UID_MAX + 1]);
	/* May correct size and stored of message i. */
	int (*body_open)(struct maildrop *drop, size_t i, struct maildrop_body *body,
		struct maildrop_fault *fault);
	/* These octets of the open body were read, at that offset. Or NULL. */
	void (*body_seen)(struct maildrop *drop, uint64_t at, struct span octets);
	/* As maildrop_body_check(). NULL: what is open does not change. */
	int (*body_check)(
		struct maildrop *drop, size_t i, struct maildrop_fault *fault);
	/* Called with at least one message marked; *done is all zero. */
	int (*commit)(struct maildrop *drop, struct maildrop_done *done,
		struct maildrop_fault *fault);
};

extern const struct maildrop_driver maildrop_maildir, maildrop_mbox;

/* A new message at the end of the snapshot, all zero; NULL when there is no
 * memory or the maximum is reached (errno is set). Moves the array. */
struct maildrop_message *maildrop_append(struct maildrop *drop);

/* Room for n messages in all, so that the array need not grow. 0 or -1. */
int maildrop_reserve(struct maildrop *drop, size_t n);

/* "what path: strerror(errno)" into *fault, errno unharmed; returns -1. */
int maildrop_fail(struct maildrop_fault *fault, const char *what, const char *path);

#endif
