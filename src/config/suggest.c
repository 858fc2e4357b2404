/*
 * suggest: edit distance with swaps of neighbours (Damerau 1964; the "optimal
 * string alignment" form), over words of at most WORD_MAX letters.
 */
#include "config/suggest.h"

enum { WORD_MAX = 31 };

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(struct span a, struct span b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	for (unsigned i = 0; i <= a.n; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= b.n; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= a.n; i++)
		for (size_t j = 1; j <= b.n; j++) {
			bool same = lower(a.p[i - 1]) == lower(b.p[j - 1]);
			d[i][j] = least(d[i - 1][j - 1] + !same,
				least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) &&
				lower(a.p[i - 2]) == lower(b.p[j - 1]))
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[a.n][b.n];
}

const char *suggest(struct span word, const char *const *words)
{
	const char *nearest = NULL;
	unsigned best = WORD_MAX;
	if (word.n == 0 || word.n > WORD_MAX)
		return NULL;
	for (; *words; words++) {
		struct span other = span_str(*words);
		unsigned far = distance(word, span_head(other, WORD_MAX));
		if (far < best) {
			best = far;
			nearest = *words;
		}
	}
	return best <= 1 || best <= word.n / 3 ? nearest : NULL;
}
