/*
 * record: what an account database says about one account: a virtual user, or the
 * limits and app passwords of a system user.
 */
#ifndef POSTERN_AUTH_RECORD_H
#define POSTERN_AUTH_RECORD_H

#include "accounts/store.h"

struct record {
	const char *path;	/* of the database */
	struct store *store;	/* open, or NULL */
	bool awake;		/* open and in use; else at rest (store_rest()) */
	struct account account; /* kind 0: there is none of that name */
	struct app app;
	bool by_app; /* the claim was app's, not the account's own password */
	bool rehash; /* the claim was the hash's */
};

/* Looks the login name up: 1; 0, no such account; -1, logged. */
int record_find(struct record *record, uint64_t connection, struct span login);

/* The account of that certificate (SHA-256 of its DER form): as record_find(). */
int record_find_certificate(struct record *record, uint64_t connection,
	const unsigned char fingerprint[32]);

/* Is the password one of the account's app passwords? 1, and by_app is set; 0; -1,
 * logged. */
int record_find_app(struct record *record, uint64_t connection, struct span password);

/* NULL when the account (or its app password) may be used now and from there, else
 * the reason: "disabled", "expired", "network". */
const char *record_limit(const struct record *record, const struct netaddr *peer);

/* May DELE? */
bool record_read_only(const struct record *record);

/* The secret of APOP and CRAM-MD5: 0, empty when the account has none or takes only
 * app passwords; -1, logged. */
int record_secret(struct record *record, uint64_t connection, struct secret *secret);

/* Keys of SCRAM, or fake ones when the account, or nobody, has none. name: the
 * account's own, or what nobody's name comes to (record_own_domain()). 0; -1, logged.
 */
int record_scram(struct record *record, uint64_t connection, const char *name,
	enum scram_hash hash, struct scram_keys *keys);

/* store_own_domain(): 0; -1, logged. */
int record_own_domain(
	struct record *record, uint64_t connection, char name[ACCOUNT_NAME_MAX + 1]);

/* After a good login: when and from where; a new hash where the old one was weak
 * (the password is then needed). Nobody waits for it; faults are logged. */
void record_used(
	struct record *record, const struct netaddr *peer, struct span password);

void record_close(struct record *record);

/* The claim needs the database no more. */
void record_rest(struct record *record);

/* As before the first claim: at rest, and nothing of an account in memory. */
void record_forget(struct record *record);

#endif
