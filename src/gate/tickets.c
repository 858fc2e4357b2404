/*
 * tickets: seals and opens TLS session tickets. Runs in a gate child, on tickets that a
 * stranger sends. A ticket that cannot be opened means a full handshake, never an
 * error.
 */
#include "gate/tickets.h"

#include "base/span.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

/* The halves of a ticket's key: AES-256 and HMAC-SHA-256. */
enum { HALF = KEEPER_TICKET_KEY / 2 };

static int key_into(const struct keeper_ticket *ticket, const unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	unsigned char mac_key[HALF];
	char digest[] = "SHA256";
	memcpy(mac_key, ticket->key + HALF, sizeof(mac_key));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_MAC_PARAM_KEY, mac_key, sizeof(mac_key)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	int ok = EVP_MAC_CTX_set_params(mac, params) == 1 &&
		 EVP_CipherInit_ex(
			 cipher, EVP_aes_256_cbc(), NULL, ticket->key, iv, seal) == 1;
	explicit_bzero(mac_key, sizeof(mac_key));
	return ok ? 1 : -1;
}

static int give(struct told *told, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	if (!told->have_fresh ||
		RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
		return -1;
	memcpy(name, told->fresh.name, KEEPER_TICKET_NAME);
	return key_into(&told->fresh, iv, cipher, mac, 1);
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) has it: 1 used, 2 used and to be
 * renewed, 0 unknown, -1 failed. A ticket is for use once. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	struct told *told = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (seal)
		return give(told, name, iv, cipher, mac);
	if (!ask_ticket(told, name))
		return 0;
	return key_into(&told->shown, iv, cipher, mac, 0) < 0 ? -1 : 2;
}

int tickets_begin(struct told *told, SSL_CTX *ctx)
{
	static const unsigned char context[] = "pop3";
	SSL_CTX_set_app_data(ctx, told);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, KEEPER_TICKET_SECONDS);
	if (SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) != 1)
		return -1;
	return 0;
}
