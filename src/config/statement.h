/*
 * statement: what each statement of postern.conf means. A statement that is
 * wrong is told about and skipped, so that one run finds every mistake.
 */
#ifndef POSTERN_CONFIG_STATEMENT_H
#define POSTERN_CONFIG_STATEMENT_H

#include "config/config.h"
#include "config/words.h"

/* What may be set only once. */
enum setting {
	SETTING_CERTIFICATE,
	SETTING_PLAINTEXT,
	SETTING_CONNECTIONS,
	SETTING_PER_SOURCE,
	SETTING_ATTEMPTS,
	SETTING_BAD_COMMANDS,
	SETTING_LOGINS,
	SETTING_LOGIN_TIME,
	SETTING_IDLE_TIME,
	SETTING_TAKEOVER_TIME,
	SETTING_UNDO,
	SETTING_MECHANISMS,
	SETTING_REMEMBER,
	SETTING_NAMES_DOMAIN,
	SETTING_NAMES_STRIP,
	SETTING_NAMES_FOLD,
	SETTING_FIRST_UID,
	SETTING_PAM_SESSION,
	SETTING_KERNEL_TLS,
	SETTING_CLIENT_CERTIFICATES,
	SETTING_HOSTNAME,
	SETTING_USER,
	SETTING_RUNTIME,
	SETTING_STATE,
	SETTING_PROGRAMS,
	SETTINGS,
};

struct parse {
	struct config *config;
	const char *path;
	struct buf *mistakes, *warnings;
	unsigned line; /* 0: the file as a whole */
	struct words words;
	unsigned set[SETTINGS]; /* the line that set it, or 0 */
	unsigned source_lines[SETUP_SOURCES_MAX];
	unsigned issuer_lines[SETUP_ISSUERS_MAX];
};

/* The i-th word of the statement; empty: there is none. */
static inline struct span word(const struct parse *parse, size_t i)
{
	return i < parse->words.n ? parse->words.words[i] : span_of("", 0);
}

/* One line for the reader of the errors, about the current line. */
void parse_mistake(struct parse *parse, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void parse_warning(struct parse *parse, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says that word is no what, and which of the words comes nearest. */
void parse_unknown(struct parse *parse, const char *what, struct span word,
	const char *const *words);

/* Notes that setting is made here; false (and a mistake) when it was before. */
bool parse_set(struct parse *parse, enum setting setting, const char *name);

/* The statement in parse->words, which are not empty. */
void statement_apply(struct parse *parse);

/* issuer NAME KEY audience NAME [system] [domain NAME ...] */
void statement_issuer(struct parse *parse);
void statement_names(struct parse *parse);
void statement_first_uid(struct parse *parse);

/* What the statements together must satisfy, when the file is read. */
void statements_check(struct parse *parse);

#endif
