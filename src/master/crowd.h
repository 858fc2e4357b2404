/*
 * crowd: the connections that have not logged in, oldest first: those of sources where
 * somebody has lately, and the strangers. When there is no room for who comes, the
 * oldest stranger goes: who means to log in does so within seconds, and who does not
 * has had his time.
 */
#ifndef POSTERN_MASTER_CROWD_H
#define POSTERN_MASTER_CROWD_H

#include "master/row.h"

struct crowd {
	struct crowd_list {
		struct row *first, *last;
		size_t n;
	} known, strangers;
};

/* A row that has just come. */
void crowd_join(struct crowd *crowd, struct row *row, bool known);

/* It has logged in, or parted. Does nothing when it is not there. */
void crowd_leave(struct row *row);

/* The oldest of the list for whom nobody decides at this moment; NULL: there is none.
 */
struct row *crowd_oldest(const struct crowd_list *list);

#endif
