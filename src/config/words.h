/*
 * words: one line of postern.conf cut into words.
 */
#ifndef POSTERN_CONFIG_WORDS_H
#define POSTERN_CONFIG_WORDS_H

#include "base/span.h"

enum { WORDS_MAX = 16 };

struct words {
	struct span words[WORDS_MAX];
	size_t n;
};

/*
 * Words stand between blanks and tabs; one in double quotes may hold blanks and
 * '#', but no quote. '#' where a word could begin starts a comment. The spans
 * borrow from line. Returns 0, or -1 with *wrong saying what is.
 */
int words_of(struct span line, struct words *words, const char **wrong);

#endif
