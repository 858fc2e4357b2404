/*
 * log: one line to descriptor 2, in one write(2). Never fails: a log that is
 * full or gone costs the line, not the service. The program's name and what
 * descriptor 2 is are this library's globals, set once by main(); so is the count of
 * lines that were lost.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

enum { LOG_VALUE_MAX = 255 };

static const char *log_program = "postern";
static int log_patience = -1; /* milliseconds; -1: no logger reads descriptor 2 */
static unsigned long log_lost;

void log_open(const char *program)
{
	log_program = program;
}

void log_to_logger(int patience_ms)
{
	log_patience = patience_ms;
}

/* 0, or -1 when the line is lost. */
static int write_line(struct span line)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	if (write(STDERR_FILENO, line.p, line.n) == (ssize_t)line.n)
		return 0;
	if (log_patience <= 0 || errno != EAGAIN || poll(&room, 1, log_patience) != 1)
		return -1;
	return write(STDERR_FILENO, line.p, line.n) == (ssize_t)line.n ? 0 : -1;
}

static void begin(struct buf *line, enum log_level level)
{
	if (log_patience >= 0)
		buf_printf(line, "<%d>", level);
	buf_printf(line, "%s[%ld]: ", log_program, (long)getpid());
}

static void tell_lost(void)
{
	char storage[LOG_LINE_MAX];
	struct buf line;
	buf_fixed(&line, storage, sizeof(storage));
	begin(&line, LEVEL_WARNING);
	buf_printf(&line, "%lu lines were lost, the log was full\n", log_lost);
	if (write_line(buf_span(&line)) == 0)
		log_lost = 0;
}

void log_put(enum log_level level, struct span text)
{
	int error = errno;
	char storage[LOG_LINE_MAX];
	struct buf line;
	buf_fixed(&line, storage, sizeof(storage));
	begin(&line, level);
	text = span_head(text, buf_room(&line) - 1);
	for (size_t i = 0; i < text.n; i++)
		buf_putc(
			&line, text.p[i] < 0x20 || text.p[i] >= 0x7F ? '?' : text.p[i]);
	buf_putc(&line, '\n');
	if (log_lost)
		tell_lost();
	if (write_line(buf_span(&line)) < 0)
		log_lost++;
	errno = error;
}

void log_text(struct span text)
{
	log_put(LEVEL_INFO, text);
}

static void __attribute__((format(printf, 2, 0)))
put_format(enum log_level level, const char *format, va_list args)
{
	char text[LOG_LINE_MAX];
	if (vsnprintf(text, sizeof(text), format, args) >= 0)
		log_put(level, span_str(text));
}

void log_line(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	put_format(LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	put_format(LEVEL_INFO, format, args);
	va_end(args);
}

static void put_value(
	struct buf *line, const char *key, struct span value, const char *escaped)
{
	buf_printf(line, " %s=\"", key);
	struct span shown = span_head(value, LOG_VALUE_MAX);
	for (size_t i = 0; i < shown.n; i++) {
		unsigned char c = shown.p[i];
		if (c < 0x20 || c >= 0x7F || strchr(escaped, c))
			buf_printf(line, "\\x%02x", c);
		else
			buf_putc(line, c);
	}
	buf_puts(line, shown.n < value.n ? "...\"" : "\"");
}

void log_value(struct buf *line, const char *key, struct span value)
{
	put_value(line, key, value, "\"\\= ");
}

void log_sentence(struct buf *line, const char *key, struct span value)
{
	put_value(line, key, value, "\"\\=");
}
