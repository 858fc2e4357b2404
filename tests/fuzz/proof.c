/*
 * proof: the handshake that a gate shows for EXTERNAL, which auth takes apart as root.
 * What is cut anywhere is no handshake; what was signed by the certificate's owner is
 * not, once any octet of it is another; and nothing is the keeper's without its key.
 */
#include "fuzz.h"

#include "auth/proof.h"

static bool is_within(struct span part, struct span whole)
{
	return part.n == 0 ||
	       (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* Cut behind n octets, in a block of its own, so that a read past its end is seen. */
static void expect_cut_refused(struct span messages, size_t n)
{
	struct proof proof;
	unsigned char *copy = malloc(n ? n : 1);

	FUZZ_CHECK(copy);
	memcpy(copy, messages.p, n);
	FUZZ_CHECK(proof_read(span_of(copy, n), &proof) < 0);
	free(copy);
}

static void expect_bent_refused(struct span messages)
{
	struct proof proof;
	unsigned char *copy = malloc(messages.n);

	FUZZ_CHECK(copy);
	memcpy(copy, messages.p, messages.n);
	for (size_t i = 0; i < messages.n; i++) {
		copy[i] ^= (unsigned char)(1U << i % 8);
		FUZZ_CHECK(proof_read(span_of(copy, messages.n), &proof) < 0 ||
			   !proof_is_the_owners(&proof));
		copy[i] = messages.p[i];
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char key[WITNESS_KEY], witness[64];
	struct span messages = span_of(data, size);
	struct proof proof;

	if (size > 1 << 16 || proof_read(messages, &proof) < 0)
		return 0;
	FUZZ_CHECK(is_within(proof.certificate, messages));
	FUZZ_CHECK(is_within(proof.server_signature, messages));
	FUZZ_CHECK(is_within(proof.client.octets, messages));
	FUZZ_CHECK(is_within(proof.client.signature, messages));
	FUZZ_CHECK(proof.server_n && proof.server_n <= PROOF_SIGNED_MAX);
	for (size_t n = 0; n <= sizeof(witness); n++)
		FUZZ_CHECK(!proof_is_ours(&proof, key, 1, span_of(witness, n)));
	for (size_t n = 0; n < size; n++)
		expect_cut_refused(messages, n);
	if (proof_is_the_owners(&proof))
		expect_bent_refused(messages);
	return 0;
}
