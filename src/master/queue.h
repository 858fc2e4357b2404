/*
 * queue: claims that wait for their turn.
 */
#ifndef POSTERN_MASTER_QUEUE_H
#define POSTERN_MASTER_QUEUE_H

#include "master/row.h"

/* All zero is an empty queue. */
struct queue {
	struct row *first, *last;
};

void queue_append(struct queue *queue, struct row *row);

/* The row must be in it. */
void queue_remove(struct queue *queue, struct row *row);

/* Takes out whose turn it is; NULL when nobody waits. */
struct row *queue_take(struct queue *queue);

#endif
