/*
 * app_password: passwords that we draw and an account holds beside its own. Runs as
 * root in auth, on a stranger's octets, and in the postern command.
 */
#include "accounts/password.h"

#include <sodium.h>

/* 32 letters and digits without 0, 1, l and o: 5 bits each. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

enum { APP_CHARACTERS = 24, APP_GROUP = 4 };

_Static_assert(sizeof(alphabet) == 32 + 1, "5 bits a character");

void app_password_draw(char text[APP_PASSWORD_TEXT + 1])
{
	size_t n = 0;
	for (int i = 0; i < APP_CHARACTERS; i++) {
		if (i && i % APP_GROUP == 0)
			text[n++] = '-';
		text[n++] = alphabet[randombytes_uniform(32)];
	}
	text[n] = '\0';
}

/* Its characters in lower case without blanks and hyphens. 0, or -1. */
static int app_password_plain(struct span password, char plain[APP_CHARACTERS])
{
	size_t n = 0;
	for (size_t i = 0; i < password.n; i++) {
		unsigned char c = password.p[i];
		if (c == '-' || c == ' ')
			continue;
		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + ('a' - 'A'));
		if (!c || !strchr(alphabet, c) || n == APP_CHARACTERS)
			return -1;
		plain[n++] = (char)c;
	}
	return n == APP_CHARACTERS ? 0 : -1;
}

int app_password_hash(struct span password, unsigned char hash[APP_PASSWORD_HASH])
{
	static const unsigned char purpose[16] = "postern app 1";
	char plain[APP_CHARACTERS];
	int result = app_password_plain(password, plain);
	if (result == 0)
		crypto_generichash(hash, APP_PASSWORD_HASH,
			(const unsigned char *)plain, sizeof(plain), purpose,
			sizeof(purpose));
	explicit_bzero(plain, sizeof(plain));
	return result;
}
