/*
 * auth: what a client's claim makes auth take apart: SCRAM's messages and tokens. The
 * gate reads the name out of client-first by itself; both must see the same name.
 */
#include "fuzz.h"

#include "auth/scram.h"
#include "auth/token.h"
#include "gate/sasl.h"

#include <openssl/pem.h>

static unsigned char pem[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvvMm/FGiVYSwRod5dJhXHEgtKRa4\n"
	"baCWWIlBBJqm6fqZ4QBbOK3qzH1IBAnOWXY0BJKV1/e3xUNI5BMDcCPmcg==\n"
	"-----END PUBLIC KEY-----\n";

static bool is_within(struct span part, struct span whole)
{
	return part.n == 0 ||
	       (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void first(struct span message)
{
	struct scram_first auth;
	struct sasl_name name;
	struct span binding;
	bool known = sasl_scram_first(message, &name, &binding) == 0;

	if (scram_parse_first(message, &auth) < 0)
		return;
	FUZZ_CHECK(message.n <= SCRAM_FIRST_MAX && auth.nonce.n);
	FUZZ_CHECK(auth.flag == 'n' || auth.flag == 'y' || auth.flag == 'p');
	FUZZ_CHECK(auth.gs2.p == message.p && is_within(auth.binding_type, auth.gs2));
	FUZZ_CHECK(auth.bare.p + auth.bare.n == message.p + message.n);
	FUZZ_CHECK(is_within(auth.name, auth.bare) && is_within(auth.nonce, auth.bare));
	if (!known)
		return;
	FUZZ_CHECK(scram_name_is(auth.name, sasl_name_span(&name)));
	FUZZ_CHECK(span_eq(binding, auth.binding_type));
}

static void final(struct span message)
{
	struct scram_final auth;

	if (scram_parse_final(message, &auth) < 0)
		return;
	FUZZ_CHECK(message.n <= SCRAM_FINAL_MAX);
	FUZZ_CHECK(is_within(auth.binding, auth.without_proof));
	FUZZ_CHECK(is_within(auth.nonce, auth.without_proof));
	FUZZ_CHECK(is_within(auth.proof, message));
	FUZZ_CHECK(!is_within(auth.proof, auth.without_proof) || !auth.proof.n);
	(void)scram_binding_is(auth.binding, span_str("n,,"), span_of("data", 4));
}

static EVP_PKEY *read_key(void)
{
	BIO *bio = BIO_new_mem_buf(pem, sizeof(pem) - 1);
	EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	FUZZ_CHECK(key);
	return key;
}

/* Nobody here has the private key. */
static void token(struct span message)
{
	static const struct issuer_setup setup = { .issuer = "i", .audience = "a" };
	static EVP_PKEY *key;
	if (!key)
		key = read_key();
	const struct issuers issuers = { .n = 1,
		.list = { { .setup = &setup, .key = key } } };
	const struct issuer_setup *by;
	char account[LOGIN_NAME_MAX + 1];

	FUZZ_CHECK(token_account(&issuers, message, 1000, account, &by) != NULL);
	FUZZ_CHECK(account[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_of(data, size);

	first(message);
	final(message);
	token(message);
	return 0;
}
