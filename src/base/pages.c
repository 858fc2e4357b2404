/*
 * pages: see pages.h. Runs in forked children, before any octet of a peer is read, and
 * trusts only its own linker's map.
 */
#include "base/pages.h"

#include "base/poison.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22 /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

enum {
	HUGE_PAGE = 2 << 20, /* of x86-64 and of arm64 with pages of 4 KB */
	LARGE = 1 << 20,     /* octets from which one is worth its while */
};

static void populate(uintptr_t from, uintptr_t to, int how)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	from &= ~(page - 1);
	to = (to + page - 1) & ~(page - 1);
	(void)madvise((void *)from, to - from, how);
}

static bool holds(const struct dl_phdr_info *object, uintptr_t address)
{
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type == PT_LOAD &&
			address - object->dlpi_addr - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}

struct wanted {
	void (*const *within)(void);
	size_t n;
};

static bool is_wanted(const struct dl_phdr_info *object, const struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (holds(object, (uintptr_t)wanted->within[i]))
			return true;
	return false;
}

static int populate_object(struct dl_phdr_info *object, size_t size, void *wanted)
{
	(void)size;
	if (!is_wanted(object, wanted))
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
			populate(from, from + p->p_memsz, MADV_POPULATE_READ);
	}
	return 0;
}

void pages_text(void (*const within[])(void), size_t n)
{
	dl_iterate_phdr(populate_object, &(struct wanted){ within, n });
}

void pages_object(void *p, size_t octets)
{
	populate((uintptr_t)p, (uintptr_t)p + octets, MADV_POPULATE_WRITE);
}

void pages_stack(size_t octets)
{
	char here;
	populate((uintptr_t)&here - octets, (uintptr_t)&here + octets,
		MADV_POPULATE_WRITE);
}

void pages_heap(size_t octets)
{
	void *p = malloc(octets);
	if (p)
		pages_object(p, octets);
	free(p);
}

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
