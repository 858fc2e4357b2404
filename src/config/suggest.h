/*
 * suggest: the valid word that somebody may have meant.
 */
#ifndef POSTERN_CONFIG_SUGGEST_H
#define POSTERN_CONFIG_SUGGEST_H

#include "base/span.h"

/*
 * The word of the list (NULL-terminated) that is nearest to word, letter case
 * aside: at most a third of its letters, and one in any case, left out, put in,
 * changed or swapped with the next. NULL when none is near.
 */
const char *suggest(struct span word, const char *const *words);

#endif
