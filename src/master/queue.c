/*
 * queue: see queue.h. Shares, of `most` claims in flight: one source has at most
 * a quarter, with good logins three quarters; so has the lane of a source without; all
 * sources without good logins together leave a quarter to the others, and those of them
 * that have failed another one to those that have not. A source whose penalty lasts
 * stands in no ring: its timer brings it back.
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
	struct queue *queue, struct source *source, enum source_class class)
{
	struct queue_ring *ring = &queue->ring[class][source->lane];
	source->ring_before = ring->last;
	source->ring_after = NULL;
	*(ring->last ? &ring->last->ring_after : &ring->first) = source;
	ring->last = source;
	source->ring = (uint8_t) class;
	source->ringed = true;
	turns_come(&queue->turns, class, source->lane);
}

static void ring_remove(struct queue *queue, struct source *source)
{
	struct queue_ring *ring = &queue->ring[source->ring][source->lane];
	struct source *before = source->ring_before, *after = source->ring_after;
	*(before ? &before->ring_after : &ring->first) = after;
	*(after ? &after->ring_before : &ring->last) = before;
	source->ringed = false;
	turns_go(&queue->turns, source->ring, source->lane);
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
	ring_append(queue, source, source_class(source, now));
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

static void count(struct queue *queue, const struct row *row, uint32_t change)
{
	uint8_t lane = row->source->lane;
	queue->in_flight += change;
	row->source->in_flight += change;
	queue->of_class[row->class] += change;
	if (row->class == SOURCE_GOOD)
		return;
	queue->of_lane[lane] += change;
	queue->turns.full &= ~(1U << lane);
	if (queue->of_lane[lane] >= at_least_one(queue->most / 4))
		queue->turns.full |= 1U << lane;
}

/* The classes that may have one more in flight, as a set. */
static unsigned have_room(const struct queue *queue)
{
	uint32_t quarter = queue->most / 4;
	uint32_t failed = queue->of_class[SOURCE_FAILED];
	uint32_t others = queue->of_class[SOURCE_NEW] + failed;
	unsigned set = 1U << SOURCE_GOOD;
	if (others >= at_least_one(queue->most - quarter))
		return set;
	set |= 1U << SOURCE_NEW;
	if (failed < at_least_one(queue->most - 2 * quarter))
		set |= 1U << SOURCE_FAILED;
	return set;
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
	struct turn turn;
	while (queue->in_flight < queue->most &&
		turns_next(&queue->turns, have_room(queue), &turn)) {
		struct source *source = queue->ring[turn.class][turn.lane].first;
		ring_remove(queue, source);
		if (!may_still(queue, source)) {
			consider(queue, source);
			continue;
		}
		struct row *row = source->first;
		queue_remove(queue, row);
		row->class = (uint8_t)turn.class;
		count(queue, row, 1);
		turns_pass(&queue->turns, &turn);
		consider(queue, source);
		return row;
	}
	return NULL;
}

void queue_done(struct queue *queue, struct row *row)
{
	count(queue, row, (uint32_t)-1);
	consider(queue, row->source);
}
