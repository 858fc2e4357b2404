/*
 * The keys that a gate would give to the kernel are the connection's: what is made with
 * them by hand, as RFC 8446 and RFC 5246 say it, the client reads, and what it writes
 * can be opened with them. No kernel in it: both ends are OpenSSL's, in memory.
 */
#include "gate/offload.h"

#include "base/span.h"

#include <criterion/criterion.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

enum { TAG = 16, HEADER = 5, NONCE = 8, RECORD_MAX = 512 };

struct talk {
	SSL_CTX *server_ctx, *client_ctx;
	SSL *server, *client;
	struct offload offload;
};

/* --- two ends -----------------------------------------------------------------------
 */

static void make_certificate(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	cr_assert(X509_sign(x, key, EVP_sha256()));
	cr_assert_eq(SSL_CTX_use_certificate(ctx, x), 1);
	cr_assert_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void make_contexts(struct talk *t, int version, const char *cipher)
{
	t->server_ctx = SSL_CTX_new(TLS_server_method());
	t->client_ctx = SSL_CTX_new(TLS_client_method());
	make_certificate(t->server_ctx);
	SSL_CTX_set_read_ahead(t->server_ctx, 1);
	offload_prepare(t->server_ctx);
	SSL_CTX_set_min_proto_version(t->client_ctx, version);
	SSL_CTX_set_max_proto_version(t->client_ctx, version);
	cr_assert_eq(version == TLS1_3_VERSION
			     ? SSL_CTX_set_ciphersuites(t->client_ctx, cipher)
			     : SSL_CTX_set_cipher_list(t->client_ctx, cipher),
		1);
}

static void converse(struct talk *t, const char *said)
{
	char heard[64];
	int n = (int)strlen(said);
	cr_assert_eq(SSL_write(t->client, said, n), n);
	cr_assert_eq(SSL_read(t->server, heard, sizeof(heard)), n);
	cr_assert_eq(SSL_write(t->server, "+OK\r\n", 5), 5);
	cr_assert_eq(SSL_read(t->client, heard, sizeof(heard)), 5);
}

static void connect_ends(struct talk *t, SSL_SESSION *session)
{
	BIO *ours, *theirs;
	t->server = SSL_new(t->server_ctx);
	t->client = SSL_new(t->client_ctx);
	cr_assert_eq(BIO_new_bio_pair(&ours, 65536, &theirs, 65536), 1);
	SSL_set_bio(t->server, ours, ours);
	SSL_set_bio(t->client, theirs, theirs);
	SSL_set_accept_state(t->server);
	SSL_set_connect_state(t->client);
	offload_begin(&t->offload, UINT32_MAX, t->server);
	if (session)
		SSL_set_session(t->client, session);
	for (int i = 0; i < 8; i++) {
		SSL_do_handshake(t->client);
		SSL_do_handshake(t->server);
	}
	cr_assert(SSL_is_init_finished(t->server) && SSL_is_init_finished(t->client));
	converse(t, "USER joe\r\n");
	converse(t, "PASS tanstaaf\r\n");
}

static void disconnect(struct talk *t)
{
	SSL_shutdown(t->client);
	SSL_free(t->server);
	SSL_free(t->client);
}

static void free_contexts(struct talk *t)
{
	SSL_CTX_free(t->server_ctx);
	SSL_CTX_free(t->client_ctx);
}

/* --- records by hand
 * ------------------------------------------------------------------- */

static const EVP_CIPHER *aead(const struct ktls_keys *k)
{
	return k->cipher == KTLS_AES_128_GCM   ? EVP_aes_128_gcm()
	       : k->cipher == KTLS_AES_256_GCM ? EVP_aes_256_gcm()
					       : EVP_chacha20_poly1305();
}

static bool has_nonce(const struct ktls_keys *k)
{
	return !k->tls13 && k->cipher != KTLS_CHACHA20;
}

/* The nonce of this record; explicit: the part that stood in it, or NULL. */
static void make_nonce(const struct ktls_keys *k, const unsigned char *explicit,
	unsigned char nonce[KTLS_IV])
{
	memcpy(nonce, k->iv, KTLS_IV);
	if (explicit) {
		memcpy(nonce + KTLS_IV - NONCE, explicit, NONCE);
		return;
	}
	for (int i = 0; i < 8; i++)
		nonce[KTLS_IV - 1 - i] ^= (unsigned char)(k->record >> 8 * i);
}

/* What is authenticated and not encrypted; its size. */
static int make_extra(const struct ktls_keys *k, const unsigned char *header,
	size_t text, unsigned char *out)
{
	if (k->tls13) {
		memcpy(out, header, HEADER);
		return HEADER;
	}
	for (int i = 0; i < 8; i++)
		out[i] = (unsigned char)(k->record >> 8 * (7 - i));
	memcpy(out + 8, header, 3);
	out[11] = (unsigned char)(text >> 8);
	out[12] = (unsigned char)text;
	return 13;
}

/* One record of application data; its size. */
static size_t seal(const struct ktls_keys *k, const char *text, unsigned char *out)
{
	unsigned char plain[RECORD_MAX], extra[16], nonce[KTLS_IV];
	size_t n = strlen(text), before = has_nonce(k) ? NONCE : 0;
	int moved;
	memcpy(plain, text, n);
	plain[n] = SSL3_RT_APPLICATION_DATA; /* TLS 1.3: the type stands within */
	size_t inner = n + k->tls13, length = before + inner + TAG;
	const unsigned char header[HEADER] = { SSL3_RT_APPLICATION_DATA, 3, 3,
		(unsigned char)(length >> 8), (unsigned char)length };
	memcpy(out, header, HEADER);
	memcpy(out + HEADER, k->iv + KTLS_IV - NONCE, before);
	make_nonce(k, before ? out + HEADER : NULL, nonce);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(c, aead(k), NULL, k->key, nonce);
	EVP_EncryptUpdate(c, NULL, &moved, extra, make_extra(k, header, n, extra));
	unsigned char *body = out + HEADER + before;
	EVP_EncryptUpdate(c, body, &moved, plain, (int)inner);
	EVP_EncryptFinal_ex(c, body + inner, &moved);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, body + inner);
	EVP_CIPHER_CTX_free(c);
	return HEADER + length;
}

/* What one record says; its octets, or 0: it is not of these keys. */
static size_t open_record(
	const struct ktls_keys *k, unsigned char *in, size_t size, unsigned char *text)
{
	unsigned char extra[16], nonce[KTLS_IV];
	size_t before = HEADER + (has_nonce(k) ? NONCE : 0), n = size - before - TAG;
	int moved;
	make_nonce(k, has_nonce(k) ? in + HEADER : NULL, nonce);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	EVP_DecryptInit_ex(c, aead(k), NULL, k->key, nonce);
	EVP_DecryptUpdate(c, NULL, &moved, extra, make_extra(k, in, n, extra));
	EVP_DecryptUpdate(c, text, &moved, in + before, (int)n);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, in + size - TAG);
	int good = EVP_DecryptFinal_ex(c, text + n, &moved);
	EVP_CIPHER_CTX_free(c);
	return good == 1 ? n - k->tls13 : 0;
}

/* --- the tests
 * ---------------------------------------------------------------------------- */

static const struct {
	int version;
	const char *cipher;
	enum ktls_cipher kind;
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", KTLS_AES_128_GCM },
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", KTLS_AES_256_GCM },
	{ TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", KTLS_CHACHA20 },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", KTLS_AES_128_GCM },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", KTLS_AES_256_GCM },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", KTLS_CHACHA20 },
};

enum { SUITES = sizeof(suites) / sizeof(*suites) };

/* As the kernel would go on: several records each way. */
static void go_on(struct talk *t, enum ktls_cipher kind)
{
	struct ktls_keys out, in;
	unsigned char record[RECORD_MAX], text[RECORD_MAX];
	cr_assert_eq(offload_keys(&t->offload, t->server, true, &out), 0);
	cr_assert_eq(offload_keys(&t->offload, t->server, false, &in), 0);
	cr_assert(out.cipher == kind && in.cipher == kind);
	for (int i = 0; i < 3; i++, out.record++, in.record++) {
		int n = (int)seal(&out, "+OK in clear\r\n", record);
		cr_assert_eq(BIO_write(SSL_get_wbio(t->server), record, n), n);
		cr_assert_eq(
			SSL_read(t->client, text, sizeof(text)), 14, "record %d", i);
		cr_assert(span_is(span_of(text, 14), "+OK in clear\r\n"));
		cr_assert_eq(SSL_write(t->client, "STAT\r\n", 6), 6);
		n = BIO_read(SSL_get_rbio(t->server), record, sizeof(record));
		size_t got = open_record(&in, record, (size_t)n, text);
		cr_assert(span_is(span_of(text, got), "STAT\r\n"), "record %d", i);
	}
}

Test(offload, keys)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct talk t = { 0 };
		make_contexts(&t, suites[i].version, suites[i].cipher);
		connect_ends(&t, NULL);
		go_on(&t, suites[i].kind);
		disconnect(&t);
		free_contexts(&t);
	}
}

Test(offload, resumed)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct talk t = { 0 };
		make_contexts(&t, suites[i].version, suites[i].cipher);
		connect_ends(&t, NULL);
		SSL_SESSION *session = SSL_get1_session(t.client);
		disconnect(&t);
		connect_ends(&t, session);
		cr_assert(SSL_session_reused(t.server), "%s", suites[i].cipher);
		go_on(&t, suites[i].kind);
		disconnect(&t);
		SSL_SESSION_free(session);
		free_contexts(&t);
	}
}

/* The client has changed its keys: those that are known are none. */
Test(offload, key_update)
{
	struct talk t = { 0 };
	make_contexts(&t, TLS1_3_VERSION, suites[0].cipher);
	connect_ends(&t, NULL);
	cr_assert_not(t.offload.rekeyed);
	cr_assert_eq(SSL_key_update(t.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	converse(&t, "USER joe\r\n");
	cr_assert(t.offload.rekeyed);
	cr_assert_not(offload_possible(&t.offload, t.server));
	disconnect(&t);
	free_contexts(&t);
}

/* What a kernel cannot do is not asked of it; nor where the switch is off. */
Test(offload, not_of_this_kernel)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct talk t = { 0 };
		bool tls13 = suites[i].version == TLS1_3_VERSION;
		make_contexts(&t, suites[i].version, suites[i].cipher);
		connect_ends(&t, NULL);
		t.offload.attached = true;
		cr_assert(offload_possible(&t.offload, t.server));
		t.offload.kernel = ~ktls_bit(suites[i].kind, tls13);
		cr_assert_not(offload_possible(&t.offload, t.server));
		disconnect(&t);
		free_contexts(&t);
	}
}

/* Keys that nobody derived are no keys: the kernel would seal with zeros. */
Test(offload, a_secret_that_never_came)
{
	struct talk t = { 0 };
	struct ktls_keys keys;
	make_contexts(&t, TLS1_3_VERSION, suites[0].cipher);
	connect_ends(&t, NULL);
	size_t server = t.offload.server_n;
	t.offload.server_n = 0;
	cr_assert_lt(offload_keys(&t.offload, t.server, true, &keys), 0);
	cr_assert_eq(offload_keys(&t.offload, t.server, false, &keys), 0);
	t.offload.server_n = server;
	t.offload.client_n = 0;
	cr_assert_eq(offload_keys(&t.offload, t.server, true, &keys), 0);
	cr_assert_lt(offload_keys(&t.offload, t.server, false, &keys), 0);
	cr_assert_lt(offload_hand_over(&t.offload, t.server), 0);
	disconnect(&t);
	free_contexts(&t);
}

/* Octets that OpenSSL has already would be lost to the kernel. */
Test(offload, read_ahead)
{
	for (size_t i = 0; i < SUITES; i++) {
		struct talk t = { 0 };
		char heard[64];
		make_contexts(&t, suites[i].version, suites[i].cipher);
		connect_ends(&t, NULL);
		t.offload.attached = true;
		cr_assert_eq(SSL_write(t.client, "PASS x\r\n", 8), 8);
		cr_assert_eq(SSL_write(t.client, "QUIT\r\n", 6), 6);
		cr_assert_eq(SSL_read(t.server, heard, sizeof(heard)), 8);
		cr_assert_not(offload_possible(&t.offload, t.server));
		cr_assert_eq(SSL_read(t.server, heard, sizeof(heard)), 6);
		cr_assert(offload_possible(&t.offload, t.server));
		disconnect(&t);
		free_contexts(&t);
	}
}
