/*
 * edit: what only the postern command does to the database: auth links none of it.
 * Each call is a transaction, or a part of the caller's, between edit_begin() and
 * edit_end(). Returns and errno are those of store.h.
 */
#ifndef POSTERN_ACCOUNTS_EDIT_H
#define POSTERN_ACCOUNTS_EDIT_H

#include "accounts/store.h"

/* Several edits, all or none. edit_end() commits when result is 0, else takes all
 * back; returns result, or -1 when the commit failed. */
int edit_begin(struct store *store);
int edit_end(struct store *store, int result);

/* What a new password leaves in the database. */
struct credentials {
	char hash[PASSWORD_HASH_MAX + 1];
	unsigned char sealed[SEAL_MAX];
	size_t sealed_n; /* 0: no secret for APOP and CRAM-MD5 */
	struct scram_keys scram[2];
	size_t scram_n;
};

void credentials_wipe(struct credentials *credentials);

/*
 * Adds the account: name (its normal form), kind, enabled, limits, maildrop, ids and
 * quotas as given; id, created, changed and stamp are set in *account. EEXIST: another
 * account or alias has the name.
 */
int edit_add(struct store *store, struct account *account);

/* Writes all that edit_add() takes, but not the name and the kind. */
int edit_update(struct store *store, struct account *account);

/* The password and all that is derived from it, in place of the old. */
int edit_credentials(struct store *store, const struct account *account,
	const struct credentials *credentials);

/* With its app passwords, aliases, certificates. */
int edit_remove(struct store *store, const struct account *account);

/* Calls each() for every account in the order of their names; a result other than 0
 * ends it and is returned. */
int edit_each(struct store *store,
	int (*each)(void *arg, const struct account *account), void *arg);

/* App passwords: app->label, limits and read_only as given; sets id, created. */
int edit_app_add(struct store *store, const struct account *account, struct app *app,
	const unsigned char hash[APP_PASSWORD_HASH]);
int edit_app_remove(
	struct store *store, const struct account *account, struct span label);
int edit_app_each(struct store *store, const struct account *account,
	int (*each)(void *arg, const struct app *app,
		const unsigned char hash[APP_PASSWORD_HASH]),
	void *arg);

/* The account's SCRAM keys, those that there are: into keys[2], *n of them. */
int edit_scram_get(struct store *store, const struct account *account,
	struct scram_keys keys[2], size_t *n);

/* Other login names. */
int edit_alias_add(
	struct store *store, const struct account *account, const char *alias);
int edit_alias_remove(struct store *store, const char *alias);
/* Of that account, or of all with account NULL. */
int edit_alias_each(struct store *store, const struct account *account,
	int (*each)(void *arg, const char *alias, const char *account), void *arg);

/* Domains are optional: one that is known can be disabled, or be another's name. */
struct domain {
	char name[ACCOUNT_NAME_MAX + 1];
	char alias_of[ACCOUNT_NAME_MAX + 1]; /* empty: none */
	bool enabled;
};
/* Adds it or changes the one of that name. */
int edit_domain_put(struct store *store, const struct domain *domain);
int edit_domain_remove(struct store *store, const char *name);
int edit_domain_each(struct store *store,
	int (*each)(void *arg, const struct domain *domain), void *arg);

/* Certificates for EXTERNAL. */
int edit_certificate_add(struct store *store, const struct account *account,
	const unsigned char fingerprint[32], const char *label);
int edit_certificate_remove(struct store *store, const struct account *account,
	const unsigned char fingerprint[32]);
int edit_certificate_each(struct store *store, const struct account *account,
	int (*each)(void *arg, const unsigned char fingerprint[32], const char *label),
	void *arg);

/* Is the file whole? Calls each() with a line for each thing that is wrong. 0: all
 * good; 1: something is wrong; -1: it could not be looked at. */
int edit_check(
	struct store *store, void (*each)(void *arg, const char *line), void *arg);

/*
 * Writes a copy that is one file (0600) and holds what was committed when it began; who
 * logs in or writes meanwhile waits for nothing. There must be no file at the path, and
 * after a failure there is none again.
 */
int edit_backup(struct store *store, const char *path);

/*
 * Puts what the database at `from` holds in the place of all that *store (STORE_CREATE)
 * holds, in one transaction: who reads sees the old or the new. An older version is
 * brought up to date on the way; a foreign, later or damaged one is refused, and *store
 * is as it was. Remembered logins of both end. Faults name the file that they are of.
 */
int edit_restore(struct store *store, const char *from);

#endif
