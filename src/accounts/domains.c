/*
 * domains: which are known, enabled, or another's name. Runs in the postern command.
 * Names are given in normal form (name.h).
 */
#include "accounts/edit.h"
#include "accounts/row.h"

#include <errno.h>

/* The stamps of all whose logins that domain has a part in: its own accounts, those of
 * the domain that it is a name of, and those that have an alias there. */
static int domain_touch(struct store *store, const char *name)
{
	struct stmt s;
	stmt_open(&s, store,
		"UPDATE account SET stamp = stamp + 1"
		" WHERE substr(name, nullif(instr(name, '@'), 0) + 1) COLLATE NOCASE"
		"  IN (?1, (SELECT alias_of FROM domain WHERE name = ?1))"
		" OR id IN (SELECT account FROM alias"
		"  WHERE substr(name, nullif(instr(name, '@'), 0) + 1)"
		"  = ?1 COLLATE NOCASE)");
	stmt_bind_text(&s, span_str(name));
	return stmt_run(&s) < 0 ? -1 : 0;
}

/* What the domain was a name of before counts, too. */
static int domain_put(struct store *store, const struct domain *domain)
{
	struct stmt s;
	if (domain_touch(store, domain->name) < 0)
		return -1;
	stmt_open(&s, store,
		"INSERT INTO domain (name, enabled, alias_of) VALUES (?1, ?2, ?3)"
		" ON CONFLICT (name) DO UPDATE SET enabled = ?2, alias_of = ?3");
	stmt_bind_text(&s, span_str(domain->name));
	stmt_bind_int(&s, domain->enabled);
	stmt_bind_text_or_null(&s, span_str(domain->alias_of));
	if (stmt_run(&s) < 0)
		return errno != EINVAL ? -1
				       : store_fail(store, ENOENT,
						 "no such domain to be a name of");
	return domain_touch(store, domain->name);
}

int edit_domain_put(struct store *store, const struct domain *domain)
{
	return store_begin(store) < 0 ? -1
				      : store_end(store, domain_put(store, domain));
}

static int domain_remove(struct store *store, const char *name)
{
	struct stmt s;
	if (domain_touch(store, name) < 0)
		return -1;
	stmt_open(&s, store, "DELETE FROM domain WHERE name = ?");
	stmt_bind_text(&s, span_str(name));
	return stmt_run_one(&s, "no such domain");
}

int edit_domain_remove(struct store *store, const char *name)
{
	return store_begin(store) < 0 ? -1
				      : store_end(store, domain_remove(store, name));
}

int edit_domain_each(struct store *store,
	int (*each)(void *arg, const struct domain *domain), void *arg)
{
	struct stmt s;
	int got, result = 0;
	stmt_open(
		&s, store, "SELECT name, alias_of, enabled FROM domain ORDER BY name");
	while (result == 0 && (got = stmt_step(&s)) != 0) {
		struct domain d = { .enabled = got > 0 && stmt_int(&s, 2) };
		result = got < 0 || stmt_text(&s, 0, d.name, sizeof(d.name)) < 0 ||
					 stmt_text(&s, 1, d.alias_of,
						 sizeof(d.alias_of)) < 0
				 ? -1
				 : each(arg, &d);
	}
	stmt_close(&s);
	return result;
}
