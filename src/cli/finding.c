/*
 * finding: see finding.h.
 */
#include "cli/finding.h"

#include "cli/text.h"

#include <stdarg.h>

static const char *const words[] = { "ok", "warning", "problem" };

void findings_begin(struct findings *f, bool as_json)
{
	*f = (struct findings){ .as_json = as_json, .json = { .out = stdout } };
	if (as_json)
		json_open(&f->json, '[');
}

static void put_json(
	struct findings *f, enum finding kind, const char *subject, const char *text)
{
	json_open(&f->json, '{');
	json_key(&f->json, "state");
	json_text(&f->json, words[kind]);
	json_key(&f->json, "subject");
	json_text(&f->json, subject);
	json_key(&f->json, "text");
	json_text(&f->json, text);
	json_close(&f->json, '}');
}

void findings_add(struct findings *f, enum finding kind, const char *subject,
	const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	f->problems += kind == FINDING_PROBLEM;
	f->warnings += kind == FINDING_WARNING;
	if (f->as_json) {
		put_json(f, kind, subject, text);
		return;
	}
	printf("%-8s ", words[kind]);
	text_print(stdout, subject, 0);
	fputs(": ", stdout);
	text_print(stdout, text, 0);
	putchar('\n');
}

void findings_end(struct findings *f)
{
	if (f->as_json) {
		json_close(&f->json, ']');
		json_end(&f->json);
		return;
	}
	printf("%u problem%s, %u warning%s\n", f->problems, f->problems == 1 ? "" : "s",
		f->warnings, f->warnings == 1 ? "" : "s");
}
