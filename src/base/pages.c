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
#include <unistd.h>

enum {
	HUGE_PAGE = 2 << 20, /* of x86-64 and of arm64 with pages of 4 KB */
	LARGE = 1 << 20,     /* octets from which one is worth its while */
	DEEP = 512 << 10,    /* octets of stack: no call of ours goes deeper */
	FRAME = 512,	     /* octets: more than pages_release_stack() has of it */
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

void pages_release(void *p, size_t octets)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t before = (page - (uintptr_t)p % page) % page;
	if (octets < before + page)
		return;
	octets -= before;
	(void)madvise((char *)p + before, octets - octets % page, MADV_DONTNEED);
}

/* All that is below this frame is nobody's: a signal's handler, which would be there,
 * has returned when this runs. The part of the range that was never used is not mapped,
 * which is no fault. */
__attribute__((noinline)) void pages_release_stack(void)
{
	char *end = (char *)__builtin_frame_address(0) - FRAME;
	pages_release(end - DEEP, DEEP);
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
