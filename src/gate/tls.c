/*
 * tls: TLS 1.2 and 1.3 by OpenSSL. The context is built in the gate parent, from the
 * administrator's files, before any peer speaks; handshakes run in the children.
 *
 * Only ciphers with forward secrecy and authenticated encryption: the private key,
 * which the keeper has (remote.h), signs and never decrypts. No compression, no
 * renegotiation, no early data (a replayed LOGIN or DELE would be one). ALPN "pop3" is
 * confirmed; a client that offers only other protocols is served all the same, because
 * mail clients are built on libraries that offer "http/1.1" for everything. RFC 8446,
 * RFC 5246, RFC 8314 section 4, RFC 9325.
 */
#include "gate/tls.h"

#include "base/io.h"
#include "base/log.h"
#include "gate/remote.h"
#include "postern/fds.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

/* In the order of preference. A key agreement on X25519 or P-256 and a certificate of
 * RSA-2048 are of 128 bits at most: AES-256 adds nothing but time, half as much again.
 * A client that puts ChaCha20 first has no instructions for AES, and gets it. */
#define TLS13_CIPHERS                                    \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
	"TLS_CHACHA20_POLY1305_SHA256"
#define TLS12_CIPHERS "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"

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

/* The intermediate certificates: all that stand behind the leaf. */
static int read_chain(SSL_CTX *ctx, BIO *pem)
{
	X509 *x;
	while ((x = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL)))
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			return -1;
		}
	unsigned long error = ERR_peek_last_error();
	if (ERR_GET_LIB(error) != ERR_LIB_PEM ||
		ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
		return -1;
	ERR_clear_error();
	return 0;
}

static int read_certificate(SSL_CTX *ctx, const char *path)
{
	BIO *pem = BIO_new_fd(FD_GATE_CERTIFICATE, BIO_NOCLOSE);
	X509 *leaf = pem ? PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL) : NULL;
	int result = 0;
	if (!leaf)
		result = complain(path, "no certificate (PEM) can be read from it");
	else if (SSL_CTX_use_certificate(ctx, leaf) != 1)
		result = complain(path, "the certificate cannot be used");
	else if (read_chain(ctx, pem) < 0)
		result = complain(path, "the certificate chain cannot be read");
	else if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
		log_line("%s: the certificate has expired", path);
	X509_free(leaf);
	BIO_free(pem);
	return result;
}

/* The private key itself is the keeper's. */
static int use_remote_key(SSL_CTX *ctx, struct told *told, const char *path)
{
	const EVP_PKEY *public = X509_get0_pubkey(SSL_CTX_get0_certificate(ctx));
	if (!public || (!EVP_PKEY_is_a(public, "RSA") && !EVP_PKEY_is_a(public, "EC")))
		return complain(path, "is for neither an RSA nor an ECDSA key");
	EVP_PKEY *key = remote_key(public, told);
	int result = key && SSL_CTX_use_PrivateKey(ctx, key) == 1
			     ? 0
			     : complain(path, "the certificate cannot be used");
	EVP_PKEY_free(key);
	return result;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
	const unsigned char *in, unsigned in_n, void *unused)
{
	static const unsigned char ours[] = { 4, 'p', 'o', 'p', '3' };
	(void)ssl, (void)unused;
	int found = SSL_select_next_proto(
		(unsigned char **)(uintptr_t)out, out_n, ours, sizeof(ours), in, in_n);
	return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
					       : SSL_TLSEXT_ERR_NOACK;
}

/* A client's certificate means what the administrator says that it means (auth): any
 * is taken, the handshake proves that the client has its key. A ticket would not: it
 * gets none. */
static int take_any(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl =
		X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	(void)unused;
	return SSL_set_num_tickets(ssl, 0);
}

/* A ticket of TLS 1.2 crosses in the clear, and what is sealed in it opens the
 * connection that it was given on, and all that resume it: a recording and its key are
 * enough. TLS 1.3 agrees on a new secret each time. The answer is OpenSSL's own for
 * everything else. */
static int may(const SSL *ssl, const SSL_CTX *ctx, int operation, int bits, int nid,
	void *other, void *before)
{
	int (*const *usual)(
		const SSL *, const SSL_CTX *, int, int, int, void *, void *) = before;
	if (operation == SSL_SECOP_TICKET && ssl && SSL_version(ssl) < TLS1_3_VERSION)
		return 0;
	return (*usual)(ssl, ctx, operation, bits, nid, other, NULL);
}

static void refuse_old_tickets(struct tls *tls, SSL_CTX *ctx)
{
	tls->usual = SSL_CTX_get_security_callback(ctx);
	SSL_CTX_set0_security_ex_data(ctx, (void *)(uintptr_t)&tls->usual);
	SSL_CTX_set_security_callback(ctx, may);
}

static int configure(SSL_CTX *ctx)
{
	char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro takes no const */
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT |
			SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, take_any, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_ciphersuites(ctx, TLS13_CIPHERS) != 1 ||
		SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS) != 1 ||
		SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return -1;
	return 0;
}

int tls_begin(struct tls *tls, struct told *told, const struct gate_setup *setup)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	tls->ctx = NULL;
	tls->told = told;
	tls->kernel = setup->kernel_tls;
	if (!ctx || configure(ctx) < 0 || tickets_begin(told, ctx) < 0) {
		SSL_CTX_free(ctx);
		return complain("TLS", "no context");
	}
	refuse_old_tickets(tls, ctx);
	if (read_certificate(ctx, setup->certificate_path) < 0 ||
		use_remote_key(ctx, told, setup->certificate_path) < 0) {
		SSL_CTX_free(ctx);
		return -1;
	}
	if (tls->kernel)
		offload_prepare(ctx);
	tls->ctx = ctx;
	return 0;
}

/* OpenSSL's word for it, before its errors are cleared; else what errno says. */
static const char *fault(unsigned long error)
{
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	return reason		    ? reason
	       : errno == ETIMEDOUT ? "it took too long"
				    : "the client hung up";
}

static int handshake(struct stream *s, int64_t deadline, const char **why)
{
	for (;;) {
		int done = SSL_accept(s->ssl);
		if (done == 1)
			return 0;
		unsigned long error = ERR_peek_last_error();
		if (stream_tls_wait(s, done, deadline) <= 0) {
			*why = fault(error);
			s->broken = true;
			return -1;
		}
	}
}

static void on_message(int written, int version, int type, const void *data, size_t n,
	SSL *ssl, void *arg)
{
	struct stream *s = arg;
	if (s->offload.kernel)
		offload_hear(written, version, type, data, n, ssl, &s->offload);
	if (type == SSL3_RT_HANDSHAKE)
		transcript_hear(&s->transcript, written, span_of(data, n));
}

/* Asks for a certificate, and keeps what auth will want to see of it. */
static void begin_transcript(struct stream *s)
{
	SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
	s->transcript.wanted = true;
	SSL_set_msg_callback(s->ssl, on_message);
	SSL_set_msg_callback_arg(s->ssl, s);
}

int tls_accept(const struct tls *tls, struct stream *s, bool ask_certificate,
	int64_t deadline, const char **why)
{
	SSL *ssl = SSL_new(tls->ctx);
	if (!ssl || SSL_set_fd(ssl, s->fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		*why = "no memory";
		errno = ENOMEM;
		return -1;
	}
	s->ssl = ssl;
	offload_begin(&s->offload, tls->kernel, ssl);
	if (ask_certificate)
		begin_transcript(s);
	int result = handshake(s, deadline, why);
	memcpy(s->witness, tls->told->witness, WITNESS);
	/* Nothing more will be signed for this connection. */
	ask_end(tls->told);
	return result;
}

const char *tls_name(const struct stream *s)
{
	return s->ssl ? SSL_get_version(s->ssl) : "";
}
