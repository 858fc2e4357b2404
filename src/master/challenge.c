/*
 * challenge: 128 random bits in hexadecimal, the connection's only secret that
 * is none: everybody may see it, nobody may know it before.
 */
#include "master/challenge.h"

#include <errno.h>
#include <sys/random.h>

static int draw(struct challenges *challenges, unsigned char random[CHALLENGE_RANDOM])
{
	if (challenges->left == 0) {
		ssize_t n;
		do
			n = getrandom(challenges->store, sizeof(challenges->store), 0);
		while (n < 0 && errno == EINTR);
		/* Up to 256 octets are never cut short; more may be. */
		if (n < CHALLENGE_RANDOM)
			return -1;
		challenges->left = (size_t)n / CHALLENGE_RANDOM;
	}
	unsigned char *next = challenges->store + --challenges->left * CHALLENGE_RANDOM;
	memcpy(random, next, CHALLENGE_RANDOM);
	explicit_bzero(next, CHALLENGE_RANDOM);
	return 0;
}

int challenge_draw(struct challenges *challenges, const char *hostname,
	char challenge[FACTS_CHALLENGE_MAX + 1])
{
	unsigned char random[CHALLENGE_RANDOM];
	struct buf text;
	if (draw(challenges, random) < 0)
		return -1;
	buf_fixed(&text, challenge, FACTS_CHALLENGE_MAX + 1);
	buf_putc(&text, '<');
	for (size_t i = 0; i < sizeof(random); i++)
		buf_printf(&text, "%02x", random[i]);
	/* A long host name is cut: what matters is to the left of it. */
	size_t room = FACTS_CHALLENGE_MAX - buf_len(&text) - 2;
	buf_putc(&text, '@');
	buf_put_span(&text, span_head(span_str(hostname), room));
	buf_putc(&text, '>');
	buf_putc(&text, '\0');
	if (buf_ok(&text))
		return 0;
	errno = EOVERFLOW;
	return -1;
}
