/*
 * pages: see pages.h. Where the kernel has no huge pages to give, it is memory as ever:
 * there is no result to look at.
 */
#include "base/pages.h"

#include "base/poison.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	HUGE_PAGE = 2 << 20, /* of x86-64 and of arm64 with pages of 4 KB */
	LARGE = 1 << 20,     /* octets from which one is worth its while */
};

void *pages_alloc(size_t octets)
{
	if (octets < LARGE)
		return malloc(octets);
	if (octets > SIZE_MAX - HUGE_PAGE) {
		errno = ENOMEM;
		return NULL;
	}
	octets = (octets + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
	void *p = aligned_alloc(HUGE_PAGE, octets);
#ifdef MADV_HUGEPAGE
	if (p)
		(void)madvise(p, octets, MADV_HUGEPAGE);
#endif
	return p;
}

void *pages_grow(void *p, size_t used, size_t octets)
{
	if (octets < LARGE)
		return realloc(p, octets);
	void *larger = pages_alloc(octets);
	if (larger && p) {
		memcpy(larger, p, used);
		free(p);
	}
	return larger;
}
