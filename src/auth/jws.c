/*
 * jws: signed tokens taken apart. Runs as root in an auth child. Distrusts every octet:
 * the token is a client's.
 *
 * The header is read before any key is there, and only a signature with a public key
 * goes on: never "none", never a MAC with the public key as its secret; and the key
 * must be of the kind and the curve that the algorithm names. base64 is libsodium's
 * (strict: no padding, no stray bits), JSON is jansson's, without a name that stands
 * twice, signatures are libcrypto's. Fails: whatever cannot be done is a token that
 * does not fit. A library for JWTs (libjwt) refuses RFC 9068's type and looks past
 * "crit".
 */
#include "auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <sodium.h>

enum { RSA_BITS_MIN = 2048 }; /* RFC 7518 section 3.3 */

struct jws_algorithm {
	const char *name, *digest;
	const char *curve; /* of ECDSA; NULL: RSA with PKCS1 padding */
	size_t half;	   /* octets of each of ECDSA's two numbers */
};

static const struct jws_algorithm algorithms[] = {
	{ "RS256", "SHA256", NULL, 0 },
	{ "RS384", "SHA384", NULL, 0 },
	{ "RS512", "SHA512", NULL, 0 },
	{ "ES256", "SHA256", "prime256v1", 32 },
	{ "ES384", "SHA384", "secp384r1", 48 },
	{ "ES512", "SHA512", "secp521r1", 66 },
};

enum { ALGORITHMS = sizeof(algorithms) / sizeof(algorithms[0]) };

/* --- form ------------------------------------------------------------------------- */

static int decode(struct span part, unsigned char *to, size_t size, size_t *n)
{
	return sodium_base642bin(to, size, (const char *)part.p, part.n, NULL, n, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* One part that holds a JSON object, or NULL. */
static json_t *object_of(struct span part)
{
	unsigned char octets[JWS_MAX];
	size_t n = 0;
	if (decode(part, octets, sizeof(octets), &n) < 0)
		return NULL;
	json_t *json =
		json_loadb((const char *)octets, n, JSON_REJECT_DUPLICATES, NULL);
	sodium_memzero(octets, n);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static const struct jws_algorithm *algorithm_of(const json_t *name)
{
	for (size_t i = 0; json_is_string(name) && i < ALGORITHMS; i++)
		if (strcmp(algorithms[i].name, json_string_value(name)) == 0)
			return &algorithms[i];
	return NULL;
}

/* An ID token is "JWT" or says nothing; an access token is "at+jwt" (RFC 9068 section
 * 2.1). What is signed by the same key for another purpose has another type (RFC 8725
 * section 3.11). */
static bool type_fits(const json_t *type)
{
	static const char *const types[] = { "JWT", "at+jwt", "application/at+jwt" };
	for (size_t i = 0; json_is_string(type) && i < sizeof(types) / sizeof(*types);
		i++)
		if (span_is_nocase(span_str(json_string_value(type)), types[i]))
			return true;
	return !type;
}

/* RFC 7515 section 4.1.11: what is critical and not understood refuses the token. */
static int read_header(struct jws *jws, struct span part)
{
	json_t *header = object_of(part);
	jws->algorithm = algorithm_of(json_object_get(header, "alg"));
	bool fits = jws->algorithm && type_fits(json_object_get(header, "typ")) &&
		    !json_object_get(header, "crit");
	json_decref(header);
	return fits ? 0 : -1;
}

int jws_parse(struct jws *jws, struct span token)
{
	struct span rest = token;
	*jws = (struct jws){ .claims = NULL };
	if (token.n > JWS_MAX)
		return -1;
	struct span header = span_cut(&rest, '.'), claims = span_cut(&rest, '.');
	if (header.n + claims.n + 2 + rest.n != token.n || read_header(jws, header) < 0)
		return -1;
	jws->text = span_head(token, header.n + 1 + claims.n);
	if (decode(rest, jws->signature, sizeof(jws->signature), &jws->signature_n) < 0)
		return -1;
	jws->claims = object_of(claims);
	return jws->claims ? 0 : -1;
}

void jws_free(struct jws *jws)
{
	json_decref(jws->claims);
	jws->claims = NULL;
}

/* --- signature ---------------------------------------------------------------------
 */

static bool has_curve(EVP_PKEY *key, const char *curve)
{
	char name[80];
	size_t n = 0;
	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, name, sizeof(name), &n) &&
	       strcmp(name, curve) == 0;
}

static bool key_is_for(EVP_PKEY *key, const struct jws_algorithm *algorithm)
{
	if (algorithm->curve)
		return has_curve(key, algorithm->curve);
	return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
}

bool jws_key_fits(EVP_PKEY *key)
{
	for (size_t i = 0; i < ALGORITHMS; i++)
		if (key_is_for(key, &algorithms[i]))
			return true;
	return false;
}

/* Two numbers side by side (RFC 7518 section 3.4), as libcrypto wants them. 0 when it
 * cannot be. *der is the caller's to free. */
static int put_der(const struct jws *jws, unsigned char **der)
{
	size_t half = jws->algorithm->half;
	ECDSA_SIG *signature = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(jws->signature, (int)half, NULL);
	BIGNUM *s = BN_bin2bn(jws->signature + half, (int)half, NULL);
	int n = 0;
	if (signature && r && s && ECDSA_SIG_set0(signature, r, s)) {
		n = i2d_ECDSA_SIG(signature, der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(signature);
	return n > 0 ? n : 0;
}

static bool verify(
	const struct jws *jws, EVP_PKEY *key, const unsigned char *signature, size_t n)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const EVP_MD *md = EVP_get_digestbyname(jws->algorithm->digest);
	bool good =
		context && md &&
		EVP_DigestVerifyInit(context, NULL, md, NULL, key) == 1 &&
		EVP_DigestVerify(context, signature, n, jws->text.p, jws->text.n) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

bool jws_is_signed_by(const struct jws *jws, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	if (!key_is_for(key, jws->algorithm))
		return false;
	if (!jws->algorithm->curve)
		return verify(jws, key, jws->signature, jws->signature_n);
	if (jws->signature_n != 2 * jws->algorithm->half)
		return false;
	int n = put_der(jws, &der);
	bool good = n > 0 && verify(jws, key, der, (size_t)n);
	OPENSSL_free(der);
	return good;
}
