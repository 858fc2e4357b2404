/*
 * cli: the postern command. A command is a row of a table (struct cli_command) and a
 * function; a file of commands exports its table, and main.c lists it. To add one: a
 * file, and a line in main.c.
 */
#ifndef POSTERN_CLI_CLI_H
#define POSTERN_CLI_CLI_H

#include "base/poison.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit codes. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_MISUSED = 2 };

enum { CLI_OPERANDS_MAX = 64, CLI_OPTIONS_MAX = 64 };

struct config;
struct store;
struct account;
struct cli;

struct cli_command {
	const char *words;     /* "user add", "who"; NULL ends a table */
	const char *arguments; /* "NAME [--stdin]", for the synopsis */
	const char *summary;   /* one line, no full stop */
	const char *help;      /* what --help says below it: whole lines */
	/* The long options it knows beside --help, separated by blanks; "name=" takes a
	 * value. "db=" and "json" are common: list them where they mean something. */
	const char *options;
	int least, most; /* operands */
	int (*run)(const struct cli *cli);
};

/* A parsed command line. */
struct cli {
	const struct cli_command *command;
	const char *config_path; /* of -c, or the default */
	bool config_given;
	const char *operands[CLI_OPERANDS_MAX];
	int operands_n;
	struct {
		const char *name, *value; /* value "" for one without */
	} options[CLI_OPTIONS_MAX];
	int options_n;
};

/* The value of the option's last use; "" when it takes none; NULL: not given. */
const char *cli_option(const struct cli *cli, const char *name);

/* The i-th use's value, or NULL behind the last. */
const char *cli_option_at(const struct cli *cli, const char *name, int i);

static inline bool cli_flag(const struct cli *cli, const char *name)
{
	return cli_option(cli, name) != NULL;
}

/* "postern: text" to stderr; returns CLI_FAILED. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "postern COMMAND: text" and where to read more; returns CLI_MISUSED. */
int cli_misuse(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Reads the configuration of -c. *config must be freed with free(). Mistakes are
 * printed; 0, or CLI_FAILED. */
int cli_config(const struct cli *cli, struct config **config);

/* --- the account database (database.c) ----------------------------------- */

/*
 * The path of the account database: --db, or the configuration's sqlite source; with
 * several the first, unless needs_one, when that is a mistake. 0 or an exit code.
 */
int cli_database(const struct cli *cli, bool needs_one, char *path, size_t size);

/* Opens it in a mode of store.h. What goes wrong is printed. 0 or an exit code; *store
 * is to be closed with store_close() in both cases. */
int cli_store(const struct cli *cli, int mode, struct store **store);

/* Prints store_fault(); returns CLI_FAILED. */
int cli_store_error(const struct store *store);

/* Finds the account of that name or alias; prints when there is none. 0 or CLI_FAILED.
 */
int cli_account(struct store *store, const char *name, struct account *account);

/*
 * Ends the sessions of an account, or of a domain's ("@example.org"), for a change that
 * lets nobody in any more; says how many there were. Unless --keep-sessions, and unless
 * --db names a database that may be no server's. 0, or CLI_FAILED (printed).
 */
int cli_end_sessions(const struct cli *cli, const char *whom);

/* Flushes stdout: CLI_DONE, or CLI_FAILED with a message when it could not be written.
 */
int cli_flush(void);

/* The tables. */
extern const struct cli_command cli_user[], cli_show[], cli_app[], cli_alias[],
	cli_transfer[], cli_server[], cli_check[], cli_host[], cli_deliver[],
	cli_undelete[], cli_backup[];

#endif
