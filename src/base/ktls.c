/*
 * ktls: setsockopt(2) of the kernel's TLS. Runs in a gate (the probe in its parent,
 * before a peer speaks; the rest in a child) and in `postern check`. Trusts its caller
 * with the keys, and the kernel. Where the kernel, or the headers of the build, have no
 * TLS, everything fails with ENOENT or ENOSYS.
 *
 * Records that carry no data (alerts, KeyUpdate) stay in the socket: recv(2) fails with
 * EIO there, for good, unless a control message is asked for.
 */
#include "base/ktls.h"

#include "base/span.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#if defined(__linux__) && __has_include(<linux/tls.h>)
#include <linux/tls.h>
#endif

#ifdef TLS_CIPHER_CHACHA20_POLY1305

union info {
	struct tls_crypto_info head;
	struct tls12_crypto_info_aes_gcm_128 aes_128;
	struct tls12_crypto_info_aes_gcm_256 aes_256;
	struct tls12_crypto_info_chacha20_poly1305 chacha20;
};

static void put_record(unsigned char *to, uint64_t record)
{
	for (int i = 7; i >= 0; i--, record >>= 8)
		to[i] = (unsigned char)record;
}

/* The kernel's form of the keys; its size. */
static socklen_t fill(union info *info, const struct ktls_keys *k)
{
	memset(info, 0, sizeof(*info));
	info->head.version = k->tls13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
	switch (k->cipher) {
	case KTLS_AES_128_GCM:
		info->head.cipher_type = TLS_CIPHER_AES_GCM_128;
		memcpy(info->aes_128.key, k->key, sizeof(info->aes_128.key));
		memcpy(info->aes_128.salt, k->iv, sizeof(info->aes_128.salt));
		memcpy(info->aes_128.iv, k->iv + sizeof(info->aes_128.salt),
			sizeof(info->aes_128.iv));
		put_record(info->aes_128.rec_seq, k->record);
		return sizeof(info->aes_128);
	case KTLS_AES_256_GCM:
		info->head.cipher_type = TLS_CIPHER_AES_GCM_256;
		memcpy(info->aes_256.key, k->key, sizeof(info->aes_256.key));
		memcpy(info->aes_256.salt, k->iv, sizeof(info->aes_256.salt));
		memcpy(info->aes_256.iv, k->iv + sizeof(info->aes_256.salt),
			sizeof(info->aes_256.iv));
		put_record(info->aes_256.rec_seq, k->record);
		return sizeof(info->aes_256);
	case KTLS_CHACHA20:
	case KTLS_CIPHERS:
		break;
	}
	info->head.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
	memcpy(info->chacha20.key, k->key, sizeof(info->chacha20.key));
	memcpy(info->chacha20.iv, k->iv, sizeof(info->chacha20.iv));
	put_record(info->chacha20.rec_seq, k->record);
	return sizeof(info->chacha20);
}

static int install(int fd, int direction, const struct ktls_keys *keys)
{
	union info info;
	socklen_t size = fill(&info, keys);
	int result = setsockopt(fd, KTLS_LEVEL, direction, &info, size);
	explicit_bzero(&info, sizeof(info));
	return result;
}

int ktls_attach(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
}

int ktls_send(int fd, const struct ktls_keys *keys)
{
	return install(fd, KTLS_SENDING, keys);
}

int ktls_receive(int fd, const struct ktls_keys *keys)
{
	return install(fd, KTLS_RECEIVING, keys);
}

#else

int ktls_attach(int fd)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}

int ktls_send(int fd, const struct ktls_keys *keys)
{
	(void)keys;
	return ktls_attach(fd);
}

int ktls_receive(int fd, const struct ktls_keys *keys)
{
	(void)keys;
	return ktls_attach(fd);
}

#endif

unsigned ktls_key_size(enum ktls_cipher cipher)
{
	return cipher == KTLS_AES_128_GCM ? 16 : KTLS_KEY_MAX;
}
