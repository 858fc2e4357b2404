/*
 * remember: a table of fixed size in anonymous shared memory. Runs as root in
 * auth children, any number at once, without a lock: a child may die at any
 * instruction, and nobody waits for it.
 *
 * A slot is three words. Two hold the tag, one the time at which it ends; the second
 * half of the tag is stored mixed with that time, so that a slot of which another
 * child has written a part fits no claim: neither the old one, the new one, nor the
 * old one with the new one's time. What is torn is a miss, which costs one
 * password hash. A set is full: the entry that ends first goes.
 */
#include "auth/remember.h"

#include "base/die.h"

#include <sodium.h>
#include <stdatomic.h>
#include <sys/mman.h>

struct slot {
	_Atomic uint64_t low, high_mixed, ends;
};

struct remember_table {
	struct slot slots[REMEMBER_SETS][REMEMBER_WAYS];
};

struct tag {
	uint64_t low, high;
};

_Static_assert(sizeof(struct tag) == REMEMBER_TAG, "a tag is its octets");

int remember_open(struct remember *remember, uint32_t seconds)
{
	*remember = (struct remember){ .seconds = seconds };
	if (seconds == 0)
		return 0;
	void *table = mmap(NULL, sizeof(struct remember_table), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED)
		return -1;
	remember->table = table;
	randombytes_buf(remember->key, sizeof(remember->key));
	return 0;
}

static void add(crypto_generichash_state *hash, const void *p, size_t n)
{
	if (crypto_generichash_update(hash, p, n) < 0)
		bug("BLAKE2b");
}

/* With its length in front, so that no two claims have the same octets. */
static void add_span(crypto_generichash_state *hash, struct span s)
{
	uint64_t n = s.n;
	add(hash, &n, sizeof(n));
	add(hash, s.p, s.n);
}

static struct tag tag_of(
	const struct remember *remember, const struct remember_claim *claim)
{
	struct tag tag;
	crypto_generichash_state hash;
	if (crypto_generichash_init(
		    &hash, remember->key, sizeof(remember->key), sizeof(tag)) < 0)
		bug("BLAKE2b");
	add(&hash, &claim->source, sizeof(claim->source));
	add(&hash, &claim->peer->family, sizeof(claim->peer->family));
	add(&hash, claim->peer->octets, sizeof(claim->peer->octets));
	add_span(&hash, claim->account);
	add_span(&hash, claim->stamp);
	add_span(&hash, claim->password);
	if (crypto_generichash_final(&hash, (void *)&tag, sizeof(tag)) < 0)
		bug("BLAKE2b");
	sodium_memzero(&hash, sizeof(hash));
	return tag;
}

static uint64_t mix(uint64_t ends)
{
	return ends * UINT64_C(0x9E3779B97F4A7C15);
}

static struct slot *set_of(const struct remember *remember, struct tag tag)
{
	return remember->table->slots[tag.high % REMEMBER_SETS];
}

bool remember_knows(const struct remember *remember, const struct remember_claim *claim,
	int64_t now_seconds)
{
	if (!remember->table)
		return false;
	struct tag tag = tag_of(remember, claim);
	struct slot *set = set_of(remember, tag);
	bool known = false;
	for (size_t i = 0; i < REMEMBER_WAYS; i++) {
		uint64_t low = atomic_load(&set[i].low);
		uint64_t ends = atomic_load(&set[i].ends);
		uint64_t high = atomic_load(&set[i].high_mixed) ^ mix(ends);
		uint64_t differs = (low ^ tag.low) | (high ^ tag.high);
		known |= differs == 0 && ends > (uint64_t)now_seconds;
	}
	return known;
}

/* Where the same tag is, or else what ends first (a free slot ended long ago). */
static struct slot *slot_for(struct slot *set, struct tag tag)
{
	struct slot *oldest = &set[0];
	for (size_t i = 0; i < REMEMBER_WAYS; i++) {
		if (atomic_load(&set[i].low) == tag.low)
			return &set[i];
		if (atomic_load(&set[i].ends) < atomic_load(&oldest->ends))
			oldest = &set[i];
	}
	return oldest;
}

void remember_add(const struct remember *remember, const struct remember_claim *claim,
	int64_t now_seconds)
{
	if (!remember->table)
		return;
	struct tag tag = tag_of(remember, claim);
	struct slot *slot = slot_for(set_of(remember, tag), tag);
	uint64_t ends = (uint64_t)now_seconds + remember->seconds;
	atomic_store(&slot->ends, 0);
	atomic_store(&slot->low, tag.low);
	atomic_store(&slot->high_mixed, tag.high ^ mix(ends));
	atomic_store(&slot->ends, ends);
}
