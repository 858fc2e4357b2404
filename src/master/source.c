/*
 * source: a chained hash with a secret key, because peers choose their
 * addresses. Entries without connections stand in a list, oldest first, and
 * there are never more than IDLE_MAX of them: memory stays flat whoever knocks.
 *
 * Penalties: the n-th failure of late delays its answer by PENALTY_FIRST_MS * 2^(n-1),
 * and until then no other claim from the source is looked at, so that many connections
 * guess no faster than one. With a good login within a day the source is shared by
 * honest people as well: then the answer waits as long, the others hardly. Loopback
 * stands for others (webmail, a proxy): its penalty does not grow far, and no one else
 * waits for it.
 */
#include "master/source.h"

#include <errno.h>
#include <sys/random.h>

enum {
	BUCKETS = 4096,
	IDLE_MAX = 16384,
	PENALTY_FIRST_MS = 500,
	PENALTY_MAX_MS = 15000,
	PENALTY_LOOPBACK_MS = 2000, /* also of a good source's crashes */
	PENALTY_SHARED_MS = 250,    /* for others of a source with good logins */
	FORGET_MS = 60000, /* half of the failures are forgotten in such a time */
	FAILURES_MAX = 16,
	WIDE_WEIGHT = 16, /* so many failures in a /48 weigh as one in a /64 */
	GOOD_MS = 24 * 3600 * 1000,
};

int sources_init(struct sources *sources)
{
	*sources = (struct sources){ .buckets_n = BUCKETS };
	if (getrandom(sources->key, sizeof(sources->key), 0) < 0)
		return -1;
	sources->buckets = calloc(BUCKETS, sizeof(struct source *));
	return sources->buckets ? 0 : -1;
}

static void make_key(struct source *key, const struct netaddr *peer, uint8_t bits)
{
	*key = (struct source){ .family = peer->family,
		.bits = bits,
		.loopback = netaddr_is_loopback(peer) };
	memcpy(key->prefix, peer->octets, bits / 8);
}

static bool same(const struct source *a, const struct source *b)
{
	return a->bits == b->bits &&
	       memcmp(a->prefix, b->prefix, sizeof(a->prefix)) == 0;
}

/* Multiplications by secret odd numbers, high halves folded down. */
static uint64_t hash(const struct sources *sources, uint64_t x)
{
	x = (x ^ sources->key[0]) * (sources->key[1] | 1);
	x ^= x >> 32;
	x *= sources->key[0] | 1;
	return x >> 40;
}

static struct source **bucket(const struct sources *sources, const struct source *key)
{
	uint64_t x;
	memcpy(&x, key->prefix, sizeof(x));
	return &sources->buckets[hash(sources, x ^ key->bits) &
				 (sources->buckets_n - 1)];
}

static uint8_t lane_of(const struct sources *sources, const struct source *key)
{
	uint64_t x = 0;
	memcpy(&x, key->prefix, key->family == 4 ? 3 : 6);
	return (uint8_t)(hash(sources, x) % SOURCE_LANES);
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

static struct source *enter(
	struct sources *sources, const struct netaddr *peer, uint8_t bits)
{
	struct source key;
	make_key(&key, peer, bits);
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
		source->lane = lane_of(sources, source);
		source->next = *head;
		*head = source;
		sources->n++;
	}
	source->connections++;
	return source;
}

struct source *source_enter(struct sources *sources, const struct netaddr *peer)
{
	struct source *source = enter(sources, peer, peer->family == 4 ? 32 : 64);
	if (!source)
		return NULL;
	struct source *wide = enter(sources, peer, peer->family == 4 ? 24 : 48);
	if (!wide) {
		source_leave(sources, source, 0);
		return NULL;
	}
	source->wide = wide;
	return source;
}

/* How often FORGET_MS has passed without a failure: each time half are forgotten. */
static int64_t halvings(const struct source *source, int64_t now)
{
	return now > source->last_failure ? (now - source->last_failure) / FORGET_MS
					  : 0;
}

static uint32_t failures_now(const struct source *source, int64_t now)
{
	int64_t n = halvings(source, now);
	return n < 32 ? source->failures >> n : 0;
}

static void age(struct source *source, int64_t now)
{
	source->failures = failures_now(source, now);
	source->last_failure += halvings(source, now) * FORGET_MS;
}

static bool has_to_tell(struct source *source, int64_t now)
{
	age(source, now);
	return source->failures || source_is_good(source, now);
}

static void leave(struct sources *sources, struct source *source, int64_t now)
{
	if (--source->connections > 0)
		return;
	if (!has_to_tell(source, now)) {
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

void source_leave(struct sources *sources, struct source *source, int64_t now)
{
	struct source *wide = source->wide;
	if (source->connections == 1)
		source->wide = NULL;
	leave(sources, source, now);
	if (wide)
		leave(sources, wide, now);
}

static bool repeated(struct source *source, uint64_t credential)
{
	if (credential == 0)
		return false;
	for (int i = 0; i < SOURCE_CREDENTIALS; i++)
		if (source->credentials[i] == credential)
			return true;
	source->credentials[source->next_credential++ % SOURCE_CREDENTIALS] =
		credential;
	return false;
}

static int64_t penalty(uint32_t failures)
{
	if (failures == 0)
		return 0;
	int64_t delay = (int64_t)PENALTY_FIRST_MS << (failures - 1);
	return delay < PENALTY_MAX_MS ? delay : PENALTY_MAX_MS;
}

static void count(struct source *source, uint32_t most, int64_t now)
{
	age(source, now);
	if (source->failures < most)
		source->failures++;
	source->last_failure = now;
}

static void look_later(struct source *source, int64_t when)
{
	if (source->look_at < when)
		source->look_at = when;
}

/* The network that failures count for as well: those of an IPv4 address are its own. */
static struct source *guesser(const struct source *source)
{
	return source->family == 6 ? source->wide : NULL;
}

int64_t source_refused(struct source *source, uint64_t credential, int64_t now)
{
	struct source *wide = guesser(source);
	int64_t far = 0;
	age(source, now);
	if (!repeated(source, credential) || source->failures == 0) {
		count(source, FAILURES_MAX, now);
		if (wide)
			count(wide, FAILURES_MAX * WIDE_WEIGHT, now);
	}
	int64_t delay = penalty(source->failures);
	if (source->loopback)
		return delay < PENALTY_LOOPBACK_MS ? delay : PENALTY_LOOPBACK_MS;
	if (wide) {
		far = penalty(wide->failures / WIDE_WEIGHT);
		look_later(wide, now + far);
	}
	bool shared = source_is_good(source, now) && delay > PENALTY_SHARED_MS;
	look_later(source, now + (shared ? PENALTY_SHARED_MS : delay));
	return delay > far ? delay : far;
}

void source_crashed(struct source *source, int64_t now)
{
	int64_t delay = source_refused(source, 0, now);
	if (source->loopback)
		return;
	/* Honest people may share it: not much longer for them. */
	if (source_is_good(source, now) && delay > PENALTY_LOOPBACK_MS)
		delay = PENALTY_LOOPBACK_MS;
	source->bear_at = now + delay;
}

void source_accepted(struct source *source, int64_t now)
{
	struct source *wide = guesser(source);
	source->last_good = now;
	if (wide)
		wide->last_good = now;
}

bool source_is_good(const struct source *source, int64_t now)
{
	return source->loopback ||
	       (source->last_good && now - source->last_good < GOOD_MS);
}

enum source_class source_class(const struct source *source, int64_t now)
{
	if (source_is_good(source, now))
		return SOURCE_GOOD;
	const struct source *wide = guesser(source);
	if (failures_now(source, now) ||
		(wide && failures_now(wide, now) >= WIDE_WEIGHT))
		return SOURCE_FAILED;
	return SOURCE_NEW;
}

int64_t source_look_at(const struct source *source)
{
	int64_t near = source->look_at;
	/* Where people log in, their neighbours do not keep them waiting. */
	const struct source *wide = guesser(source);
	if (!wide || source->last_good || wide->look_at < near)
		return near;
	return wide->look_at;
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
