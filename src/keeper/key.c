/*
 * key: reads the private key at start, while files can still be read, and signs.
 * The key lies in OpenSSL's secure heap (locked, not in core files) as far as the
 * system allows it. Runs in the keeper; what is signed comes from a gate and has
 * been looked at by form.c.
 */
#include "keeper/key.h"

#include "base/log.h"
#include "keeper/form.h"
#include "postern/fds.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

enum { SECURE_HEAP = 1 << 16, SECURE_SMALLEST = 32 }; /* octets */

/* One log line: what failed, on which file, and OpenSSL's first reason. */
static int complain(const char *path, const char *what)
{
	unsigned long error = ERR_peek_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	log_line("%s: %s%s%s", path, what, reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
	return -1;
}

static int no_passphrase(char *out, int size, int writing, void *unused)
{
	(void)out, (void)size, (void)writing, (void)unused;
	return -1;
}

static X509 *read_certificate(void)
{
	BIO *pem = BIO_new_fd(FD_KEEPER_CERTIFICATE, BIO_CLOSE);
	X509 *leaf = pem ? PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL) : NULL;
	BIO_free(pem);
	return leaf;
}

static EVP_PKEY *read_key(void)
{
	BIO *pem = BIO_new_fd(FD_KEEPER_KEY, BIO_CLOSE);
	EVP_PKEY *pkey =
		pem ? PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL) : NULL;
	BIO_free(pem);
	return pkey;
}

static int check(struct key *key, X509 *leaf, const struct keeper_setup *setup)
{
	if (!leaf)
		return complain(setup->certificate_path,
			"no certificate (PEM) can be read from it");
	if (!key->pkey)
		return complain(setup->key_path,
			"no private key (PEM, without passphrase) can be read from it");
	key->rsa = EVP_PKEY_is_a(key->pkey, "RSA");
	if (!key->rsa && !EVP_PKEY_is_a(key->pkey, "EC"))
		return complain(setup->key_path, "is neither an RSA nor an ECDSA key");
	if (X509_check_private_key(leaf, key->pkey) == 1)
		return 0;
	ERR_clear_error();
	log_line("%s: is not the private key of the certificate in %s", setup->key_path,
		setup->certificate_path);
	return -1;
}

int key_read(struct key *key, const struct keeper_setup *setup)
{
	/* Where memory may not be locked the key lies in the ordinary heap. */
	(void)CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_SMALLEST);
	ERR_clear_error();
	X509 *leaf = read_certificate();
	key->pkey = read_key();
	int result = check(key, leaf, setup);
	X509_free(leaf);
	return result;
}

struct scheme {
	enum keeper_scheme scheme;
	bool rsa, pss;
	const char *digest;
};

static const struct scheme schemes[] = {
	{ SCHEME_RSA_PSS_SHA256, true, true, "SHA256" },
	{ SCHEME_RSA_PSS_SHA384, true, true, "SHA384" },
	{ SCHEME_RSA_PSS_SHA512, true, true, "SHA512" },
	{ SCHEME_ECDSA_SHA256, false, false, "SHA256" },
	{ SCHEME_ECDSA_SHA384, false, false, "SHA384" },
	{ SCHEME_ECDSA_SHA512, false, false, "SHA512" },
	/* TLS 1.2 only (RFC 8446 section 4.2.3) */
	{ SCHEME_RSA_PKCS1_SHA256, true, false, "SHA256" },
	{ SCHEME_RSA_PKCS1_SHA384, true, false, "SHA384" },
	{ SCHEME_RSA_PKCS1_SHA512, true, false, "SHA512" },
};

/* The row, when key, scheme and form go together. */
static const struct scheme *find(const struct key *key, const struct keeper_sign *sign)
{
	enum form form = form_of(sign->octets);
	if (form == FORM_NONE)
		return NULL;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const struct scheme *s = &schemes[i];
		if (s->scheme != sign->scheme || s->rsa != key->rsa)
			continue;
		return s->rsa && !s->pss && form == FORM_TLS13 ? NULL : s;
	}
	return NULL;
}

static bool set_padding(EVP_PKEY_CTX *ctx, const struct scheme *s)
{
	if (!s->pss)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

ssize_t key_sign(const struct key *key, const struct keeper_sign *sign,
	unsigned char *signature, size_t size)
{
	const struct scheme *s = find(key, sign);
	EVP_PKEY_CTX *padding; /* ctx owns it */
	EVP_MD_CTX *ctx = s ? EVP_MD_CTX_new() : NULL;
	bool ok = ctx &&
		  EVP_DigestSignInit_ex(
			  ctx, &padding, s->digest, NULL, NULL, key->pkey, NULL) == 1 &&
		  set_padding(padding, s) &&
		  EVP_DigestSign(
			  ctx, signature, &size, sign->octets.p, sign->octets.n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? (ssize_t)size : -1;
}
