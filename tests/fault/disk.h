/*
 * disk: what is on the disk when the machine stops: what was flushed, and of what was
 * not, any sectors and any calls of the tape.
 */
#ifndef POSTERN_TESTS_FAULT_DISK_H
#define POSTERN_TESTS_FAULT_DISK_H

#include "fault/tape.h"

struct disk {
	struct text file[FILES];
	size_t room[FILES];
	bool there; /* the journal has its name */
};

/* How much of what was not flushed is on the disk. */
enum disk_luck { LUCK_NOTHING, LUCK_EVERYTHING, LUCK_SECTORS, LUCK_CALLS, LUCKS };

/* What the files are now. disk_drop() frees it. */
struct disk disk_now(struct fault *f);

/* What a process finds that begins when the one before was killed in front of event
 * `stop`: all of it, flushed or not. */
struct disk disk_in_memory(const struct disk *start, size_t stop);

/* A disk as a stop before event `stop` of the tape, which began at start, may leave it.
 */
struct disk disk_stopped(const struct disk *start, size_t stop, enum disk_luck luck);

/* Makes the files so; in the same inode, for the journal knows it. */
void disk_install(struct fault *f, const struct disk *d);

void disk_drop(struct disk *d);

#endif
