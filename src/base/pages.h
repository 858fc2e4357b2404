/*
 * pages: asks the kernel, in one call, for pages that will be touched soon. A process
 * that was forked finds its parent's text, stack and heap page by page, a fault for
 * each; on a virtual machine a fault costs as much as twenty system calls. Nothing here
 * changes what the memory holds, and where the kernel cannot (before Linux 5.14, not
 * Linux) the faults come as ever: there is no result to look at.
 */
#ifndef POSTERN_BASE_PAGES_H
#define POSTERN_BASE_PAGES_H

#include <stddef.h>

/* The text and constants of the programs and libraries that have these n functions:
 * mapped, not copied. Of several in one (a static program) it is asked for once. */
void pages_text(void (*const within[])(void), size_t n);

/* The stack, from here on down for octets octets and up for as many: writable. */
void pages_stack(size_t octets);

/* As much of the heap as the next allocations, octets in all, will use: writable. */
void pages_heap(size_t octets);

/* An object that will be written to. */
void pages_object(void *p, size_t octets);

/*
 * For arrays that grow with a maildrop: memory for octets octets, as malloc(3) gives,
 * and free(3) takes it. From a megabyte on it is asked for as huge pages, rounded up to
 * whole ones: one fault in place of 512. pages_grow() moves the first used octets of p
 * (NULL, or of either function) to a larger place and frees p. NULL with errno: no
 * memory, and p is as it was.
 */
void *pages_alloc(size_t octets);
void *pages_grow(void *p, size_t used, size_t octets);

#endif
