/*
 * config: postern.conf(5), read by the master and by the postern command. One
 * statement per line, the first word is the keyword, `#` begins a comment.
 * Written by the administrator, so trusted; but a mistake in it must cost
 * nothing but a message: all mistakes are reported at once and the caller
 * keeps what it had.
 */
#ifndef POSTERN_CONFIG_H
#define POSTERN_CONFIG_H

#include "base/buf.h"
#include "postern/facts.h"
#include "postern/setup.h"

enum {
	CONFIG_LISTENERS_MAX = 16,
	CONFIG_HOST_MAX = 255,
};

enum plaintext_policy {
	PLAINTEXT_NEVER,
	PLAINTEXT_LOOPBACK, /* only when both ends are loopback addresses */
	PLAINTEXT_ALWAYS,
};

struct config_listener {
	enum listener_kind kind;
	char host[CONFIG_HOST_MAX + 1]; /* a numeric address; "*": all, both families */
	uint16_t port;			/* 0: any that is free */
	unsigned line;
};

struct config {
	struct config_listener listeners[CONFIG_LISTENERS_MAX];
	size_t listeners_n;
	char certificate[SETUP_PATH_MAX + 1]; /* empty: no TLS */
	char key[SETUP_PATH_MAX + 1];
	struct source_setup sources[SETUP_SOURCES_MAX];
	size_t sources_n;
	struct issuer_setup issuers[SETUP_ISSUERS_MAX];
	size_t issuers_n;
	struct names_setup names;
	bool pam_session;
	bool kernel_tls;
	bool client_certificates;  /* asked for, and EXTERNAL is offered */
	uint32_t mechanisms;	   /* 1 << enum login_mechanism each; 0: auto */
	uint32_t remember_seconds; /* 0: verified logins are not remembered */
	enum plaintext_policy plaintext;
	uint32_t connections, per_source, attempts, bad_commands, logins;
	uint32_t login_seconds, idle_seconds, takeover_seconds;
	uint32_t undo_seconds;
	char hostname[SETUP_HOSTNAME_MAX + 1];
	char user[SETUP_NAME_MAX + 1];	      /* the gate's Unix user */
	char keeper_user[SETUP_NAME_MAX + 1]; /* the keeper's */
	char runtime[SETUP_PATH_MAX + 1];     /* directory: pid file, locks */
	char state[SETUP_PATH_MAX + 1]; /* directory: the maildrops' caches, journals */
	char programs[SETUP_PATH_MAX + 1]; /* directory of the domains' programs */
};

/*
 * Reads the file at path into *config, on top of the defaults. Returns 0; or -1
 * when the file cannot be read or has mistakes: *errors then holds one line
 * for each, "path:line: text" LF ("path: text" when it is about the whole file),
 * and *config must not be used. On success
 * *errors holds warnings in the same form, or nothing.
 */
int config_load(struct config *config, const char *path, struct buf *errors);

/* The effective configuration in the file's own grammar. */
void config_print(const struct config *config, struct buf *out);

#endif
