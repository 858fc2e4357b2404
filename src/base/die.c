/*
 * die: the ways in which a process ends early. See die.h. _exit(2), not
 * exit(3): a forked child must not run what its parent registered.
 */
#include "base/die.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

_Noreturn void die(enum exit_code code, const char *format, ...)
{
	int error = errno;
	char text[LOG_LINE_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (error) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, ": %s", strerror(error));
	}
	log_put(LEVEL_ERROR, span_str(text));
	_exit((int)code);
}

_Noreturn void bug(const char *format, ...)
{
	char text[LOG_LINE_MAX] = "bug: ";
	size_t n = strlen(text);
	va_list args;
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - n, format, args);
	va_end(args);
	log_put(LEVEL_CRITICAL, span_str(text));
	abort();
}
