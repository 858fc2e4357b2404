/* pages: arrays grow and hold what they held. */
#include "base/pages.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* Small, large, larger: what was there is kept, and free(3) takes all of them. */
Test(pages, arrays_grow)
{
	unsigned char *p = NULL;
	size_t used = 0;
	for (size_t n = 1000; n < 20u << 20; n = n * 3 / 2) {
		p = pages_grow(p, used, n);
		cr_assert(p);
		for (size_t i = 0; i < used; i += 97)
			cr_assert_eq(
				p[i], (unsigned char)(i % 251), "%zu of %zu", i, n);
		for (size_t i = used; i < n; i++)
			p[i] = (unsigned char)(i % 251);
		used = n;
	}
	free(p);
}

Test(pages, no_memory)
{
	unsigned char *p = pages_alloc(1);
	*p = 7;
	cr_assert_null(pages_alloc(SIZE_MAX - 1));
	cr_assert_eq(errno, ENOMEM);
	errno = 0;
	cr_assert_null(pages_grow(p, 1, SIZE_MAX - 1));
	cr_assert_eq(errno, ENOMEM);
	cr_assert_eq(*p, 7, "as it was");
	free(p);
}
