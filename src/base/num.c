/*
 * num: decimal numbers, exact. See num.h.
 */
#include "base/num.h"

int num_parse(struct span s, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;
	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	if (value > max)
		return -1;
	*number = value;
	return 0;
}

size_t num_format(uint64_t number, char digits[NUM_DECIMAL_MAX])
{
	char reverse[NUM_DECIMAL_MAX];
	size_t n = 0;
	do {
		reverse[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	for (size_t i = 0; i < n; i++)
		digits[i] = reverse[n - 1 - i];
	return n;
}
