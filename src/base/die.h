/*
 * die: the three ways in which a process ends early. We are wrong: bug(). The
 * world fails us: die(). The peer is wrong: neither, that is an event.
 */
#ifndef POSTERN_BASE_DIE_H
#define POSTERN_BASE_DIE_H

#include "base/poison.h"

/* Exit codes between the processes, those of the checkpassword interface. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_MALFORMED = 2, /* a message of the wrong form, or of another ABI */
	EXIT_MORE = 3,	 /* auth only: a SASL step answered, nothing decided (ours) */
	EXIT_IN_USE = 4, /* session only: another one has the maildrop (ours) */
	EXIT_TEMPORARY = 111,
};

/* One log line, with strerror(errno) when errno is set, then exit(code). */
_Noreturn void die(enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One log line, then abort(). */
_Noreturn void bug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
