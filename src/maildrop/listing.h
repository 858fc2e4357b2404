/*
 * listing: the names in a Maildir's new and cur, in the snapshot's order, and where
 * each file has gone since. Part of the Maildir driver.
 *
 * A name is `BASE` or `BASE:INFO`. BASE is the message: it never changes. INFO
 * (flags) and the directory (new or cur) do change, under our hands: other
 * agents rename. A message is therefore known by its base name, and by its inode
 * where several files have the same base name.
 *
 * Order: by the number at the front of the base name (its time), then by base
 * name, then by inode: the order of delivery, the same at every open.
 */
#ifndef POSTERN_MAILDROP_LISTING_H
#define POSTERN_MAILDROP_LISTING_H

#include "maildrop/driver.h"

enum {
	LISTING_NEW,
	LISTING_CUR,
	LISTING_DIRS,
	LISTING_NAME_MAX = 255, /* octets of a file name */
};

/* What tells whether a directory has changed. */
struct listing_stamp {
	uint64_t device, inode;
	int64_t mtime, ctime; /* nanoseconds; both 0: there is no directory */
};

struct listing {
	int dirs[LISTING_DIRS];			   /* -1: there is none */
	struct listing_stamp stamps[LISTING_DIRS]; /* before the last reading */
	int64_t read_at; /* the clock before the last reading, nanoseconds */
	char *names;	 /* all names, each with its NUL */
	size_t names_n, names_room;
};

/*
 * What message.at says: where the name begins in listing.names, the length of its
 * base name, the directory, and whether another message has the same base name.
 */
static inline uint64_t listing_at(size_t offset, size_t base, int dir)
{
	return (uint64_t)offset << 16 | (uint64_t)base << 8 | (uint64_t)dir;
}

enum { LISTING_DUPLICATE = 2 }; /* a bit of at */

static inline int listing_dir(const struct maildrop_message *message)
{
	return (int)(message->at & 1);
}

static inline const char *listing_name(
	const struct listing *listing, const struct maildrop_message *message)
{
	return listing->names + (message->at >> 16);
}

static inline struct span listing_base(
	const struct listing *listing, const struct maildrop_message *message)
{
	return span_of(listing_name(listing, message), message->at >> 8 & 0xFF);
}

/* The part of a name in front of its first ':'. */
size_t listing_base_length(const char *name, size_t n);

/* < 0, 0, > 0: the order of two messages by time and base name alone. */
int listing_compare(const struct listing *listing, const struct maildrop_message *a,
	const struct maildrop_message *b);

/*
 * Opens the directories beneath drop->path; what is missing stays closed. Neither
 * new nor cur may be a link. Returns 0, or -1 with errno and *fault.
 */
int listing_open(struct listing *listing, const struct maildrop *drop,
	struct maildrop_fault *fault);
void listing_close(struct listing *listing);

/* The stamp of a directory now. 0, or -1 with errno. */
int listing_stamp(const struct listing *listing, int dir, struct listing_stamp *stamp);

/*
 * Reads the directories and fills drop->messages, which must be empty: at and
 * id[0] (the inode), in order. What is no regular file, or begins with a dot, is
 * left out. Returns 0, or -1 with errno and *fault.
 */
int listing_read(
	struct listing *listing, struct maildrop *drop, struct maildrop_fault *fault);

/* Puts the messages in order, flags those with the same base name, and makes one of
 * those that have the inode in common too. 0, or -1 with errno. */
int listing_sort(struct listing *listing, struct maildrop *drop);

/*
 * Another agent renamed something: reads the directories again and gives every
 * message that is still there its present name. The others keep their old name,
 * under which nothing is. Does nothing when the directories have not changed
 * since the last reading. Returns 0, or -1 with errno.
 */
int listing_refresh(struct listing *listing, struct maildrop *drop);

#endif
