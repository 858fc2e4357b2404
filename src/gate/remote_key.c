/*
 * remote_key: key management of the provider (provider-keymgmt(7)). A key is the public
 * half; all that is asked of it is answered by OpenSSL's own provider. It says that
 * it has a private half, and exports none.
 */
#include "gate/remote.h"

#include "base/poison.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>

static void *new_key(void *unused)
{
	(void)unused;
	return calloc(1, sizeof(struct remote_key));
}

static void free_key(void *data)
{
	struct remote_key *key = data;
	if (!key)
		return;
	EVP_PKEY_free(key->public);
	free(key);
}

static int has(const void *data, int selection)
{
	const struct remote_key *key = data;
	(void)selection;
	return key && key->public;
}

static int match(const void *a, const void *b, int selection)
{
	const struct remote_key *one = a, *other = b;
	(void)selection;
	return EVP_PKEY_eq(one->public, other->public) == 1;
}

static int import(struct remote_key *key, const char *type, const OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, "provider=default");
	const OSSL_PARAM *told = OSSL_PARAM_locate_const(params, REMOTE_TOLD);
	const void *where = NULL;
	int ok = told && OSSL_PARAM_get_octet_ptr(told, &where, NULL) == 1 && ctx &&
		 EVP_PKEY_fromdata_init(ctx) == 1 &&
		 EVP_PKEY_fromdata(ctx, &key->public, EVP_PKEY_PUBLIC_KEY,
			 (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	key->told = (struct told *)(uintptr_t)where;
	return ok;
}

static int import_rsa(void *data, int selection, const OSSL_PARAM params[])
{
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY &&
		OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_D))
		return 0;
	return import(data, "RSA", params);
}

static int import_ec(void *data, int selection, const OSSL_PARAM params[])
{
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY &&
		OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY))
		return 0;
	return import(data, "EC", params);
}

/* OpenSSL would sign by itself with what it can export: a selection with a private
 * key in it fails. */
static int export(void *data, int selection, OSSL_CALLBACK *take, void *context)
{
	const struct remote_key *key = data;
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	return EVP_PKEY_export(key->public, selection, take, context);
}

static const OSSL_PARAM *rsa_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};
	return selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? types : NULL;
}

static const OSSL_PARAM *ec_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};
	return selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? types : NULL;
}

static int get_params(void *data, OSSL_PARAM params[])
{
	const struct remote_key *key = data;
	return EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *gettable(void *unused)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_utf8_string(
			OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
		OSSL_PARAM_END,
	};
	(void)unused;
	return types;
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define FUNCTION(id, function)                                     \
	{                                                          \
		OSSL_FUNC_KEYMGMT_##id, (void (*)(void))(function) \
	}

const OSSL_DISPATCH remote_rsa_keys[] = {
	FUNCTION(NEW, new_key),
	FUNCTION(FREE, free_key),
	FUNCTION(HAS, has),
	FUNCTION(MATCH, match),
	FUNCTION(IMPORT, import_rsa),
	FUNCTION(IMPORT_TYPES, rsa_types),
	FUNCTION(EXPORT, export),
	FUNCTION(EXPORT_TYPES, rsa_types),
	FUNCTION(GET_PARAMS, get_params),
	FUNCTION(GETTABLE_PARAMS, gettable),
	{ 0, NULL },
};

const OSSL_DISPATCH remote_ec_keys[] = {
	FUNCTION(NEW, new_key),
	FUNCTION(FREE, free_key),
	FUNCTION(HAS, has),
	FUNCTION(MATCH, match),
	FUNCTION(IMPORT, import_ec),
	FUNCTION(IMPORT_TYPES, ec_types),
	FUNCTION(EXPORT, export),
	FUNCTION(EXPORT_TYPES, ec_types),
	FUNCTION(GET_PARAMS, get_params),
	FUNCTION(GETTABLE_PARAMS, gettable),
	FUNCTION(QUERY_OPERATION_NAME, ec_operation),
	{ 0, NULL },
};
