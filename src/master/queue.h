/*
 * queue: claims that wait for their turn with auth. Fair between sources: each source
 * with a claim that may be looked at stands in a ring once, however many it has. There
 * is a ring for each class of sources and lane (turns.h), and a class cannot use up
 * what another may have in flight.
 */
#ifndef POSTERN_MASTER_QUEUE_H
#define POSTERN_MASTER_QUEUE_H

#include "master/row.h"

struct queue {
	struct timers *timers;
	uint32_t most; /* claims that auth may have at once */
	struct queue_ring {
		struct source *first, *last;
	} ring[SOURCE_CLASSES][SOURCE_LANES];
	struct turns turns;
	uint32_t in_flight, of_class[SOURCE_CLASSES];
	uint32_t of_lane[SOURCE_LANES]; /* without those of SOURCE_GOOD */
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
