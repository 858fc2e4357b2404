/*
 * fault: what the fault-injection programs share: an mbox, what a commit makes of
 * it, and whether it is one of the two after a crash and a recovery.
 */
#ifndef POSTERN_TESTS_FAULT_H
#define POSTERN_TESTS_FAULT_H

#include "fault/scratch.h"
#include "maildrop/mbox.h"
#include "postern/maildrop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A commit: n messages of about that size, and which of them it removes. */
struct fault_case {
	const char *name;
	size_t messages, octets;
	const char *marks; /* 'x' removes; repeated as often as there are messages */
	uint64_t gap_min, log_max;
};

extern const struct fault_case fault_small[];
extern const size_t fault_small_n;
extern const struct fault_case fault_full[]; /* with room for two logs of 4096 */
extern const size_t fault_full_n;
extern const struct fault_case fault_large[];
extern const size_t fault_large_n;

struct text {
	unsigned char *p;
	size_t n;
};

/* The world of one program: a directory, in memory if there is such. */
struct fault {
	const struct fault_case *what;
	char dir[SCRATCH_MAX], path[96], state[96], journal[128];
	int state_fd;
	struct text before, after, append; /* append may be empty */
	size_t seen_before, seen_after;
};

void fault_begin(struct fault *f);
void fault_end(struct fault *f);

/* Makes the texts of a case. */
void fault_take(struct fault *f, const struct fault_case *what, bool append);
void fault_drop(struct fault *f);

/* Writes the mbox as it was before, in the same inode, and removes what else there is.
 */
void fault_reset(struct fault *f);

/* Appends what an agent delivers after the crash. */
void fault_deliver(struct fault *f);

/* The commit, from open to close. */
void fault_open(struct fault *f, struct maildrop **drop);
void fault_commit(struct fault *f, struct maildrop *drop);

/* The next open: by the driver, or by mbox_recover() with the case's tuning. */
void fault_recover(struct fault *f, bool by_driver);

/* Is the mbox one of the two, and nothing left over? Ends the program if not. */
void fault_check(struct fault *f, const char *when);

struct text fault_read(const char *path);
void fault_write(const char *path, struct text text, int flags);
_Noreturn void fault_fail(const struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
