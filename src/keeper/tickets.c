/*
 * tickets: see tickets.h. Runs in the keeper's workers, on names that a gate sent,
 * which may have been taken over by a stranger.
 *
 * A name is one enciphered block: the ticket's number, the time, four zero octets. Its
 * key is a keyed hash of the name. So nothing is kept of a ticket but one bit: whether
 * it was opened. Whoever records a ticket on its way records one that is used up. The
 * bits are a ring, of which only the newer half is believed: a number's bit is cleared
 * when the number is given, long after its predecessor's ticket was good for anything.
 */
#include "keeper/tickets.h"

#include "base/span.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/mman.h>

struct plain {
	uint64_t number;
	uint32_t seconds, zero;
};

_Static_assert(sizeof(struct plain) == KEEPER_TICKET_NAME, "a name is one block");

int tickets_begin(struct tickets *t)
{
	void *shared = mmap(NULL, sizeof(*t->used), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -1;
	t->used = shared;
	return RAND_priv_bytes(t->names, sizeof(t->names)) == 1 &&
			       RAND_priv_bytes(t->keys, sizeof(t->keys)) == 1
		       ? 0
		       : -1;
}

/* One block of AES-256, which is a permutation: no two numbers have one name. */
static int encipher(const struct tickets *t, const void *in, void *out, int forward)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = ctx &&
		  EVP_CipherInit_ex(
			  ctx, EVP_aes_256_ecb(), NULL, t->names, NULL, forward) == 1 &&
		  EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		  EVP_CipherUpdate(ctx, out, &n, in, KEEPER_TICKET_NAME) == 1 &&
		  n == KEEPER_TICKET_NAME;
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -1;
}

static int derive(const struct tickets *t, struct keeper_ticket *ticket)
{
	size_t n = 0;
	const unsigned char *made = EVP_Q_mac(NULL, "HMAC", NULL, "SHA512", NULL,
		t->keys, sizeof(t->keys), ticket->name, sizeof(ticket->name),
		ticket->key, sizeof(ticket->key), &n);
	ERR_clear_error();
	return made && n == sizeof(ticket->key) ? 0 : -1;
}

static _Atomic uint64_t *word_of(const struct tickets *t, uint64_t number)
{
	return &t->used->marks[number % TICKETS_MARKS / 64];
}

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << number % 64;
}

int tickets_give(const struct tickets *t, uint64_t now, struct keeper_ticket *ticket)
{
	struct plain plain = { .number = atomic_fetch_add(&t->used->last, 1) + 1,
		.seconds = (uint32_t)now };
	atomic_fetch_and(word_of(t, plain.number), ~bit_of(plain.number));
	if (encipher(t, &plain, ticket->name, 1) < 0)
		return -1;
	return derive(t, ticket);
}

static bool is_good(const struct tickets *t, uint64_t now, const struct plain *plain)
{
	uint64_t last = atomic_load(&t->used->last);
	return plain->zero == 0 && plain->number > 0 && plain->number <= last &&
	       last - plain->number < TICKETS_KNOWN &&
	       (uint32_t)now - plain->seconds < KEEPER_TICKET_SECONDS;
}

int tickets_open(const struct tickets *t, uint64_t now,
	const unsigned char name[KEEPER_TICKET_NAME], struct keeper_ticket *ticket)
{
	struct plain plain;
	if (encipher(t, name, &plain, 0) < 0 || !is_good(t, now, &plain))
		return -1;
	uint64_t bit = bit_of(plain.number);
	if (atomic_fetch_or(word_of(t, plain.number), bit) & bit)
		return -1;
	memcpy(ticket->name, name, sizeof(ticket->name));
	return derive(t, ticket);
}
