/*
 * pages: memory for arrays that grow with a maildrop. A page that is touched for the
 * first time costs a fault, and on a virtual machine that is as much as twenty system
 * calls: a list of 100,000 messages spends most of its time on them. So what is large
 * is asked for as huge pages (Linux, where the administrator lets programs ask), one
 * fault in place of 512.
 */
#ifndef POSTERN_BASE_PAGES_H
#define POSTERN_BASE_PAGES_H

#include <stddef.h>

/*
 * Memory for octets octets, as malloc(3) gives, and free(3) takes it; from a megabyte
 * on rounded up to whole huge pages. pages_grow() moves the first used octets of p
 * (NULL, or of either function) to a larger place and frees p. NULL with errno: no
 * memory, and p is as it was.
 */
void *pages_alloc(size_t octets);
void *pages_grow(void *p, size_t used, size_t octets);

/* Gives back the whole pages between p and p + octets: they read as zeros then. */
void pages_release(void *p, size_t octets);

/* Gives back the pages of the stack below the caller's: earlier calls that went deeper
 * have left them. For a process that will wait for long. */
void pages_release_stack(void);

#endif
