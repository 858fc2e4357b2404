/*
 * poison: functions that this project does not use, made a compile error.
 * Every header of base includes it first; it must therefore come after no
 * system header that would use one of the names in an inline function, which
 * is why it includes those headers itself.
 */
#ifndef POSTERN_BASE_POISON_H
#define POSTERN_BASE_POISON_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(POSTERN_NO_POISON)
/* Where _FORTIFY_SOURCE makes them macros (glibc with clang). */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncat sprintf vsprintf strtok atoi atol gets
#pragma GCC poison system popen tmpnam mktemp
#endif

#endif
