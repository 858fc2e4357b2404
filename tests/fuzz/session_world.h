/*
 * session_world: the maildrop of fuzz-session, and the programs that change it beside
 * the session. Each message has a number that stands in it; the first ones, 1 to
 * world.begun, are the session's messages of these numbers.
 */
#ifndef POSTERN_FUZZ_SESSION_WORLD_H
#define POSTERN_FUZZ_SESSION_WORLD_H

#include "fuzz.h"

#include "postern/maildrop.h"

enum { WORLD_BEGIN_MAX = 7, WORLD_MAX = 96, WORLD_MESSAGE_MAX = 1024 };

struct world {
	enum maildrop_kind kind;
	char path[256];
	unsigned begun, made;	     /* messages 1 to begun at first; to made in all */
	bool removed[WORLD_MAX + 1]; /* by another program */
	bool read[WORLD_MAX + 1];    /* noted by another program */
};

/* A maildrop with some messages. */
void world_begin(struct world *world, enum maildrop_kind kind, unsigned messages);

/* Opens it as the session's. */
struct maildrop *world_open(struct world *world);

/* Another program; n is a number of a message or of none. */
void world_deliver(struct world *world);
void world_remove(struct world *world, size_t n);
void world_note(struct world *world, size_t n);

/* What RETR sends of message n before it is stuffed, in text. Returns the octets. */
size_t world_wire(const struct world *world, unsigned n, char text[WORLD_MESSAGE_MAX]);

/* Is message n stored, whole? */
bool world_has(const struct world *world, unsigned n);

#endif
