/*
 * proof: see proof.h. Runs as root in an auth child, on octets that a gate sent: none
 * is believed before the keeper's testimony about them has been checked, and the
 * certificate is not parsed before an administrator's mapping named it.
 *
 * The client signs all messages before its own CertificateVerify (RFC 8446
 * section 4.4.3, RFC 5246 section 7.4.8), the server's signature with them: so it was
 * made in the handshake that the keeper signed, and that was this connection's. A
 * handshake with a HelloRetryRequest is of neither order, and not taken.
 */
#include "auth/proof.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum {
	HEADER = 4,
	RANDOM = 32,
	MESSAGES = 9,
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	ENCRYPTED_EXTENSIONS = 8,
	CERTIFICATE = 11,
	SERVER_KEY_EXCHANGE = 12,
	CERTIFICATE_REQUEST = 13,
	SERVER_HELLO_DONE = 14,
	CERTIFICATE_VERIFY = 15,
	CLIENT_KEY_EXCHANGE = 16,
	FINISHED = 20,
	SUITE_AES_256_GCM_SHA384 = 0x1302,
};

static const unsigned char order13[MESSAGES] = { CLIENT_HELLO, SERVER_HELLO,
	ENCRYPTED_EXTENSIONS, CERTIFICATE_REQUEST, CERTIFICATE, CERTIFICATE_VERIFY,
	FINISHED, CERTIFICATE, CERTIFICATE_VERIFY };

static const unsigned char order12[MESSAGES] = { CLIENT_HELLO, SERVER_HELLO,
	CERTIFICATE, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE,
	CERTIFICATE, CLIENT_KEY_EXCHANGE, CERTIFICATE_VERIFY };

/* The places in these orders. */
enum { THE_KEYS = 3, SERVER_VERIFY = 5, SHOWN13 = 7, SHOWN12 = 6, LAST = 8 };

/* --- taking apart: sticky, as ipc/msg.h, but big-endian -------------------------- */

struct in {
	struct span rest;
	bool bad;
};

static struct span take(struct in *in, size_t n)
{
	struct span got = span_head(in->rest, n);
	if (got.n < n)
		in->bad = true;
	if (in->bad)
		return span_of("", 0);
	in->rest = span_tail(in->rest, n);
	return got;
}

static size_t take_number(struct in *in, size_t octets)
{
	struct span s = take(in, octets);
	size_t number = 0;
	for (size_t i = 0; i < s.n; i++)
		number = number << 8 | s.p[i];
	return number;
}

/* A length in so many octets, and what it counts. */
static struct span take_vector(struct in *in, size_t octets)
{
	return take(in, take_number(in, octets));
}

static void take_signature(struct in *in, struct proof_signature *s)
{
	s->scheme = (unsigned)take_number(in, 2);
	s->signature = take_vector(in, 2);
}

static bool is_done(const struct in *in)
{
	return !in->bad && in->rest.n == 0;
}

static int split(struct span messages, const unsigned char *order, struct span *parts)
{
	struct in in = { .rest = messages };
	for (size_t i = 0; i < MESSAGES; i++) {
		const unsigned char *begin = in.rest.p;
		size_t type = take_number(&in, 1);
		struct span body = take_vector(&in, 3);
		if (in.bad || type != order[i])
			return -1;
		parts[i] = span_of(begin, HEADER + body.n);
	}
	return is_done(&in) ? 0 : -1;
}

static struct in open(const struct span *part)
{
	return (struct in){ .rest = span_tail(*part, HEADER) };
}

static struct span before(struct span messages, const struct span *part)
{
	return span_head(messages, (size_t)(part->p - messages.p));
}

/* --- what was signed -------------------------------------------------------------- */

/* RFC 8446 section 4.4.3. The octets of out[PROOF_SIGNED_MAX], or 0. */
static size_t form13(const struct proof *proof, const char *who, struct span said,
	unsigned char *out)
{
	const EVP_MD *md = proof->sha384 ? EVP_sha384() : EVP_sha256();
	unsigned n = 0;
	memset(out, ' ', 64);
	size_t at = 64 +
		    (size_t)snprintf((char *)out + 64, 64,
			    "TLS 1.3, %s CertificateVerify", who) +
		    1;
	return EVP_Digest(said.p, said.n, out + at, &n, md, NULL) == 1 ? at + n : 0;
}

static int server13(struct span messages, const struct span *parts, struct proof *proof)
{
	struct proof_signature server;
	struct in in = open(&parts[SERVER_VERIFY]);
	take_signature(&in, &server);
	proof->server_signature = server.signature;
	proof->server_n = form13(proof, "server",
		before(messages, &parts[SERVER_VERIFY]), proof->server_octets);
	return is_done(&in) && proof->server_n ? 0 : -1;
}

static struct span random_of(const struct span *hello)
{
	struct in in = open(hello);
	take(&in, 2);
	return take(&in, RANDOM);
}

/* RFC 5246 section 7.4.3, RFC 8422 section 5.4: randoms and parameters. */
static int server12(const struct span *parts, struct proof *proof)
{
	struct proof_signature server;
	struct in in = open(&parts[THE_KEYS]);
	struct span all = in.rest;
	struct span randoms[2] = { random_of(&parts[0]), random_of(&parts[1]) };
	take(&in, 3);
	take_vector(&in, 1);
	struct span params = span_head(all, all.n - in.rest.n);
	take_signature(&in, &server);
	proof->server_signature = server.signature;
	if (!is_done(&in) || randoms[0].n + randoms[1].n != 2 * RANDOM ||
		params.n > sizeof(proof->server_octets) - 2 * RANDOM)
		return -1;
	memcpy(proof->server_octets, randoms[0].p, RANDOM);
	memcpy(proof->server_octets + RANDOM, randoms[1].p, RANDOM);
	memcpy(proof->server_octets + 2 * RANDOM, params.p, params.n);
	proof->server_n = 2 * RANDOM + params.n;
	return 0;
}

static int read_suite(const struct span *hello, struct proof *proof)
{
	struct in in = open(hello);
	take(&in, 2 + RANDOM);
	take_vector(&in, 1);
	proof->sha384 = take_number(&in, 2) == SUITE_AES_256_GCM_SHA384;
	return in.bad ? -1 : 0;
}

static int read_client(
	struct span messages, const struct span *parts, struct proof *proof)
{
	struct in shown = open(&parts[proof->tls13 ? SHOWN13 : SHOWN12]);
	struct in verify = open(&parts[LAST]);
	if (proof->tls13 && take_number(&shown, 1) != 0)
		return -1;
	struct in list = { .rest = take_vector(&shown, 3) };
	proof->certificate = take_vector(&list, 3);
	take_signature(&verify, &proof->client);
	proof->client.octets = before(messages, &parts[LAST]);
	return is_done(&shown) && !list.bad && proof->certificate.n && is_done(&verify)
		       ? 0
		       : -1;
}

int proof_read(struct span messages, struct proof *proof)
{
	struct span parts[MESSAGES] = { { NULL, 0 } };
	*proof = (struct proof){ .tls13 = split(messages, order13, parts) == 0 };
	if (!proof->tls13 && split(messages, order12, parts) < 0)
		return -1;
	if (read_suite(&parts[1], proof) < 0 || read_client(messages, parts, proof) < 0)
		return -1;
	return proof->tls13 ? server13(messages, parts, proof) : server12(parts, proof);
}

/* --- who signed ---------------------------------------------------------------------
 */

bool proof_is_ours(const struct proof *proof, const unsigned char key[WITNESS_KEY],
	uint64_t connection, struct span witness)
{
	unsigned char expected[WITNESS];
	if (witness.n != WITNESS)
		return false;
	witness_make(key, connection, span_of(proof->server_octets, proof->server_n),
		proof->server_signature, expected);
	return witness_is(expected, witness.p);
}

static const struct scheme {
	unsigned number;
	const char *key, *digest;
	int padding; /* 0: none, or RSA's */
	bool old;    /* TLS 1.2 only */
} schemes[] = {
	{ 0x0804, "RSA", "SHA256", RSA_PKCS1_PSS_PADDING, false },
	{ 0x0805, "RSA", "SHA384", RSA_PKCS1_PSS_PADDING, false },
	{ 0x0806, "RSA", "SHA512", RSA_PKCS1_PSS_PADDING, false },
	{ 0x0403, "EC", "SHA256", 0, false },
	{ 0x0503, "EC", "SHA384", 0, false },
	{ 0x0603, "EC", "SHA512", 0, false },
	{ 0x0807, "ED25519", NULL, 0, false },
	{ 0x0401, "RSA", "SHA256", RSA_PKCS1_PADDING, true },
	{ 0x0501, "RSA", "SHA384", RSA_PKCS1_PADDING, true },
	{ 0x0601, "RSA", "SHA512", RSA_PKCS1_PADDING, true },
};

static const struct scheme *scheme_of(const struct proof *proof, const EVP_PKEY *key)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i].number == proof->client.scheme &&
			EVP_PKEY_is_a(key, schemes[i].key) &&
			!(schemes[i].old && proof->tls13))
			return &schemes[i];
	return NULL;
}

static bool is_signed(const struct proof_signature *s, struct span octets,
	const struct scheme *scheme, EVP_PKEY *key)
{
	EVP_PKEY_CTX *padding; /* ctx owns it */
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, &padding, scheme->digest, NULL,
				 NULL, key, NULL) == 1;
	if (ok && scheme->padding)
		ok = EVP_PKEY_CTX_set_rsa_padding(padding, scheme->padding) == 1;
	if (ok && scheme->padding == RSA_PKCS1_PSS_PADDING)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(
			     padding, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestVerify(ctx, s->signature.p, s->signature.n, octets.p,
			   octets.n) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

bool proof_is_the_owners(const struct proof *proof)
{
	unsigned char form[PROOF_SIGNED_MAX];
	const unsigned char *der = proof->certificate.p;
	struct span octets = proof->client.octets;
	X509 *certificate = d2i_X509(NULL, &der, (long)proof->certificate.n);
	EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
	const struct scheme *scheme = key ? scheme_of(proof, key) : NULL;
	if (proof->tls13)
		octets = span_of(form, form13(proof, "client", octets, form));
	bool ok = scheme && octets.n && is_signed(&proof->client, octets, scheme, key);
	X509_free(certificate);
	ERR_clear_error();
	return ok;
}
