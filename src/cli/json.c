/*
 * json: a writer, small and exact. Values come from the database and from the server
 * and may hold any octet.
 */
#include "cli/json.h"

#include "accounts/name.h"

static void line(struct json *j)
{
	if (j->compact)
		return;
	fputc('\n', j->out);
	for (int i = 0; i < j->depth; i++)
		fputs("  ", j->out);
}

/* What stands before a value or a key: a comma unless it is the first. */
static void separate(struct json *j)
{
	if (j->keyed) {
		j->keyed = false;
		return;
	}
	if (!j->first && j->depth)
		fputs(j->compact ? ", " : ",", j->out);
	if (j->depth)
		line(j);
	j->first = false;
}

void json_open(struct json *j, char bracket)
{
	separate(j);
	fputc(bracket, j->out);
	j->depth++;
	j->first = true;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first)
		line(j);
	fputc(bracket, j->out);
	j->first = false;
}

/* Octets of the character at the front of s; 0 when it is not valid UTF-8. */
static size_t character(struct span s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++) {
		if (utf8_valid(span_head(s, n)))
			return n;
	}
	return 0;
}

static void put_octet(FILE *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", c);
	else if (c < 0x20 || c == 0x7f)
		fprintf(out, "\\u%04x", c);
	else
		fputc(c, out);
}

/* C1, which some terminals obey: U+0080 to U+009F are C2 80 to C2 9F. */
static bool is_control(struct span c)
{
	return c.n == 2 && c.p[0] == 0xc2 && c.p[1] < 0xa0;
}

static void string(FILE *out, struct span s)
{
	fputc('"', out);
	while (s.n) {
		size_t n = character(s);
		if (n == 0)
			fputs("\\ufffd", out);
		else if (n == 1)
			put_octet(out, s.p[0]);
		else if (is_control(span_head(s, n)))
			fprintf(out, "\\u%04x", s.p[1]);
		else
			fwrite(s.p, 1, n, out);
		s = span_tail(s, n ? n : 1);
	}
	fputc('"', out);
}

void json_key(struct json *j, const char *key)
{
	separate(j);
	string(j->out, span_str(key));
	fputs(": ", j->out);
	j->keyed = true;
}

void json_span(struct json *j, struct span value)
{
	separate(j);
	string(j->out, value);
}

void json_text(struct json *j, const char *value)
{
	json_span(j, span_str(value));
}

void json_int(struct json *j, int64_t value)
{
	separate(j);
	fprintf(j->out, "%lld", (long long)value);
}

void json_bool(struct json *j, bool value)
{
	separate(j);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j)
{
	separate(j);
	fputs("null", j->out);
}

void json_end(struct json *j)
{
	fputc('\n', j->out);
	j->first = true;
}
