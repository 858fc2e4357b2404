/*
 * num: decimal numbers, exact. What is not wholly digits is no number, and
 * what does not fit is refused, never wrapped.
 */
#ifndef POSTERN_BASE_NUM_H
#define POSTERN_BASE_NUM_H

#include "base/span.h"

#include <stdint.h>

enum { NUM_DECIMAL_MAX = 20 }; /* digits of UINT64_MAX */

/*
 * Reads s as a decimal number of 1 or more digits, leading zeros allowed, no
 * sign, no blank. Returns 0, or -1 when it is no number or above max.
 */
int num_parse(struct span s, uint64_t max, uint64_t *number);

/* Writes the digits of number (no NUL) and returns how many there are. */
size_t num_format(uint64_t number, char digits[NUM_DECIMAL_MAX]);

#endif
