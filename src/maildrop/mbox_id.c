/*
 * mbox_id: the unique-id is BLAKE2b over the header as it was delivered, the
 * body's length and the body's fast hash. Left out: the fields in which mail
 * programs keep notes in the mbox, also when the sender wrote them, so that an id
 * stays the same whoever opens the mbox in between.
 *
 * What is hashed is what is sent: a CR before a LF is left out, and a last line without
 * LF gets one, as RETR would send CRLF in each case. So an id stays when an agent adds
 * the line end that the last message lacked, or a program writes the mbox with other
 * ones.
 *
 * The fast hash (the lanes of XXH64; all 32 octets are used) is no obstacle to
 * somebody who wants two of his own messages to have one id. He gains nothing: to
 * hit the id of somebody else's message he would have to send its header, with
 * the trace fields that the receiving host wrote into it.
 *
 * The same message twice (delivered by two routes to one mbox, or copied) is two
 * messages with one hash. The second and later ones, in file order, hash the
 * number of their predecessors in; as the octets are the same, a client that
 * mistakes one for the other when the first is gone has lost nothing.
 */
#include "maildrop/mbox_id.h"

#include <endian.h>
#include <sys/random.h>

static const uint64_t prime1 = 0x9E3779B185EBCA87, prime2 = 0xC2B2AE3D27D4EB4F;

static inline uint64_t load(const unsigned char *p)
{
	uint64_t x;
	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static inline uint64_t turn(uint64_t lane, uint64_t input)
{
	lane += input * prime2;
	lane = lane << 31 | lane >> 33;
	return lane * prime1;
}

void mbox_sum_begin(struct mbox_sum *sum)
{
	*sum = (struct mbox_sum){ .lane = { prime1 + prime2, prime2, 0, -prime1 } };
}

/* Whole stripes of s. */
static void sum_stripes(struct mbox_sum *sum, struct span s)
{
	uint64_t a = sum->lane[0], b = sum->lane[1], c = sum->lane[2], d = sum->lane[3];
	for (const unsigned char *p = s.p; s.n >= MBOX_SUM_STRIPE;
		p += MBOX_SUM_STRIPE, s.n -= MBOX_SUM_STRIPE) {
		a = turn(a, load(p));
		b = turn(b, load(p + 8));
		c = turn(c, load(p + 16));
		d = turn(d, load(p + 24));
	}
	sum->lane[0] = a;
	sum->lane[1] = b;
	sum->lane[2] = c;
	sum->lane[3] = d;
}

void mbox_sum_add(struct mbox_sum *sum, struct span s)
{
	size_t held = sum->n % MBOX_SUM_STRIPE;
	sum->n += s.n;
	if (held) {
		struct span head = span_head(s, MBOX_SUM_STRIPE - held);
		memcpy(sum->part + held, head.p, head.n);
		s = span_tail(s, head.n);
		if (held + head.n < MBOX_SUM_STRIPE)
			return;
		sum_stripes(sum, span_of(sum->part, MBOX_SUM_STRIPE));
	}
	sum_stripes(sum, s);
	s = span_tail(s, s.n - s.n % MBOX_SUM_STRIPE);
	if (s.n)
		memcpy(sum->part, s.p, s.n);
}

void mbox_sum_end(struct mbox_sum *sum)
{
	size_t held = sum->n % MBOX_SUM_STRIPE;
	memset(sum->part + held, 0, MBOX_SUM_STRIPE - held);
	sum_stripes(sum, span_of(sum->part, MBOX_SUM_STRIPE));
	sum->lane[0] = turn(sum->lane[0], sum->n);
}

uint64_t mbox_sum_finish(struct mbox_sum *sum)
{
	uint64_t x = 0;

	mbox_sum_end(sum);
	for (int i = 0; i < MBOX_SUM_LANES; i++)
		x = turn(x ^ sum->lane[i] >> 29, sum->lane[i]);
	return x ^ x >> 32;
}

uint64_t mbox_sum_of(struct span s)
{
	struct mbox_sum sum;

	mbox_sum_begin(&sum);
	mbox_sum_add(&sum, s);
	return mbox_sum_finish(&sum);
}

enum { HEADER, BODY };

void mbox_id_begin(struct mbox_id *id, enum mbox_form form)
{
	id->form = form;
	blake2b_init(&id->header, 16);
	mbox_sum_begin(&id->body);
	memset(id->parts, 0, sizeof(id->parts));
}

static void put(struct mbox_id *id, int part, struct span s)
{
	if (part == BODY)
		mbox_sum_add(&id->body, s);
	else
		blake2b_update(&id->header, s);
}

/* Octets without CR. */
static void put_plain(struct mbox_id *id, int part, struct span s)
{
	struct mbox_part *seen = &id->parts[part];

	if (s.n == 0)
		return;
	if (seen->cr && s.p[0] != '\n')
		put(id, part, span_str("\r"));
	seen->cr = false;
	put(id, part, s);
	seen->any = true;
	seen->lf = s.p[s.n - 1] == '\n';
}

static void put_wire(struct mbox_id *id, int part, struct span s)
{
	struct mbox_part *seen = &id->parts[part];

	for (;;) {
		size_t cr = span_find(s, '\r');
		put_plain(id, part, span_head(s, cr));
		if (cr == s.n)
			return;
		if (seen->cr)
			put(id, part, span_str("\r"));
		seen->cr = seen->any = true;
		seen->lf = false;
		s = span_tail(s, cr + 1);
	}
}

/* The line end that the last line lacks. */
static void end_line(struct mbox_id *id, int part)
{
	if (id->parts[part].any && !id->parts[part].lf) {
		if (id->parts[part].cr)
			put(id, part, span_str("\r"));
		put(id, part, span_str("\n"));
	}
}

void mbox_id_header(struct mbox_id *id, struct span s)
{
	if (id->form == MBOX_FORM_WIRE)
		put_wire(id, HEADER, s);
	else
		put(id, HEADER, s);
}

void mbox_id_body(struct mbox_id *id, struct span s)
{
	if (id->form == MBOX_FORM_WIRE)
		put_wire(id, BODY, s);
	else
		put(id, BODY, s);
}

void mbox_id_end(struct mbox_id *id, uint64_t out[2])
{
	unsigned char hash[16];
	uint64_t body[MBOX_SUM_LANES + 1];

	end_line(id, HEADER);
	end_line(id, BODY);
	mbox_sum_end(&id->body);
	for (int i = 0; i < MBOX_SUM_LANES; i++)
		body[i] = htole64(id->body.lane[i]);
	body[MBOX_SUM_LANES] = htole64(id->body.n);
	blake2b_update(&id->header, span_of(body, sizeof(body)));
	blake2b_final(&id->header, hash);
	out[0] = load(hash);
	out[1] = load(hash + 8);
}

bool mbox_id_is_status(struct span line, enum mbox_form form)
{
	static const char *const names[] = { "status:", "x-status:", "x-uid:",
		"x-uidl:", "x-imap:", "x-imapbase:", "x-keywords:", "x-mozilla-status:",
		"x-mozilla-status2:", "content-length:", "lines:",
		/* not in MBOX_FORM_STORED: */
		"x-mozilla-keys:", "x-account-key:", "x-evolution:", "x-label:" };
	const size_t all = sizeof(names) / sizeof(names[0]);

	if (line.n == 0 || !memchr("sSxXcClL", line.p[0], 8))
		return false;
	for (size_t i = 0; i < (form == MBOX_FORM_WIRE ? all : all - 4); i++)
		if (span_is_nocase(span_head(line, strlen(names[i])), names[i]))
			return true;
	return false;
}

/* Slots hold a message's number plus one; 0 is empty. Which slot an id begins to look
 * at, nobody who writes mail or a cache can know. */
struct table {
	uint32_t *slots;
	size_t mask;
	uint64_t random[2];
};

static size_t slot_of(const struct table *table, const uint64_t id[2])
{
	uint64_t x = (id[0] ^ table->random[0]) * prime1;
	x = (x ^ x >> 32 ^ id[1] ^ table->random[1]) * prime2;
	return (size_t)(x >> 20) & table->mask;
}

/* Puts message i in the place of the one before it with the same id, whose number plus
 * one is returned, or 0. */
static uint32_t replace(
	struct table *table, const struct maildrop_message *messages, uint32_t i)
{
	const uint64_t *id = messages[i].id;

	for (size_t at = slot_of(table, id);; at = (at + 1) & table->mask) {
		uint32_t found = table->slots[at];
		const uint64_t *other = found ? messages[found - 1].id : id;
		if (other[0] != id[0] || other[1] != id[1])
			continue;
		table->slots[at] = i + 1;
		return found;
	}
}

uint32_t *mbox_id_twins(const struct maildrop_message *messages, size_t n)
{
	struct table table = { .mask = 15 };

	while (table.mask < 2 * n)
		table.mask = 2 * table.mask + 1;
	if (getrandom(table.random, sizeof(table.random), 0) !=
		(ssize_t)sizeof(table.random))
		return NULL;
	uint32_t *twins = calloc(n ? n : 1, sizeof(*twins));
	table.slots = calloc(table.mask + 1, sizeof(*table.slots));
	for (uint32_t i = 0; twins && table.slots && i < n; i++) {
		uint32_t before = replace(&table, messages, i);
		if (before)
			twins[i] = twins[before - 1] + 1;
	}
	if (!table.slots) {
		free(twins);
		twins = NULL;
	}
	free(table.slots);
	return twins;
}

void mbox_id_text(const uint64_t id[2], uint32_t twin, char uid[MAILDROP_UID_MAX + 1])
{
	struct {
		uint64_t id[2];
		uint64_t twin;
	} key = { { htole64(id[0]), htole64(id[1]) }, htole64(twin) };

	if (twin)
		blake2b_hex(span_of(&key, sizeof(key)), 16, uid);
	else
		hex_of((const unsigned char *)key.id, sizeof(key.id), uid);
}
