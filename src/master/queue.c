/*
 * queue: first come, first served.
 */
#include "master/queue.h"

void queue_append(struct queue *queue, struct row *row)
{
	row->queue_before = queue->last;
	row->queue_after = NULL;
	*(queue->last ? &queue->last->queue_after : &queue->first) = row;
	queue->last = row;
}

void queue_remove(struct queue *queue, struct row *row)
{
	*(row->queue_before ? &row->queue_before->queue_after : &queue->first) =
		row->queue_after;
	*(row->queue_after ? &row->queue_after->queue_before : &queue->last) =
		row->queue_before;
}

struct row *queue_take(struct queue *queue)
{
	struct row *row = queue->first;
	if (row)
		queue_remove(queue, row);
	return row;
}
