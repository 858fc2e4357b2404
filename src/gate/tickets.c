/*
 * tickets: seals and opens TLS session tickets. The keys live in the gate
 * parent; the callback runs in a child, on tickets that a stranger sends. A
 * ticket that cannot be opened means a full handshake, never an error.
 */
#include "gate/tickets.h"

#include "base/span.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

static int draw(struct ticket_key *key)
{
	bool ok = RAND_bytes(key->name, sizeof(key->name)) == 1 &&
		  RAND_priv_bytes(key->cipher, sizeof(key->cipher)) == 1 &&
		  RAND_priv_bytes(key->mac, sizeof(key->mac)) == 1;
	return ok ? 0 : -1;
}

void tickets_rotate(struct tickets *t, int64_t now)
{
	struct ticket_key fresh;
	int64_t age = now - t->born;
	if (age < TICKET_ROTATE_MS || draw(&fresh) < 0)
		return;
	explicit_bzero(&t->keys[1], sizeof(t->keys[1]));
	t->have_before = age < 2 * (int64_t)TICKET_ROTATE_MS;
	if (t->have_before)
		t->keys[1] = t->keys[0];
	t->keys[0] = fresh;
	t->born = now;
	explicit_bzero(&fresh, sizeof(fresh));
}

static int key_into(const struct ticket_key *key, const unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	unsigned char mac_key[TICKET_KEY];
	char digest[] = "SHA256";
	memcpy(mac_key, key->mac, sizeof(mac_key));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_MAC_PARAM_KEY, mac_key, sizeof(mac_key)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	int ok = EVP_MAC_CTX_set_params(mac, params) == 1 &&
		 EVP_CipherInit_ex(
			 cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seal) == 1;
	explicit_bzero(mac_key, sizeof(mac_key));
	return ok ? 1 : -1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) has it: 1 used, 2 used and to be
 * renewed, 0 unknown, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (seal) {
		memcpy(name, t->keys[0].name, TICKET_NAME);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
		return key_into(&t->keys[0], iv, cipher, mac, 1);
	}
	for (int i = 0; i < (t->have_before ? 2 : 1); i++) {
		if (memcmp(name, t->keys[i].name, TICKET_NAME) != 0)
			continue;
		if (key_into(&t->keys[i], iv, cipher, mac, 0) < 0)
			return -1;
		return 2; /* a ticket is for use once: a new one is sent */
	}
	return 0;
}

int tickets_begin(struct tickets *t, SSL_CTX *ctx, int64_t now)
{
	static const unsigned char context[] = "pop3";
	if (draw(&t->keys[0]) < 0)
		return -1;
	t->have_before = false;
	t->born = now;
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, 2 * TICKET_ROTATE_MS / 1000);
	if (SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) != 1)
		return -1;
	return 0;
}
