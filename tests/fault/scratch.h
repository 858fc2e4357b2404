/*
 * scratch: a directory for a fault-injection program, in memory if there is such, and
 * how the program ends when something is wrong.
 */
#ifndef POSTERN_TESTS_FAULT_SCRATCH_H
#define POSTERN_TESTS_FAULT_SCRATCH_H

#include <stdarg.h>

enum { SCRATCH_MAX = 64 };

void scratch_make(char dir[SCRATCH_MAX]);
void scratch_remove(const char *dir);

/* Says what is wrong in which case, with errno, and where to look; exit code 1. */
_Noreturn void scratch_fail(const char *what, const char *dir, const char *format,
	va_list arguments) __attribute__((format(printf, 3, 0)));

#endif
