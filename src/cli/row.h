/*
 * row: what the database holds, as JSON: the members that list, show and export have in
 * common. Each adds to the object that is open.
 */
#ifndef POSTERN_CLI_ROW_H
#define POSTERN_CLI_ROW_H

#include "accounts/edit.h"
#include "cli/json.h"

/* Where the account's mail is and whose; null: as the server's configuration says. */
void row_place(struct json *j, const struct account *account);

/* expires, networks, main_password, read_only, quotas. */
void row_limits(struct json *j, const struct account *account);

/* "virtual" or "system". */
const char *row_kind(const struct account *account);

/* All of an app password but its hash and when it was used. */
void row_app(struct json *j, const struct app *app);

/* fingerprint, label. */
void row_certificate(
	struct json *j, const unsigned char fingerprint[32], const char *label);

void row_domain(struct json *j, const struct domain *domain);

/* The account's other names, as an array. 0, or -1 of the store. */
int row_aliases(struct json *j, struct store *store, const struct account *account);

#endif
