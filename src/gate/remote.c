/*
 * remote: the provider's front. Loaded in the gate parent, used by its children
 * during a handshake. Both of its algorithms refuse to export a private key, so
 * OpenSSL cannot but call us to sign; see provider-signature(7), provider-keymgmt(7).
 */
#include "gate/remote.h"

#include "base/poison.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#define REMOTE_PROPERTY "provider=" REMOTE_PROVIDER
#define RSA_NAMES	"RSA:rsaEncryption:1.2.840.113549.1.1.1"
#define EC_NAMES	"EC:id-ecPublicKey:1.2.840.10045.2.1"

static const OSSL_ALGORITHM keys[] = {
	{ RSA_NAMES, REMOTE_PROPERTY, remote_rsa_keys, NULL },
	{ EC_NAMES, REMOTE_PROPERTY, remote_ec_keys, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM signatures[] = {
	{ RSA_NAMES, REMOTE_PROPERTY, remote_signatures, NULL },
	{ "ECDSA", REMOTE_PROPERTY, remote_signatures, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *query(void *unused, int operation, int *no_cache)
{
	(void)unused;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static const OSSL_DISPATCH provider[] = {
	{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
	{ 0, NULL },
};

static int begin(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **context)
{
	static char stateless;
	(void)core, (void)in;
	*out = provider;
	*context = &stateless;
	return 1;
}

/* The default provider stays the first choice for all that does not name ours. */
static int load(void)
{
	if (OSSL_PROVIDER_available(NULL, REMOTE_PROVIDER))
		return 0;
	if (OSSL_PROVIDER_add_builtin(NULL, REMOTE_PROVIDER, begin) != 1 ||
		!OSSL_PROVIDER_load(NULL, "default") ||
		!OSSL_PROVIDER_load(NULL, REMOTE_PROVIDER) ||
		EVP_set_default_properties(NULL, "?provider=default") != 1)
		return -1;
	return 0;
}

static EVP_PKEY *make(const EVP_PKEY *public, OSSL_PARAM *params)
{
	const char *type = EVP_PKEY_is_a(public, "RSA") ? "RSA" : "EC";
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, REMOTE_PROPERTY);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *remote_key(const EVP_PKEY *public, struct told *told)
{
	void *where = told;
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = NULL, more[] = {
		OSSL_PARAM_construct_octet_ptr(REMOTE_TOLD, &where, sizeof(*told)),
		OSSL_PARAM_construct_end(),
	};
	if (load() < 0 || EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &params) != 1)
		return NULL;
	OSSL_PARAM *all = OSSL_PARAM_merge(params, more);
	if (all)
		key = make(public, all);
	OSSL_PARAM_free(all);
	OSSL_PARAM_free(params);
	return key;
}
