/*
 * transfer: postern user export and import: accounts as lines of JSON, one each. An
 * import is all or none: every line is read and checked, and passwords are hashed,
 * before the database is touched; then all is written in one transaction.
 */
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/user.h"

#include <errno.h>

enum { MISTAKES_SHOWN = 20 };

/* --- export -------------------------------------------------------------- */

static int export_account(void *store, const struct account *account)
{
	return record_write(stdout, store, account) < 0 ? -1 : ferror(stdout);
}

/* Those that are no other's name first: so an import finds what they refer to. */
static int export_real(void *arg, const struct domain *domain)
{
	(void)arg;
	if (!*domain->alias_of)
		record_write_domain(stdout, domain);
	return ferror(stdout);
}

static int export_other(void *arg, const struct domain *domain)
{
	(void)arg;
	if (*domain->alias_of)
		record_write_domain(stdout, domain);
	return ferror(stdout);
}

static int export_all(struct store *store)
{
	if (edit_domain_each(store, export_real, NULL) < 0 ||
		edit_domain_each(store, export_other, NULL) < 0)
		return -1;
	return edit_each(store, export_account, store);
}

static int run_export(const struct cli *cli)
{
	struct store *store;
	struct account account;
	int result = cli_store(cli, STORE_READ, &store), done = 0;
	if (result == 0 && cli->operands_n == 0)
		done = export_all(store);
	for (int i = 0; i < cli->operands_n && result == 0 && done == 0; i++) {
		result = cli_account(store, cli->operands[i], &account);
		if (result == 0)
			done = record_write(stdout, store, &account);
	}
	if (done < 0)
		result = cli_store_error(store);
	store_close(store);
	return result ? result : cli_flush();
}

/* --- import -------------------------------------------------------------- */

struct line {
	char *text;
	size_t n;
	unsigned long number;
	char hash[PASSWORD_HASH_MAX + 1]; /* of its password, when it has one */
};

struct import {
	const struct cli *cli;
	struct store *store;
	const char *file; /* for messages */
	struct line *lines;
	size_t lines_n;
	unsigned long mistakes;
	size_t accounts, domains;
	struct progress progress;
};

static void mistake(struct import *import, unsigned long number, const char *why)
{
	progress_end(&import->progress);
	if (++import->mistakes <= MISTAKES_SHOWN)
		fprintf(stderr, "%s:%lu: %s\n", import->file, number, why);
}

static int keep_line(struct import *import, char *text, size_t n, unsigned long number)
{
	struct line *lines = import->lines;
	/* Room doubles: at each power of two. */
	if ((import->lines_n & (import->lines_n - 1)) == 0) {
		size_t room = import->lines_n ? import->lines_n * 2 : 1;
		lines = reallocarray(lines, room, sizeof(*lines));
		if (!lines)
			return -1;
		import->lines = lines;
	}
	lines[import->lines_n++] = (struct line){ text, n, number, "" };
	return 0;
}

/* Every line that is not empty. */
static int read_lines(struct import *import, FILE *in)
{
	for (unsigned long number = 1;; number++) {
		char *text = NULL;
		size_t room = 0;
		ssize_t n = getline(&text, &room, in);
		if (n < 0) {
			free(text);
			break;
		}
		while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
			n--;
		if (n == 0) {
			free(text);
			continue;
		}
		if (keep_line(import, text, (size_t)n, number) < 0) {
			free(text);
			return cli_error("out of memory");
		}
	}
	return ferror(in) ? cli_error("%s: %s", import->file, strerror(errno)) : 0;
}

/* Reads a line and hashes its password, once: that takes time and needs no lock. */
static void check_line(struct import *import, struct line *line)
{
	struct record record;
	if (record_read(&record, import->store, span_of(line->text, line->n)) < 0)
		mistake(import, line->number, record.why);
	else if (record.password.n && !cli_flag(import->cli, "dry-run") &&
		 password_hash(secret_span(&record.password), line->hash) < 0)
		mistake(import, line->number, strerror(errno));
	record_free(&record);
}

/* What the new row's password leaves: as given, or made from the password. */
static int complete(struct import *import, struct record *r, const struct line *line)
{
	struct credentials *c = &r->credentials;
	struct span password = secret_span(&r->password);
	if (r->password.n) {
		snprintf(c->hash, sizeof(c->hash), "%s", line->hash);
		if (user_scram(password, user_kept(import->cli, (struct kept){ 0 }),
			    c) < 0)
			return -1;
	}
	return r->apop.n ? user_seal(import->store, r->account.name,
				   secret_span(&r->apop), c)
			 : 0;
}

static int put_lists(struct store *store, struct record *r)
{
	for (size_t i = 0; i < r->aliases_n; i++) {
		if (edit_alias_add(store, &r->account, r->aliases[i]) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->apps_n; i++) {
		if (edit_app_add(store, &r->account, &r->apps[i].app, r->apps[i].hash) <
			0)
			return -1;
	}
	for (size_t i = 0; i < r->certificates_n; i++) {
		const struct record_certificate *c = &r->certificates[i];
		if (edit_certificate_add(store, &r->account, c->fingerprint, c->label) <
			0)
			return -1;
	}
	return 0;
}

/* With --replace an account of the name goes first, with all that it had. */
static int make_room(struct import *import, const char *name)
{
	struct account known;
	if (!cli_flag(import->cli, "replace"))
		return 0;
	if (store_find(import->store, span_str(name), &known) < 0)
		return errno == ENOENT ? 0 : -1;
	return strcasecmp(known.name, name) == 0 ? edit_remove(import->store, &known)
						 : 0;
}

static int put_record(struct import *import, struct record *r, const struct line *line)
{
	if (r->is_domain) {
		import->domains++;
		return edit_domain_put(import->store, &r->domain);
	}
	import->accounts++;
	if (make_room(import, r->account.name) < 0 || complete(import, r, line) < 0 ||
		edit_add(import->store, &r->account) < 0 ||
		edit_credentials(import->store, &r->account, &r->credentials) < 0)
		return -1;
	return put_lists(import->store, r);
}

/* Mistakes of a line (a name that is taken) go on to the next; faults end it all. */
static int put_line(struct import *import, const struct line *line)
{
	struct record record;
	if (record_read(&record, import->store, span_of(line->text, line->n)) < 0) {
		record_free(&record);
		return cli_error(
			"%s:%lu: cannot be read again", import->file, line->number);
	}
	int result = 0;
	if (put_record(import, &record, line) < 0) {
		if (errno == EEXIST || errno == EINVAL || errno == ENOENT)
			mistake(import, line->number, store_fault(import->store));
		else
			result = cli_store_error(import->store);
	}
	record_free(&record);
	return result;
}

static int put_lines(struct import *import)
{
	if (edit_begin(import->store) < 0)
		return cli_store_error(import->store);
	int result = 0;
	for (size_t i = 0; i < import->lines_n && result == 0; i++) {
		progress_tell(&import->progress, "written", i, import->lines_n);
		result = put_line(import, &import->lines[i]);
	}
	progress_end(&import->progress);
	bool keep =
		result == 0 && !import->mistakes && !cli_flag(import->cli, "dry-run");
	if (edit_end(import->store, keep ? 0 : -1) < 0 && keep)
		result = cli_store_error(import->store);
	return result;
}

static int finish(struct import *import)
{
	bool dry = cli_flag(import->cli, "dry-run");
	if (import->mistakes > MISTAKES_SHOWN)
		fprintf(stderr, "%s: and %lu more\n", import->file,
			import->mistakes - MISTAKES_SHOWN);
	if (import->mistakes)
		return cli_error("%s: %lu mistake%s; nothing was imported",
			import->file, import->mistakes,
			import->mistakes == 1 ? "" : "s");
	printf("%s: accounts %zu, domains %zu\n",
		dry ? "would be imported" : "imported", import->accounts,
		import->domains);
	return cli_flush();
}

static int import_from(struct import *import, FILE *in)
{
	int result = read_lines(import, in);
	for (size_t i = 0; i < import->lines_n && result == 0; i++) {
		progress_tell(&import->progress, "read", i, import->lines_n);
		check_line(import, &import->lines[i]);
	}
	progress_end(&import->progress);
	if (result == 0 && !import->mistakes)
		result = put_lines(import);
	for (size_t i = 0; i < import->lines_n; i++) {
		explicit_bzero(import->lines[i].text, import->lines[i].n);
		free(import->lines[i].text);
	}
	free(import->lines);
	return result ? result : finish(import);
}

static int run_import(const struct cli *cli)
{
	struct import import = { .cli = cli, .file = "standard input" };
	FILE *in = stdin;
	if (cli->operands_n) {
		import.file = cli->operands[0];
		in = fopen(import.file, "re");
	}
	if (!in)
		return cli_error("%s: %s", import.file, strerror(errno));
	int result = cli_store(cli, STORE_CREATE, &import.store);
	if (result == 0)
		result = import_from(&import, in);
	store_close(import.store);
	if (in != stdin)
		fclose(in);
	return result;
}

const struct cli_command cli_transfer[] = {
	{ "user export", "[NAME]...",
		"Write accounts with their hashes, aliases, app passwords and "
		"certificates as lines of JSON",
		"Domains come first, unless accounts are named. The secrets of APOP "
		"are not\n"
		"part of it. Keep the output as secret as the database.\n\n" DB_HELP,
		"db=", 0, CLI_OPERANDS_MAX, run_export },
	{ "user import", "[FILE] [--replace] [--dry-run] [--scram | --scram-sha-1]",
		"Add the accounts of such lines, all or none",
		"  --replace             an account of the same name is replaced\n"
		"  --dry-run             only say what would happen\n" SCRAM_HELP
			DB_HELP
		"\"hash\" may be of another server: {SHA512-CRYPT}, {SHA256-CRYPT},\n"
		"{BLF-CRYPT}, {ARGON2ID}, {SSHA}, {SSHA256}, {SSHA512}, {PLAIN}; see\n"
		"postern-accounts(5).\n",
		"db= replace dry-run scram scram-sha-1", 0, 1, run_import },
	{ 0 },
};
