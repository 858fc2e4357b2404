/*
 * log: one line to descriptor 2, in one write(2). Never fails: a log that is
 * full or gone costs the line, not the service. The program's name is the one
 * global of this library, set once by main().
 */
#include "base/log.h"

#include <stdarg.h>
#include <unistd.h>

enum { LOG_VALUE_MAX = 255 };

static const char *log_program = "postern";

void log_open(const char *program)
{
	log_program = program;
}

void log_text(struct span text)
{
	char storage[LOG_LINE_MAX];
	struct buf line;
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "%s[%ld]: ", log_program, (long)getpid());
	text = span_head(text, buf_room(&line) - 1);
	for (size_t i = 0; i < text.n; i++)
		buf_putc(
			&line, text.p[i] < 0x20 || text.p[i] == 0x7F ? '?' : text.p[i]);
	buf_putc(&line, '\n');
	struct span out = buf_span(&line);
	ssize_t ignored = write(2, out.p, out.n);
	(void)ignored;
}

void log_line(const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= 0)
		log_text(span_str(text));
}

void log_value(struct buf *line, const char *key, struct span value)
{
	buf_printf(line, " %s=\"", key);
	struct span shown = span_head(value, LOG_VALUE_MAX);
	for (size_t i = 0; i < shown.n; i++) {
		unsigned char c = shown.p[i];
		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c >= 0x20 && c < 0x7F)
			buf_putc(line, c);
		else
			buf_printf(line, "\\x%02x", c);
	}
	buf_puts(line, shown.n < value.n ? "...\"" : "\"");
}
