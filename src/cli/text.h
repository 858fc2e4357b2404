/*
 * text: values as administrators write and read them.
 */
#ifndef POSTERN_CLI_TEXT_H
#define POSTERN_CLI_TEXT_H

#include "accounts/network.h"
#include "cli/json.h"
#include "postern/maildrop.h"

enum { TEXT_TIME_MAX = 21 }; /* "2026-11-24T05:31:27Z" */

/* Unix time as RFC 3339, UTC. */
void text_time(int64_t when, char text[TEXT_TIME_MAX]);

/*
 * A moment: "never" (0); "90d", "12h", "8w", "1y" from now; "2026-12-31", the end of
 * that day in UTC; "2026-12-31T12:00:00Z". 0, or -1.
 */
int text_when(struct span text, int64_t now, int64_t *when);

/* Octets: "0", "500M", "2G" (powers of 1024). 0, or -1. */
int text_octets(struct span text, uint64_t *octets);

/* "maildir:/path" or "mbox:/path": absolute, without "." and ".." parts. 0, or -1. */
int text_maildrop(
	struct span text, enum maildrop_kind *kind, char path[MAILDROP_PATH_MAX + 1]);

/* "on" or "off". 0, or -1. */
int text_on_off(const char *text, bool *on);

/* A user of this system that mail may belong to. 0; or -1 with *why: not known, or
 * root, or of root's group. */
int text_owner(const char *name, uint32_t *uid, uint32_t *gid, const char **why);

/* Prints what others wrote (names, subjects, paths): what a terminal would obey, and
 * what is no UTF-8, as '?'. width counts characters. */
void text_print(FILE *out, const char *value, int width);

/* A moment as JSON: null for 0. */
void json_time(struct json *j, int64_t when);
void json_text_or_null(struct json *j, const char *value);
void json_networks(struct json *j, const struct networks *networks);

#endif
