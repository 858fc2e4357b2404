/*
 * span: borrowed bytes. A span never owns what it points to and need not end
 * in a NUL; it lives no longer than the buffer it was cut from.
 */
#ifndef POSTERN_BASE_SPAN_H
#define POSTERN_BASE_SPAN_H

#include "base/poison.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const unsigned char *p;
	size_t n;
};

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){ p, n };
}

static inline struct span span_str(const char *s)
{
	return (struct span){ (const unsigned char *)s, strlen(s) };
}

/* The first n octets of s, or all of s when it is shorter. */
static inline struct span span_head(struct span s, size_t n)
{
	return (struct span){ s.p, n < s.n ? n : s.n };
}

/* What is left of s behind its first n octets; empty when s is shorter. */
static inline struct span span_tail(struct span s, size_t n)
{
	size_t cut = n < s.n ? n : s.n;
	/* Not even 0 may be added to a null pointer. */
	return (struct span){ cut ? s.p + cut : s.p, s.n - cut };
}

/* Same octets? */
bool span_eq(struct span a, struct span b);

/* Same octets as the string, case included? */
bool span_is(struct span s, const char *text);

/* Same as the string when ASCII letters lose their case? */
bool span_is_nocase(struct span s, const char *text);

/* Offset of the first octet c in s, or s.n when there is none. */
size_t span_find(struct span s, unsigned char c);

/*
 * Cuts the word before the first separator off the front of *rest and returns
 * it; *rest then begins behind the separator, or is empty when there was none.
 */
struct span span_cut(struct span *rest, unsigned char separator);

/*
 * Copies s into text[size] as a C string. Returns 0, or -1 (text is then the
 * empty string) when s does not fit or holds a NUL.
 */
int span_to_text(struct span s, char *text, size_t size);

#endif
