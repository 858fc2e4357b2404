/*
 * token: what a signed token says of its owner. Runs as root in an auth child. Trusts
 * the issuers' keys; distrusts the token, which comes from the client: what it says
 * before its signature was checked chooses the issuer's key and nothing else.
 */
#include "auth/token.h"

#include "accounts/name.h"
#include "auth/jws.h"
#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <unistd.h>

/* --- keys ----------------------------------------------------------------------- */

static ssize_t read_pem(const char *path, unsigned char pem[TOKEN_KEY_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -1;
	ssize_t n = io_pread_full(fd, pem, TOKEN_KEY_MAX, 0);
	close(fd);
	errno = n < 0 ? errno : EINVAL;
	return n > 0 && n < TOKEN_KEY_MAX ? n : -1;
}

/* A public key that a token can be verified with, or NULL. */
static EVP_PKEY *read_key(const char *path)
{
	unsigned char pem[TOKEN_KEY_MAX];
	ssize_t n = read_pem(path, pem);
	BIO *bio = n > 0 ? BIO_new_mem_buf(pem, (int)n) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (key && jws_key_fits(key))
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

int token_open(struct issuers *issuers, const struct auth_setup *setup)
{
	int result = 0;
	*issuers = (struct issuers){ .n = 0 };
	for (uint32_t i = 0; i < setup->issuers_n; i++) {
		struct issuer *issuer = &issuers->list[issuers->n];
		errno = 0;
		issuer->setup = &setup->issuers[i];
		issuer->key = read_key(issuer->setup->key);
		if (issuer->key) {
			issuers->n++;
			continue;
		}
		log_line("%s: no public key in PEM form (RSA of 2048 bits or more, "
			 "P-256, P-384, P-521) of the issuer %s: %s",
			issuer->setup->key, issuer->setup->issuer, strerror(errno));
		result = -1;
	}
	return result;
}

/* --- a token ---------------------------------------------------------------------- */

static const struct issuer *issuer_of(const struct issuers *issuers, const json_t *name)
{
	for (uint32_t i = 0; json_is_string(name) && i < issuers->n; i++)
		if (strcmp(issuers->list[i].setup->issuer, json_string_value(name)) ==
			0)
			return &issuers->list[i];
	return NULL;
}

/* A number of the token, which JSON may write with a fraction: -1 when missing. */
static int64_t moment(const json_t *claims, const char *name)
{
	const json_t *value = json_object_get(claims, name);
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

/* OpenID Connect Core section 5.1: email_verified is a JSON boolean. Whoever types an
 * address that is not his into a form must not have its mail, so only true is true:
 * not "true", not 1, and nothing is not. */
static const char *account_of(const json_t *claims, char *account)
{
	const json_t *name = json_object_get(claims, "email");
	if (!name)
		name = json_object_get(claims, "sub");
	else if (!json_is_true(json_object_get(claims, "email_verified")))
		return "token-email";
	if (!json_is_string(name) || json_string_length(name) == 0)
		return "token";
	struct span text = span_of(json_string_value(name), json_string_length(name));
	return span_to_text(text, account, LOGIN_NAME_MAX + 1) < 0 ? "token" : NULL;
}

static const char *judge(
	const struct issuer_setup *by, const json_t *claims, int64_t now, char *account)
{
	int64_t ends = moment(claims, "exp");
	if (ends < 0 || now >= ends)
		return "token-expired";
	if (json_object_get(claims, "nbf") &&
		(moment(claims, "nbf") < 0 || now < moment(claims, "nbf")))
		return "token-expired";
	if (by->audience[0] != '\0' &&
		!is_for(json_object_get(claims, "aud"), by->audience))
		return "token-audience";
	return account_of(claims, account);
}

static const char *examine(const struct issuers *issuers, struct jws *jws, int64_t now,
	char *account, const struct issuer_setup **by)
{
	const struct issuer *issuer =
		issuer_of(issuers, json_object_get(jws->claims, "iss"));
	if (!issuer)
		return "token-issuer";
	if (!jws_is_signed_by(jws, issuer->key))
		return "token";
	*by = issuer->setup;
	return judge(issuer->setup, jws->claims, now, account);
}

const char *token_account(const struct issuers *issuers, struct span token,
	int64_t now_seconds, char account[LOGIN_NAME_MAX + 1],
	const struct issuer_setup **by)
{
	struct jws jws;
	const char *reason = "token";
	account[0] = '\0';
	*by = NULL;
	if (jws_parse(&jws, token) == 0)
		reason = examine(issuers, &jws, now_seconds, account, by);
	jws_free(&jws);
	if (reason)
		account[0] = '\0';
	return reason;
}

bool token_is_of_domain(const struct issuer_setup *by, const char *name)
{
	struct span domain = account_domain(name), rest = span_str(by->domains);
	if (rest.n == 0)
		return true;
	while (rest.n) {
		struct span one = span_cut(&rest, ' ');
		char text[SETUP_DOMAINS_MAX + 1];
		if (domain.n && span_to_text(one, text, sizeof(text)) == 0 &&
			span_is_nocase(domain, text))
			return true;
	}
	return false;
}
