/*
 * fuzz: what the fuzz targets share. Each target is a file with one function,
 * LLVMFuzzerTestOneInput(), which aborts when a promise of the code under test is
 * broken. Built with --enable-fuzzing it is a libFuzzer program; otherwise replay.c
 * is its main and `make check` runs the committed corpus through it.
 */
#ifndef POSTERN_FUZZ_H
#define POSTERN_FUZZ_H

#include "base/buf.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(what)                                                           \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
				#what);                                            \
			abort();                                                   \
		}                                                                  \
	} while (0)

/* The first octet of the input, which is taken off it; 0 when there is none. */
static inline unsigned fuzz_octet(struct span *input)
{
	unsigned octet = input->n ? input->p[0] : 0;
	*input = span_tail(*input, 1);
	return octet;
}

/* A directory of this process's own, empty at first, in memory where the system
 * allows; it is removed when the process ends. */
const char *fuzz_directory(void);

/* Writes a file under that directory, in place of an older one. */
void fuzz_write(const char *name, struct span content);

/* Removes what is beneath that directory. */
void fuzz_clear(void);

#endif
