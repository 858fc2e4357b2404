/*
 * turns: whose turn it is, of those who wait for a gate or for auth. Sources with good
 * logins have every other turn; the others share the rest, they who have not failed yet
 * and they who have by turns. Within a class the lanes take turns: a lane is what
 * a hash makes of the network, so that one network is one of many, however many
 * addresses it has.
 */
#ifndef POSTERN_MASTER_TURNS_H
#define POSTERN_MASTER_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum source_class {
	SOURCE_GOOD,   /* a good login within a day */
	SOURCE_NEW,    /* nothing is known of it */
	SOURCE_FAILED, /* failures of late, its own or of the network around it */
	SOURCE_CLASSES,
};

enum { SOURCE_LANES = 32 };

struct turn {
	unsigned step; /* turns.c's */
	enum source_class class;
	unsigned lane;
};

struct turns {
	unsigned step;
	unsigned lane[SOURCE_CLASSES]; /* whose turn is next in each class */
	uint32_t full; /* a set of lanes that have no turn now, but for SOURCE_GOOD */
	size_t waiting[SOURCE_CLASSES][SOURCE_LANES], of_class[SOURCE_CLASSES];
};

/* One more waits there, or one less. */
void turns_come(struct turns *turns, enum source_class class, unsigned lane);
void turns_go(struct turns *turns, enum source_class class, unsigned lane);

/* Whose turn it is, among the classes of the set `may` (1U << class). False: nobody's.
 */
bool turns_next(const struct turns *turns, unsigned may, struct turn *turn);

/* It has had its turn. */
void turns_pass(struct turns *turns, const struct turn *turn);

#endif
