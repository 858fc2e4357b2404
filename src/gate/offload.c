/*
 * offload: TLS connections to the kernel. Runs in a gate child, which has the
 * connection's keys anyway. Trusts OpenSSL and the kernel.
 *
 * OpenSSL does the handshake and the AUTHORIZATION state without knowing. What the
 * kernel needs is had by OpenSSL's public interface: the secrets (the key log's call
 * for TLS 1.3, the session's master secret for TLS 1.2), from which the keys are
 * derived here, and how many records the keys have protected, counted by the message
 * callback. OpenSSL's own way (SSL_OP_ENABLE_KTLS) would take sendmsg(2) and
 * recvmsg(2), with which descriptors travel, would begin with the handshake, and reads
 * no TLS 1.3 before OpenSSL 3.2.
 *
 * RFC 8446 sections 5.3, 7.3 and 4.6.3; RFC 5246 section 6.3; RFC 5288; RFC 7905.
 */
#include "gate/offload.h"

#include "base/span.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

enum { SALT = 4, MASTER_MAX = 48, RANDOM = SSL3_RANDOM_SIZE, LABEL_MAX = 32 };

/* --- what is heard of the connection -------------------------------------------------
 */

static size_t unhex(const char *text, unsigned char *out, size_t size)
{
	size_t n;
	if (OPENSSL_hexstr2buf_ex(out, size, &n, text, '\0') != 1) {
		ERR_clear_error();
		return 0;
	}
	return n;
}

/* "LABEL RANDOM SECRET", in hexadecimal digits. */
static void on_secret(const SSL *ssl, const char *line)
{
	struct offload *o = SSL_get_app_data(ssl);
	const char *secret = strrchr(line, ' ');
	if (!o || !secret)
		return;
	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		o->client_n = unhex(secret + 1, o->client, sizeof(o->client));
	if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
		o->server_n = unhex(secret + 1, o->server, sizeof(o->server));
}

/* Every record is told by its header. New keys begin to count behind ChangeCipherSpec
 * (TLS 1.2) or Finished (TLS 1.3), which is told when its record has been. */
void offload_hear(int written, int version, int type, const void *data, size_t n,
	SSL *ssl, void *arg)
{
	struct offload *o = arg;
	const unsigned char *octets = data;
	uint64_t *records = written ? &o->written : &o->read;
	bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	(void)version;
	if (n == 0)
		return;
	if (type == SSL3_RT_HEADER)
		*records = !tls13 && octets[0] == SSL3_RT_CHANGE_CIPHER_SPEC
				   ? 0
				   : *records + 1;
	else if (type == SSL3_RT_HANDSHAKE && octets[0] == SSL3_MT_KEY_UPDATE)
		o->rekeyed = true;
	else if (type == SSL3_RT_HANDSHAKE && octets[0] == SSL3_MT_FINISHED && tls13)
		*records = 0;
}

void offload_prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_keylog_callback(ctx, on_secret);
}

void offload_begin(struct offload *o, uint32_t kernel, SSL *ssl)
{
	*o = (struct offload){ .kernel = kernel };
	if (!kernel)
		return;
	SSL_set_app_data(ssl, o);
	SSL_set_msg_callback(ssl, offload_hear);
	SSL_set_msg_callback_arg(ssl, o);
}

/* --- keys
 * ------------------------------------------------------------------------------ */

static int cipher_of(const SSL *ssl, enum ktls_cipher *cipher)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(ssl);
	switch (c ? SSL_CIPHER_get_cipher_nid(c) : NID_undef) {
	case NID_aes_128_gcm:
		*cipher = KTLS_AES_128_GCM;
		return 0;
	case NID_aes_256_gcm:
		*cipher = KTLS_AES_256_GCM;
		return 0;
	case NID_chacha20_poly1305:
		*cipher = KTLS_CHACHA20;
		return 0;
	default:
		return -1;
	}
}

static int derive(
	const char *name, const OSSL_PARAM *params, unsigned char *out, size_t size)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	int result = ctx && EVP_KDF_derive(ctx, out, size, params) == 1 ? 0 : -1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return result;
}

static OSSL_PARAM digest_of(const SSL *ssl)
{
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
	/* OpenSSL's parameters take no const. */
	char *name = (char *)(uintptr_t)(md ? EVP_MD_get0_name(md) : "");
	return OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0);
}

/* HKDF-Expand-Label(secret, label, "", size) */
static int expand(const SSL *ssl, struct span secret, const char *label,
	unsigned char *out, size_t size)
{
	char info[LABEL_MAX];
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	int n = snprintf(info, sizeof(info), "%c%c%ctls13 %s%c", 0, (int)size,
		(int)(strlen(label) + 6), label, 0);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		digest_of(ssl),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret.p, secret.n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)n),
		OSSL_PARAM_construct_end(),
	};
	return derive("HKDF", params, out, size);
}

static int keys_13(
	const struct offload *o, const SSL *ssl, bool to_client, struct ktls_keys *keys)
{
	struct span secret = to_client ? span_of(o->server, o->server_n)
				       : span_of(o->client, o->client_n);
	if (secret.n == 0 ||
		expand(ssl, secret, "key", keys->key, ktls_key_size(keys->cipher)) < 0)
		return -1;
	return expand(ssl, secret, "iv", keys->iv, sizeof(keys->iv));
}

/* PRF(master secret, "key expansion", server random, client random) */
static int key_block(const SSL *ssl, unsigned char *out, size_t size)
{
	char label[] = "key expansion";
	unsigned char master[MASTER_MAX], client[RANDOM], server[RANDOM];
	size_t n = SSL_SESSION_get_master_key(
		SSL_get_session(ssl), master, sizeof(master));
	SSL_get_client_random(ssl, client, sizeof(client));
	SSL_get_server_random(ssl, server, sizeof(server));
	OSSL_PARAM params[] = {
		digest_of(ssl),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, n),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SEED, label, sizeof(label) - 1),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SEED, server, sizeof(server)),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SEED, client, sizeof(client)),
		OSSL_PARAM_construct_end(),
	};
	int result = derive("TLS1-PRF", params, out, size);
	explicit_bzero(master, sizeof(master));
	return result;
}

/* The key block is: the client's key, the server's, the client's IV, the server's.
 * AES-GCM has a salt there and says the rest of each nonce in the record: a random one
 * to begin with, as OpenSSL's was, so that the two do not meet. */
static int keys_12(const SSL *ssl, bool to_client, struct ktls_keys *keys)
{
	unsigned char block[2 * (KTLS_KEY_MAX + KTLS_IV)];
	size_t key = ktls_key_size(keys->cipher);
	size_t iv = keys->cipher == KTLS_CHACHA20 ? KTLS_IV : SALT;
	int result = key_block(ssl, block, 2 * (key + iv));
	memcpy(keys->key, block + (to_client ? key : 0), key);
	memcpy(keys->iv, block + 2 * key + (to_client ? iv : 0), iv);
	explicit_bzero(block, sizeof(block));
	if (result == 0 && iv < KTLS_IV &&
		RAND_bytes(keys->iv + iv, (int)(KTLS_IV - iv)) != 1)
		result = -1;
	return result;
}

int offload_keys(
	const struct offload *o, SSL *ssl, bool to_client, struct ktls_keys *keys)
{
	*keys = (struct ktls_keys){ .record = to_client ? o->written : o->read };
	keys->tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	if (cipher_of(ssl, &keys->cipher) < 0)
		return -1;
	return keys->tls13 ? keys_13(o, ssl, to_client, keys)
			   : keys_12(ssl, to_client, keys);
}

/* --- to the kernel
 * ---------------------------------------------------------------------- */

/* Attached now, not later: the kernel refuses it once the client has sent its FIN, and
 * then the relay must do. */
bool offload_possible(struct offload *o, SSL *ssl)
{
	enum ktls_cipher cipher;
	bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	if (o->rekeyed || SSL_has_pending(ssl) || cipher_of(ssl, &cipher) < 0 ||
		!(o->kernel & ktls_bit(cipher, tls13)))
		return false;
	if (!o->attached)
		o->attached = ktls_attach(SSL_get_fd(ssl)) == 0;
	return o->attached;
}

int offload_hand_over(struct offload *o, SSL *ssl)
{
	struct ktls_keys out, in;
	int fd = SSL_get_fd(ssl);
	int result =
		offload_keys(o, ssl, true, &out) | offload_keys(o, ssl, false, &in);
	if (result == 0 && (ktls_send(fd, &out) < 0 || ktls_receive(fd, &in) < 0))
		result = -1;
	explicit_bzero(&out, sizeof(out));
	explicit_bzero(&in, sizeof(in));
	explicit_bzero(o->client, sizeof(o->client));
	explicit_bzero(o->server, sizeof(o->server));
	return result;
}
