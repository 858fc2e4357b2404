/*
 * tape: every write, cut, flush, and what is done to names, recorded while the tested
 * code runs in this process. The calls are caught by the linker (--wrap): pwrite,
 * ftruncate, posix_fallocate, fsync, fdatasync, openat, unlinkat.
 */
#ifndef POSTERN_TESTS_FAULT_TAPE_H
#define POSTERN_TESTS_FAULT_TAPE_H

#include "fault/fault.h"

enum tape_kind { WRITE, CUT, ALLOCATE, FLUSH, MAKE, REMOVE, FLUSH_NAMES };
enum tape_file { MBOX, JOURNAL, FILES, /* the directory: */ NAMES = FILES, OTHER };

struct tape_event {
	enum tape_kind kind;
	enum tape_file file;
	uint64_t at, n;
	unsigned char *data;
};

/* Begins a new tape, for the mbox of f. */
void tape_start(struct fault *f);
void tape_stop(void);

/* Keeps only the first events, and records what follows behind them: the process was
 * killed there, and the next one goes on with what it finds in memory. */
void tape_resume(size_t events);

/* From now on there is no room for an allocation of more octets than these. */
void tape_room(uint64_t octets);

/* What is on it. */
size_t tape_length(void);
const struct tape_event *tape_at(size_t i);

#endif
