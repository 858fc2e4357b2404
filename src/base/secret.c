/*
 * secret: storage that is wiped, and a comparison that does not tell where two
 * secrets differ. See secret.h.
 */
#include "base/secret.h"

int secret_set(struct secret *secret, struct span s)
{
	secret_wipe(secret);
	if (s.n > sizeof(secret->data))
		return -1;
	if (s.n)
		memcpy(secret->data, s.p, s.n);
	secret->n = s.n;
	return 0;
}

void secret_wipe(struct secret *secret)
{
	explicit_bzero(secret, sizeof(*secret));
}

bool secret_eq(struct span a, struct span b)
{
	volatile unsigned char different = 0;
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		different = (unsigned char)(different | (a.p[i] ^ b.p[i]));
	return different == 0;
}
