/*
 * json: writing JSON (RFC 8259) to a stream. Calls follow the text's order; commas,
 * indentation and escapes are added. Whatever is not valid UTF-8 becomes U+FFFD.
 */
#ifndef POSTERN_CLI_JSON_H
#define POSTERN_CLI_JSON_H

#include "base/span.h"

#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	int depth;
	bool first;   /* in the innermost object or array */
	bool compact; /* one line */
	bool keyed;   /* a key was just written */
};

void json_open(struct json *j, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);
void json_key(struct json *j, const char *key);
void json_span(struct json *j, struct span value);
void json_text(struct json *j, const char *value);
void json_int(struct json *j, int64_t value);
void json_bool(struct json *j, bool value);
void json_null(struct json *j);

/* The line feed behind the outermost value. */
void json_end(struct json *j);

#endif
