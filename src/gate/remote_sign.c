/*
 * remote_sign: signatures of the provider (provider-signature(7)): one question to
 * the keeper and its answer (ask.c). Runs in a gate child, inside a handshake.
 */
#include "gate/remote.h"

#include "base/poison.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>

struct operation {
	const struct remote_key *key;
	unsigned digest; /* bits; 0: not set */
	bool rsa, pss;
};

static void *new_operation(void *unused, const char *unused_too)
{
	(void)unused, (void)unused_too;
	return calloc(1, sizeof(struct operation));
}

static void free_operation(void *data)
{
	free(data);
}

static unsigned digest_bits(const char *name)
{
	static const struct {
		const char *name;
		unsigned bits;
	} digests[] = {
		{ "SHA256", 256 },
		{ "SHA2-256", 256 },
		{ "SHA384", 384 },
		{ "SHA2-384", 384 },
		{ "SHA512", 512 },
		{ "SHA2-512", 512 },
	};
	for (size_t i = 0; name && i < sizeof(digests) / sizeof(digests[0]); i++)
		if (span_is_nocase(span_str(name), digests[i].name))
			return digests[i].bits;
	return 0;
}

/* How OpenSSL names a padding: a number or a word. */
static int set_padding(struct operation *o, const OSSL_PARAM *p)
{
	int mode = 0;
	const char *word = NULL;
	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		OSSL_PARAM_get_utf8_string_ptr(p, &word);
	else if (OSSL_PARAM_get_int(p, &mode) != 1)
		return 0;
	if (word)
		mode = span_is(span_str(word), OSSL_PKEY_RSA_PAD_MODE_PSS)
			       ? RSA_PKCS1_PSS_PADDING
			       : RSA_PKCS1_PADDING;
	o->pss = mode == RSA_PKCS1_PSS_PADDING;
	return o->pss || mode == RSA_PKCS1_PADDING;
}

/* The salt is as long as the digest: TLS knows no other, nor does the keeper. */
static int set_params(void *data, const OSSL_PARAM params[])
{
	const OSSL_PARAM *padding =
		params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)
		       : NULL;
	return padding ? set_padding(data, padding) : 1;
}

static const OSSL_PARAM *settable(void *unused, void *unused_too)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};
	(void)unused, (void)unused_too;
	return types;
}

static int begin(void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct operation *o = data;
	o->key = key;
	o->digest = digest_bits(digest);
	o->rsa = EVP_PKEY_is_a(o->key->public, "RSA");
	o->pss = false;
	return o->digest && set_params(o, params);
}

static enum keeper_scheme scheme_of(const struct operation *o)
{
	unsigned step = o->digest / 128 - 2; /* 0, 1, 2 */
	if (!o->rsa)
		return (enum keeper_scheme)(SCHEME_ECDSA_SHA256 + (step << 8));
	if (o->pss)
		return (enum keeper_scheme)(SCHEME_RSA_PSS_SHA256 + step);
	return (enum keeper_scheme)(SCHEME_RSA_PKCS1_SHA256 + (step << 8));
}

static int digest_sign(void *data, unsigned char *signature, size_t *n, size_t size,
	const unsigned char *octets, size_t octets_n)
{
	const struct operation *o = data;
	int most = EVP_PKEY_get_size(o->key->public);
	if (!signature && most > 0) {
		*n = (size_t)most;
		return 1;
	}
	const struct keeper_sign sign = { .scheme = scheme_of(o),
		.octets = span_of(octets, octets_n) };
	ssize_t got = -1;
	if (signature)
		got = ask_signature(o->key->told, &sign, signature, size);
	if (got > 0)
		*n = (size_t)got;
	return got > 0;
}

#define FUNCTION(id, function)                                       \
	{                                                            \
		OSSL_FUNC_SIGNATURE_##id, (void (*)(void))(function) \
	}

const OSSL_DISPATCH remote_signatures[] = {
	FUNCTION(NEWCTX, new_operation),
	FUNCTION(FREECTX, free_operation),
	FUNCTION(DIGEST_SIGN_INIT, begin),
	FUNCTION(DIGEST_SIGN, digest_sign),
	FUNCTION(SET_CTX_PARAMS, set_params),
	FUNCTION(SETTABLE_CTX_PARAMS, settable),
	{ 0, NULL },
};
