/*
 * value: the values that statements are made of, each with its mistakes told.
 * All return 0, or -1 when a mistake was told and nothing was set.
 */
#ifndef POSTERN_CONFIG_VALUE_H
#define POSTERN_CONFIG_VALUE_H

#include "config/statement.h"

/* A decimal number from min to max. */
int value_number(struct parse *parse, struct span word, const char *name, uint32_t min,
	uint32_t max, uint32_t *number);

/* A time with its unit ("60s", "10m", "2h", "7d") into seconds. */
int value_time(struct parse *parse, struct span word, const char *name, uint32_t min,
	uint32_t max, uint32_t *seconds);

/* An absolute path without "." and ".." in it; size is that of text. */
int value_path(struct parse *parse, struct span word, const char *what, char *text,
	size_t size);

/* Any printable ASCII but '"', at least one octet; size is that of text. */
int value_text(struct parse *parse, struct span word, const char *what, char *text,
	size_t size);

/* A Unix user's name. */
int value_user(struct parse *parse, struct span word, char name[SETUP_NAME_MAX + 1]);

/* A host name: letters, digits, hyphens, dots. */
int value_hostname(
	struct parse *parse, struct span word, char name[SETUP_HOSTNAME_MAX + 1]);

/* "127.0.0.1:110", "[::1]:110", "*:110"; the port may be left out. */
int value_endpoint(
	struct parse *parse, struct span word, struct config_listener *listener);

/* "maildir:/var/mail/%d/%n" */
int value_maildrop(struct parse *parse, struct span word, struct source_setup *source);

/* "pam:postern", "sqlite:/var/lib/postern/users.db" */
int value_source(struct parse *parse, struct span word, struct source_setup *source);

#endif
