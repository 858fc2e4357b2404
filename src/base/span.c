/*
 * span: borrowed bytes, compared and cut. Pure functions on memory that the
 * caller holds; nothing here can fail.
 */
#include "base/span.h"

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_is(struct span s, const char *text)
{
	return span_eq(s, span_str(text));
}

bool span_is_nocase(struct span s, const char *text)
{
	if (s.n != strlen(text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (lower(s.p[i]) != lower((unsigned char)text[i]))
			return false;
	return true;
}

size_t span_find(struct span s, unsigned char c)
{
	const unsigned char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

struct span span_cut(struct span *rest, unsigned char separator)
{
	size_t at = span_find(*rest, separator);
	struct span word = span_head(*rest, at);
	*rest = span_tail(*rest, at + 1);
	return word;
}

int span_to_text(struct span s, char *text, size_t size)
{
	text[0] = '\0';
	if (s.n >= size || span_find(s, '\0') != s.n)
		return -1;
	if (s.n)
		memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return 0;
}
