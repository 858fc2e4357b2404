/*
 * finding: what `postern check` found out, one line each, as text or as JSON.
 */
#ifndef POSTERN_CLI_FINDING_H
#define POSTERN_CLI_FINDING_H

#include "cli/json.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_PROBLEM };

struct findings {
	bool as_json;
	struct json json;
	unsigned problems, warnings;
};

void findings_begin(struct findings *f, bool as_json);

/* subject is what was looked at ("/etc/postern/tls/key.pem"); the text, what is
 * with it. */
void findings_add(struct findings *f, enum finding kind, const char *subject,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

void findings_end(struct findings *f);

#endif
