/*
 * record: an account (or a domain) as one line of JSON, the form of postern user export
 * and import.
 */
#ifndef POSTERN_CLI_RECORD_H
#define POSTERN_CLI_RECORD_H

#include "accounts/edit.h"
#include "base/secret.h"
#include "cli/json.h"

enum { RECORD_WHY_MAX = 200 };

struct record_app {
	struct app app;
	unsigned char hash[APP_PASSWORD_HASH];
};

struct record_certificate {
	unsigned char fingerprint[32];
	char label[APP_LABEL_MAX + 1];
	bool known; /* there is a fingerprint */
};

struct record {
	bool is_domain;
	struct domain domain;
	struct account account;
	struct credentials credentials;
	struct secret password, apop; /* as given; empty: not */
	struct record_app *apps;
	size_t apps_n;
	char (*aliases)[ACCOUNT_NAME_MAX + 1];
	size_t aliases_n;
	struct record_certificate *certificates;
	size_t certificates_n;
	/* the reader's */
	struct store *store;
	char why[RECORD_WHY_MAX]; /* what is wrong with the line */
};

/*
 * Reads a line. 0; or -1 with record->why, and nothing to be used. In both cases
 * record_free(). The store only lends its JSON parser.
 */
int record_read(struct record *record, struct store *store, struct span line);
void record_free(struct record *record);

/* Writes the account with all that belongs to it as one line. 0, or -1 of the store. */
int record_write(FILE *out, struct store *store, const struct account *account);
void record_write_domain(FILE *out, const struct domain *domain);

#endif
