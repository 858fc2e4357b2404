/*
 * queue: claims that wait for their turn with auth. Fair between sources: each source
 * with a claim that may be looked at stands in a ring once, however many it has.
 * Sources with good logins have a ring of their own and turns that the others cannot
 * use up.
 */
#ifndef POSTERN_MASTER_QUEUE_H
#define POSTERN_MASTER_QUEUE_H

#include "master/row.h"

enum queue_class {
	QUEUE_GOOD,
	QUEUE_OTHER,
	QUEUE_CLASSES,
};

struct queue {
	struct timers *timers;
	uint32_t most; /* claims that auth may have at once */
	struct {
		struct source *first, *last;
	} ring[QUEUE_CLASSES];
	uint32_t in_flight;
	uint32_t others; /* of them, taken from the ring of the others */
	enum queue_class turn;
	size_t waiting;
};

void queue_init(struct queue *queue, struct timers *timers);

void queue_append(struct queue *queue, struct row *row);

/* The row must be in it. */
void queue_remove(struct queue *queue, struct row *row);

/* Takes out whose turn it is: it is in flight then. NULL: nobody for now. */
struct row *queue_take(struct queue *queue);

/* A row that was taken is no longer in flight. */
void queue_done(struct queue *queue, struct row *row);

#endif
