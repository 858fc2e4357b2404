/*
 * maildir_world: a Maildir, what is done to it, and whether every message is where it
 * may be after a crash. What is wrong ends the program.
 */
#ifndef POSTERN_TESTS_FAULT_MAILDIR_WORLD_H
#define POSTERN_TESTS_FAULT_MAILDIR_WORLD_H

#include "fault/scratch.h"
#include "postern/maildrop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESSAGES = 7, LONG_ONE = 3, TEXT_MAX = 400, NAME_MAX_ = 255 };

struct one {
	char name[NAME_MAX_ + 1], text[TEXT_MAX], uid[MAILDROP_UID_MAX + 1];
	uint64_t wire;
	size_t n;
	bool fresh, marked;
	unsigned here, kept; /* where it was found */
};

struct kase {
	const char *name, *marks; /* 'x' is deleted */
	uint32_t undo_seconds;
	bool renamed; /* another agent moves a deleted message meanwhile */
	bool cached;  /* there is a size cache */
};

struct world {
	const struct kase *kase;
	char dir[SCRATCH_MAX], path[96];
	int root, part[3], state; /* new, cur, postern-undo (-1: none yet) */
	struct maildrop *drop;
	struct one all[MESSAGES + 1]; /* the last one: delivered by the test */
	size_t n;
	const char *when;
	size_t was_here, was_away; /* deleted messages, over all rounds */
};

void world_begin(struct world *w);
void world_end(struct world *w);

/* The Maildir as it is before a round; the size cache, when there is to be one. */
void world_reset(struct world *w);

/* Removes what is in a directory; puts one message into new or cur. */
void world_empty(const struct world *w, int dir);
void world_put(const struct world *w, const struct one *one);

/* What an agent delivers after the crash. */
void world_deliver(struct world *w);

/* Opens w->drop, with the case's undo. */
void world_open(struct world *w);

/* The unique-ids of a world that is as before a round. */
void world_learn_uids(struct world *w);

/* Counts where each message is; whatever is there must be one. */
void world_look(struct world *w);

/* Looks, and says whether each is where it may be after a commit that was cut off. */
void world_check_places(struct world *w);

/* Opens it again, as the next login does: what is there is listed, as it was. */
void world_check_opened(struct world *w);

_Noreturn void world_fail(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void world_need(bool good, const struct world *w, const char *what);

#endif
