/*
 * token: JWTs by libjwt. Runs as root in an auth child. Trusts the issuers' keys;
 * distrusts the token, which comes from the client.
 *
 * libjwt verifies with whatever algorithm the token's own header names; so the
 * header is read first, without a key, and only signatures with a public key go on:
 * never "none", never a MAC with the public key as its secret. What the token says
 * before its signature was checked chooses the issuer's key and nothing else.
 */
#include "auth/token.h"

#include "base/io.h"
#include "base/log.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <unistd.h>

static const jwt_alg_t algorithms[] = {
	JWT_ALG_RS256,
	JWT_ALG_RS384,
	JWT_ALG_RS512,
	JWT_ALG_ES256,
	JWT_ALG_ES384,
	JWT_ALG_ES512,
};

/* --- keys ----------------------------------------------------------------------- */

static int read_pem(struct issuer *issuer)
{
	int fd = open(issuer->setup->key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -1;
	issuer->pem = calloc(1, TOKEN_KEY_MAX + 1);
	ssize_t n = issuer->pem ? io_pread_full(fd, issuer->pem, TOKEN_KEY_MAX, 0) : -1;
	close(fd);
	if (n < 0)
		return -1;
	issuer->pem_n = (size_t)n;
	errno = EINVAL;
	return n > 0 && n < TOKEN_KEY_MAX ? 0 : -1;
}

static bool is_public_key(const struct issuer *issuer)
{
	BIO *bio = BIO_new_mem_buf(issuer->pem, (int)issuer->pem_n);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	bool good = key != NULL;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

int token_open(struct issuers *issuers, const struct auth_setup *setup)
{
	int result = 0;
	*issuers = (struct issuers){ .n = 0 };
	for (uint32_t i = 0; i < setup->issuers_n; i++) {
		struct issuer *issuer = &issuers->list[issuers->n];
		issuer->setup = &setup->issuers[i];
		errno = 0;
		if (read_pem(issuer) == 0 && is_public_key(issuer)) {
			issuers->n++;
			continue;
		}
		log_line("%s: no public key in PEM form of the issuer %s: %s",
			issuer->setup->key, issuer->setup->issuer, strerror(errno));
		free(issuer->pem);
		*issuer = (struct issuer){ .setup = NULL };
		result = -1;
	}
	return result;
}

/* --- a token ---------------------------------------------------------------------- */

static bool is_signature(const char *algorithm)
{
	jwt_alg_t is = algorithm ? jwt_str_alg(algorithm) : JWT_ALG_INVAL;
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i] == is)
			return true;
	return false;
}

static const struct issuer *issuer_of(const struct issuers *issuers, const char *name)
{
	for (uint32_t i = 0; name && i < issuers->n; i++)
		if (strcmp(issuers->list[i].setup->issuer, name) == 0)
			return &issuers->list[i];
	return NULL;
}

/* The unverified token says by whom it wants to be; its signature must agree. */
static const char *verify(const struct issuers *issuers, const char *text,
	jwt_t **token, const struct issuer **by)
{
	jwt_t *unverified = NULL;
	if (jwt_decode(&unverified, text, NULL, 0) != 0)
		return "token";
	*by = issuer_of(issuers, jwt_get_grant(unverified, "iss"));
	bool is_signed = is_signature(jwt_get_header(unverified, "alg"));
	jwt_free(unverified);
	if (!is_signed)
		return "token";
	if (!*by)
		return "token-issuer";
	return jwt_decode(token, text, (*by)->pem, (int)(*by)->pem_n) == 0 ? NULL
									   : "token";
}

/* A number of the token, which JSON may write with a fraction: -1 when missing. */
static int64_t moment(const json_t *grants, const char *name)
{
	const json_t *value = json_object_get(grants, name);
	double number = json_number_value(value);
	return json_is_number(value) && number >= 0 && number < 1e15 ? (int64_t)number
								     : -1;
}

static bool is_for(const json_t *audience, const char *ours)
{
	if (json_is_string(audience))
		return strcmp(json_string_value(audience), ours) == 0;
	for (size_t i = 0; i < json_array_size(audience); i++) {
		const char *one = json_string_value(json_array_get(audience, i));
		if (one && strcmp(one, ours) == 0)
			return true;
	}
	return false;
}

static const char *account_of(const json_t *grants, char *account)
{
	const json_t *name = json_object_get(grants, "email");
	if (!json_is_string(name))
		name = json_object_get(grants, "sub");
	else if (json_is_false(json_object_get(grants, "email_verified")))
		return "token";
	if (!json_is_string(name) || json_string_length(name) == 0)
		return "token";
	struct span text = span_of(json_string_value(name), json_string_length(name));
	return span_to_text(text, account, LOGIN_NAME_MAX + 1) < 0 ? "token" : NULL;
}

static const char *judge(
	const struct issuer *by, const json_t *grants, int64_t now, char *account)
{
	int64_t ends = moment(grants, "exp");
	if (ends < 0 || now >= ends)
		return "token-expired";
	if (json_object_get(grants, "nbf") &&
		(moment(grants, "nbf") < 0 || now < moment(grants, "nbf")))
		return "token-expired";
	const char *audience = by->setup->audience;
	if (audience[0] != '\0' && !is_for(json_object_get(grants, "aud"), audience))
		return "token-audience";
	return account_of(grants, account);
}

static const char *examine(
	const struct issuers *issuers, const char *text, int64_t now, char *account)
{
	jwt_t *token = NULL;
	const struct issuer *by = NULL;
	const char *reason = verify(issuers, text, &token, &by);
	char *grants_text = reason ? NULL : jwt_get_grants_json(token, NULL);
	json_t *grants = grants_text ? json_loads(grants_text, 0, NULL) : NULL;
	if (!reason)
		reason = grants ? judge(by, grants, now, account) : "token";
	json_decref(grants);
	free(grants_text);
	jwt_free(token);
	return reason;
}

const char *token_account(const struct issuers *issuers, struct span token,
	int64_t now_seconds, char account[LOGIN_NAME_MAX + 1])
{
	char text[LOGIN_SECRET_MAX + 1];
	account[0] = '\0';
	if (span_to_text(token, text, sizeof(text)) < 0)
		return "token";
	const char *reason = examine(issuers, text, now_seconds, account);
	explicit_bzero(text, sizeof(text));
	if (reason)
		account[0] = '\0';
	return reason;
}
