/*
 * row: inside of the store. Which columns make a struct, in which order.
 */
#ifndef POSTERN_ACCOUNTS_ROW_H
#define POSTERN_ACCOUNTS_ROW_H

#include "accounts/db.h"

/* Of a table that the query calls "a". Its domain must be enabled, too. */
#define ACCOUNT_COLUMNS                                                              \
	"a.id, a.name, a.kind, a.enabled AND NOT EXISTS (SELECT 1 FROM domain"       \
	"  WHERE name = substr(a.name, nullif(instr(a.name, '@'), 0) + 1)"           \
	"  AND NOT enabled),"                                                        \
	" a.hash, a.sealed, a.maildrop, a.path, a.uid, a.gid, a.created, a.changed," \
	" a.last_login, a.last_source, a.stamp, a.read_only, a.main_password,"       \
	" a.expires, a.networks, a.quota_octets, a.quota_messages,"                  \
	" (SELECT count(*) FROM app WHERE account = a.id),"                          \
	" EXISTS (SELECT 1 FROM scram WHERE account = a.id)"

int account_from_row(struct stmt *s, struct account *account);

/* Of a table that the query calls "p". */
#define APP_COLUMNS                                                     \
	"p.id, p.label, p.read_only, p.created, p.expires, p.networks," \
	" p.last_used, p.last_source"

enum { APP_COLUMNS_N = 8 };

int app_from_row(struct stmt *s, struct app *app);

#endif
