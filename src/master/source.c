/*
 * source: a chained hash with a secret key, because peers choose their
 * addresses. Entries without connections stand in a list, oldest first, and
 * there are never more than IDLE_MAX of them: memory stays flat whoever knocks.
 */
#include "master/source.h"

#include <errno.h>
#include <sys/random.h>

enum {
	BUCKETS = 4096,
	IDLE_MAX = 16384,
	PENALTY_FIRST_MS = 500,
	PENALTY_MAX_MS = 15000,
	FORGET_MS = 60000, /* half of the failures are forgotten in such a time */
	FAILURES_MAX = 16,
};

int sources_init(struct sources *sources)
{
	*sources = (struct sources){ .buckets_n = BUCKETS };
	if (getrandom(sources->key, sizeof(sources->key), 0) < 0)
		return -1;
	sources->buckets = calloc(BUCKETS, sizeof(struct source *));
	return sources->buckets ? 0 : -1;
}

static void make_key(struct source *key, const struct netaddr *peer)
{
	*key = (struct source){ .family = peer->family };
	memcpy(key->prefix, peer->octets, peer->family == 4 ? 4 : 8);
}

static bool same(const struct source *a, const struct source *b)
{
	return a->family == b->family &&
	       memcmp(a->prefix, b->prefix, sizeof(a->prefix)) == 0;
}

static struct source **bucket(const struct sources *sources, const struct source *key)
{
	uint64_t x;
	memcpy(&x, key->prefix, sizeof(x));
	/* Multiplications by secret odd numbers, high halves folded down. */
	x = (x ^ sources->key[0] ^ key->family) * (sources->key[1] | 1);
	x ^= x >> 32;
	x *= sources->key[0] | 1;
	return &sources->buckets[(x >> 40) & (sources->buckets_n - 1)];
}

static void idle_remove(struct sources *sources, struct source *source)
{
	*(source->idle_before ? &source->idle_before->idle_after
			      : &sources->idle_first) = source->idle_after;
	*(source->idle_after ? &source->idle_after->idle_before : &sources->idle_last) =
		source->idle_before;
	source->idle_before = source->idle_after = NULL;
	sources->idle_n--;
}

static void idle_append(struct sources *sources, struct source *source)
{
	source->idle_before = sources->idle_last;
	source->idle_after = NULL;
	*(sources->idle_last ? &sources->idle_last->idle_after : &sources->idle_first) =
		source;
	sources->idle_last = source;
	sources->idle_n++;
}

static void forget(struct sources *sources, struct source *source)
{
	struct source **at = bucket(sources, source);
	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	sources->n--;
	free(source);
}

struct source *source_enter(struct sources *sources, const struct netaddr *peer)
{
	struct source key;
	make_key(&key, peer);
	struct source **head = bucket(sources, &key);
	struct source *source = *head;
	while (source && !same(source, &key))
		source = source->next;
	if (source && source->connections == 0) {
		idle_remove(sources, source);
	} else if (!source) {
		source = malloc(sizeof(*source));
		if (!source)
			return NULL;
		*source = key;
		source->next = *head;
		*head = source;
		sources->n++;
	}
	source->connections++;
	return source;
}

/* Half of the failures for each FORGET_MS that has passed without one. */
static void age(struct source *source, int64_t now)
{
	int64_t halvings = (now - source->last_failure) / FORGET_MS;
	if (halvings > 0) {
		source->failures = halvings < 32 ? source->failures >> halvings : 0;
		source->last_failure += halvings * FORGET_MS;
	}
}

void source_leave(struct sources *sources, struct source *source, int64_t now)
{
	if (--source->connections > 0)
		return;
	age(source, now);
	if (source->failures == 0) {
		forget(sources, source);
		return;
	}
	idle_append(sources, source);
	if (sources->idle_n > IDLE_MAX) {
		struct source *oldest = sources->idle_first;
		idle_remove(sources, oldest);
		forget(sources, oldest);
	}
}

int64_t source_refused(struct source *source, int64_t now)
{
	age(source, now);
	if (source->failures < FAILURES_MAX)
		source->failures++;
	source->last_failure = now;
	int64_t delay = (int64_t)PENALTY_FIRST_MS << (source->failures - 1);
	return delay < PENALTY_MAX_MS ? delay : PENALTY_MAX_MS;
}

void source_accepted(struct source *source, int64_t now)
{
	age(source, now);
	source->failures /= 2;
}

void sources_free(struct sources *sources)
{
	for (size_t i = 0; i < sources->buckets_n; i++)
		while (sources->buckets && sources->buckets[i]) {
			struct source *next = sources->buckets[i]->next;
			free(sources->buckets[i]);
			sources->buckets[i] = next;
		}
	free(sources->buckets);
	*sources = (struct sources){ 0 };
}
