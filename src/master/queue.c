/*
 * queue: see queue.h. Shares, of `most` claims in flight: one source has at most
 * a quarter, with good logins three quarters; all sources without good logins
 * together leave a quarter to the others. A source whose penalty lasts stands in no
 * ring: its timer brings it back.
 */
#include "master/queue.h"

#include "base/io.h"

void queue_init(struct queue *queue, struct timers *timers)
{
	*queue = (struct queue){ .timers = timers };
}

static uint32_t at_least_one(uint32_t n)
{
	return n ? n : 1;
}

static bool is_full(const struct queue *queue, const struct source *source, int64_t now)
{
	uint32_t quarter = at_least_one(queue->most / 4);
	bool good = source_is_good(source, now);
	return source->in_flight >=
	       (good ? at_least_one(queue->most - quarter) : quarter);
}

static void ring_append(
	struct queue *queue, struct source *source, enum queue_class class)
{
	struct source *last = queue->ring[class].last;
	source->ring_before = last;
	source->ring_after = NULL;
	*(last ? &last->ring_after : &queue->ring[class].first) = source;
	queue->ring[class].last = source;
	source->ring = (uint8_t) class;
	source->ringed = true;
}

static void ring_remove(struct queue *queue, struct source *source)
{
	struct source *before = source->ring_before, *after = source->ring_after;
	*(before ? &before->ring_after : &queue->ring[source->ring].first) = after;
	*(after ? &after->ring_before : &queue->ring[source->ring].last) = before;
	source->ringed = false;
}

static void consider(struct queue *queue, struct source *source);

static void on_timer(void *owner)
{
	struct source *source = owner;
	consider(source->queue, source);
}

/* Into its ring, if a claim of it may be looked at. */
static void consider(struct queue *queue, struct source *source)
{
	int64_t now = io_now(), when = source_look_at(source);
	if (source->ringed || !source->first || is_full(queue, source, now))
		return;
	if (when > now) {
		source->queue = queue;
		source->timer.fire = on_timer;
		source->timer.owner = source;
		timer_set(queue->timers, &source->timer, when);
		return;
	}
	ring_append(
		queue, source, source_is_good(source, now) ? QUEUE_GOOD : QUEUE_OTHER);
}

void queue_append(struct queue *queue, struct row *row)
{
	struct source *source = row->source;
	row->queue_before = source->last;
	row->queue_after = NULL;
	*(source->last ? &source->last->queue_after : &source->first) = row;
	source->last = row;
	queue->waiting++;
	consider(queue, source);
}

void queue_remove(struct queue *queue, struct row *row)
{
	struct source *source = row->source;
	*(row->queue_before ? &row->queue_before->queue_after : &source->first) =
		row->queue_after;
	*(row->queue_after ? &row->queue_after->queue_before : &source->last) =
		row->queue_before;
	queue->waiting--;
	if (source->first)
		return;
	timer_stop(queue->timers, &source->timer);
	/* It may be forgotten before its turn comes. */
	if (source->ringed)
		ring_remove(queue, source);
}

/* Whose ring is next, or QUEUE_CLASSES. */
static enum queue_class choose(struct queue *queue)
{
	bool others = queue->ring[QUEUE_OTHER].first &&
		      queue->others < at_least_one(queue->most - queue->most / 4);
	bool good = queue->ring[QUEUE_GOOD].first != NULL;
	if (good && others)
		queue->turn = queue->turn == QUEUE_GOOD ? QUEUE_OTHER : QUEUE_GOOD;
	else
		queue->turn = good ? QUEUE_GOOD : QUEUE_OTHER;
	return good || others ? queue->turn : QUEUE_CLASSES;
}

/* Its penalty may have begun since it came into the ring. */
static bool may_still(struct queue *queue, struct source *source)
{
	int64_t now = io_now();
	return source->first && source_look_at(source) <= now &&
	       !is_full(queue, source, now);
}

struct row *queue_take(struct queue *queue)
{
	while (queue->in_flight < queue->most) {
		enum queue_class class = choose(queue);
		if (class == QUEUE_CLASSES)
			return NULL;
		struct source *source = queue->ring[class].first;
		ring_remove(queue, source);
		if (!may_still(queue, source)) {
			consider(queue, source);
			continue;
		}
		struct row *row = source->first;
		queue_remove(queue, row);
		queue->in_flight++;
		source->in_flight++;
		row->other = class == QUEUE_OTHER;
		queue->others += row->other;
		consider(queue, source);
		return row;
	}
	return NULL;
}

void queue_done(struct queue *queue, struct row *row)
{
	queue->in_flight--;
	row->source->in_flight--;
	queue->others -= row->other;
	row->other = false;
	consider(queue, row->source);
}
