/*
 * ktls: a TLS connection whose records the kernel makes and reads (Linux, CONFIG_TLS).
 * The handshake stays where it was; the kernel gets the keys that came out of it.
 */
#ifndef POSTERN_BASE_KTLS_H
#define POSTERN_BASE_KTLS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	KTLS_KEY_MAX = 32,
	KTLS_IV = 12,
};

/* Of setsockopt(2), as linux/tls.h has them, which older headers lack. */
enum { KTLS_LEVEL = 282, KTLS_SENDING = 1, KTLS_RECEIVING = 2 };

enum ktls_cipher { KTLS_AES_128_GCM, KTLS_AES_256_GCM, KTLS_CHACHA20, KTLS_CIPHERS };

/* What one direction of a connection is protected with, from now on. */
struct ktls_keys {
	enum ktls_cipher cipher;
	bool tls13; /* else TLS 1.2 */
	unsigned char key[KTLS_KEY_MAX];
	/* TLS 1.2 with AES-GCM: 4 octets of salt and the explicit nonce of the next
	 * record */
	unsigned char iv[KTLS_IV];
	uint64_t record; /* how many records these keys have protected */
};

/* Octets of a key. */
unsigned ktls_key_size(enum ktls_cipher cipher);

/* Connects the socket with the kernel's TLS, which then passes everything through as it
 * is. 0, or -1 with errno: ENOENT, the kernel has none (or the module is not loaded).
 */
int ktls_attach(int fd);

/* What is written from now on goes out as records; what is read came in them. 0, or -1
 * with errno. */
int ktls_send(int fd, const struct ktls_keys *keys);
int ktls_receive(int fd, const struct ktls_keys *keys);

/* A bit of ktls_probe(). */
static inline uint32_t ktls_bit(enum ktls_cipher cipher, bool tls13)
{
	return 1U << (2 * (unsigned)cipher + tls13);
}

/*
 * What this kernel can do, tried out: octets go over a connection of loopback in
 * each way, with each cipher. 0: nothing, with errno of the first that failed.
 */
uint32_t ktls_probe(void);

#endif
