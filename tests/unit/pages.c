/* pages: arrays grow and hold what they held. */
#include "base/pages.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Whole pages between the ends lose what they held; what is around them does not. */
Test(pages, released)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *p = aligned_alloc(page, 4 * page);
	cr_assert(p);
	memset(p, 7, 4 * page);
	pages_release(p + 1, 3 * page);
	for (size_t i = 0; i < 4 * page; i++)
		cr_assert_eq(p[i], i >= page && i < 3 * page ? 0 : 7, "%zu", i);
	memset(p, 7, 4 * page);
	pages_release(p + 1, page);
	pages_release(p + page, page - 1);
	for (size_t i = 0; i < 4 * page; i++)
		cr_assert_eq(p[i], 7, "%zu", i);
	free(p);
}

/* Of the stack: the frames above keep what they have. */
static unsigned deep(unsigned n)
{
	volatile unsigned char used[4096];
	used[n % sizeof(used)] = (unsigned char)n;
	return n ? deep(n - 1) + used[n % sizeof(used)] : used[0];
}

Test(pages, stack_released)
{
	volatile unsigned char here[3 * 4096];
	for (size_t i = 0; i < sizeof(here); i++)
		here[i] = 7;
	unsigned before = deep(50);
	pages_release_stack();
	for (size_t i = 0; i < sizeof(here); i++)
		cr_assert_eq(here[i], 7, "%zu", i);
	cr_expect_eq(deep(50), before);
}
