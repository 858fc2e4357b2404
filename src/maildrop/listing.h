/*
 * listing: the names in a Maildir's new and cur, in the snapshot's order, and where
 * each file has gone since. Part of the Maildir driver.
 *
 * A name is `BASE` or `BASE:INFO`. BASE is the message: it never changes. INFO
 * (flags) and the directory (new or cur) do change, under our hands: other
 * agents rename. Several files with one base name (a link in new and cur, a backup
 * that was copied over) are one message: the one with the lowest inode is listed, the
 * others are its twins.
 *
 * Order: by the number at the front of the base name (its time), then by base
 * name: the order of delivery, the same at every open.
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

/* A change within this time (nanoseconds) after another may leave no trace in a
 * file's times: file systems round them (FAT, the worst, to two seconds). */
#define LISTING_AT_REST INT64_C(2500000000)

/* The same where the kernel takes the time from its clock's last tick. */
#define LISTING_TICK INT64_C(20000000)

struct listing {
	int dirs[LISTING_DIRS];			   /* -1: there is none */
	struct listing_stamp stamps[LISTING_DIRS]; /* before the last reading */
	int64_t read_at[LISTING_DIRS];		   /* the clock then, nanoseconds */
	bool keeps_times; /* a change of a directory changes its stamp */
	bool complete;	  /* the snapshot is all that the directories held then */
	char *names;	  /* all names, each with its NUL */
	size_t names_n, names_room;
};

/*
 * What message.at says: where the name begins in listing.names, the length of its
 * base name, the directory, and what LISTING_TWIN and LISTING_YOUNG say.
 */
static inline uint64_t listing_at(size_t offset, size_t base, int dir)
{
	return (uint64_t)offset << 16 | (uint64_t)base << 8 | (uint64_t)dir;
}

enum {
	LISTING_TWIN = 2,  /* other files have the same base name */
	LISTING_YOUNG = 4, /* when it was measured it was new: it may still grow */
};

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

/* What orders messages; made once, compared often. */
struct listing_key {
	uint64_t time;
	uint64_t head; /* the octets behind the time: most comparisons end here */
	struct span base;
	uint64_t inode;
};

/* Of a file with that base name; and of a message, whose base name is listing's. The
 * key borrows the base name. */
struct listing_key listing_key_of(struct span base, uint64_t inode);
struct listing_key listing_key(
	const struct listing *listing, const struct maildrop_message *message);

/* < 0, 0, > 0: by time and base name alone; and by inode too. */
int listing_compare_bases(const struct listing_key *a, const struct listing_key *b);
int listing_compare(const struct listing_key *a, const struct listing_key *b);

/*
 * Opens the directories beneath drop->path; what is missing stays closed. Neither
 * new nor cur may be a link. Returns 0, or -1 with errno and *fault.
 */
int listing_open(struct listing *listing, const struct maildrop *drop,
	struct maildrop_fault *fault);
void listing_close(struct listing *listing);

/* Notes stamps and clock: what is read afterwards is at least that new. 0 or -1. */
int listing_take_stamps(struct listing *listing);

/* The same, when the directories have been at rest for a tick of the kernel's clock, so
 * that a change while they are read will show: waits for that, but not twice. */
int listing_await_stamps(struct listing *listing);

/* Have the directories not changed since the stamps were taken, as far as they tell? */
bool listing_same(const struct listing *listing);

/* Was the stamp old enough that a later change can't have left it as it is? Of one
 * directory, and of both. */
bool listing_settled_dir(const struct listing *listing, int dir);
bool listing_settled(const struct listing *listing);

/* How long, in nanoseconds, a time of a file on this file system may stay what it is
 * although the file is changed. */
int64_t listing_grain(const struct listing *listing, int64_t time);

/* Did they stand still while they were read, so that what was read is what they held?
 * Then what was not there is gone. */
bool listing_still(const struct listing *listing);

/* So long that a change before it can be told from one after it. */
void listing_nap(const struct listing *listing);

/* Appends a name of n octets and its NUL; *at is where it begins. 0 or -1. */
int listing_keep_name(struct listing *listing, const char *name, size_t n, size_t *at);

/* What is done with each file that is a message. 0, or -1 with errno. */
typedef int listing_fn(void *self, int dir, const char *name, size_t n, uint64_t inode);

/* Calls each for the files of one directory. 0, or -1 with errno. */
int listing_read_dir(struct listing *listing, int which, listing_fn *each, void *self);

/* A set of directories. */
#define LISTING_SET(dir) (1U << (dir))
#define LISTING_ALL	 (LISTING_SET(LISTING_DIRS) - 1)

/*
 * Reads the directories that are not in the set *known, which were as the stamps say,
 * and fills drop->messages, which must be empty: at and id[0] (the inode), in no
 * order. What is no regular file, or begins with a dot, is left out. Names are
 * appended to those that listing has. When one changes meanwhile, all are read, and
 * *known is empty. Returns 0, or -1 with errno and *fault.
 */
int listing_read(struct listing *listing, struct maildrop *drop, unsigned *known,
	struct maildrop_fault *fault);

/* Puts the messages in order, and makes one of those that have the base name in common.
 * 0, or -1 with errno. */
int listing_sort(struct listing *listing, struct maildrop *drop);

/* What is done with each file that has the base name of message i. 0, or -1. */
typedef int listing_match_fn(
	void *self, size_t i, int dir, const char *name, size_t n, uint64_t inode);

/* Reads the directories and calls each. 0, or -1 with errno. */
int listing_match(struct listing *listing, const struct maildrop *drop,
	listing_match_fn *each, void *self);

/*
 * Another agent renamed something: reads the directories again and gives every
 * message that is still there its present name. The others keep their old name,
 * under which nothing is. Does nothing when the directories have not changed
 * since the last reading. Returns 1 when they stood still: a message whose name is of
 * no file is gone; 0 when they did not, and it may only have been overlooked: sleep
 * (listing_nap()) and read again, but not for ever; -1 with errno.
 */
int listing_refresh(struct listing *listing, struct maildrop *drop);

#endif
