/*
 * whole: is the database whole? SQLite's own look at the pages and the indexes, the
 * rows that belong to others, and every account read as a login reads it. Runs in the
 * postern command.
 */
#include "accounts/edit.h"
#include "accounts/row.h"

/* SQLite puts several of its findings into one row. */
static void tell(void (*each)(void *arg, const char *line), void *arg, struct span rows)
{
	while (rows.n) {
		char line[512];
		struct span row = span_cut(&rows, '\n');
		if (span_to_text(row, line, sizeof(line)) < 0)
			snprintf(line, sizeof(line), "(a line that is too long)");
		if (*line)
			each(arg, line);
	}
}

static int check_with(struct store *store, const char *sql, const char *good,
	void (*each)(void *arg, const char *line), void *arg)
{
	struct stmt s;
	int got, wrong = 0;
	stmt_open(&s, store, sql);
	while ((got = stmt_step(&s)) > 0) {
		struct span rows = stmt_blob(&s, 0);
		if (span_is(rows, good))
			continue;
		tell(each, arg, rows);
		wrong = 1;
	}
	stmt_close(&s);
	return got < 0 ? -1 : wrong;
}

struct finder {
	void (*each)(void *arg, const char *line);
	void *arg;
	int wrong;
};

/* Reading it was the check, and that a login finds it: names are compared prepared. */
static int check_account(void *arg, const struct account *account)
{
	struct finder *finder = arg;
	char name[ACCOUNT_NAME_MAX + 1], line[ACCOUNT_NAME_MAX + 80];
	if (account_name(span_str(account->name), name) == 0 &&
		strcmp(name, account->name) == 0)
		return 0;
	snprintf(line, sizeof(line),
		"%s: not the normal form of a name; nobody finds it", account->name);
	finder->each(finder->arg, line);
	finder->wrong = 1;
	return 0;
}

int edit_check(
	struct store *store, void (*each)(void *arg, const char *line), void *arg)
{
	int pages = check_with(store, "PRAGMA integrity_check", "ok", each, arg);
	if (pages < 0)
		return -1;
	int keys = check_with(store,
		"SELECT 'a row of ' || \"table\" || ' belongs to a row of ' || parent "
		"||"
		" ' that is gone' FROM pragma_foreign_key_check",
		"", each, arg);
	if (keys < 0)
		return -1;
	struct finder names = { .each = each, .arg = arg };
	if (edit_each(store, check_account, &names) < 0)
		return -1;
	return pages || keys || names.wrong;
}
