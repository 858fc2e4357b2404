/*
 * backup: postern user backup and restore: the account database as one file, and back,
 * while the server runs. Runs as root, or as the server's user.
 */
#include "cli/user.h"

#include <errno.h>
#include <libgen.h>
#include <unistd.h>

enum { FILE_NAME_MAX = 4000 };

/* --- backup -------------------------------------------------------------- */

/* In the place of an earlier one, complete or not at all. */
static int write_over(struct store *store, const char *path)
{
	char beside[FILE_NAME_MAX + 32];
	snprintf(beside, sizeof(beside), "%s.new", path);
	if (edit_backup(store, beside) < 0)
		return errno == EEXIST
			       ? cli_error("%s is there: another backup runs, or has "
					   "been killed (then remove it)",
					 beside)
			       : cli_store_error(store);
	if (rename(beside, path) == 0)
		return 0;
	int error = errno;
	unlink(beside);
	return cli_error("%s: %s", path, strerror(error));
}

static int run_backup(const struct cli *cli)
{
	struct store *store;
	const char *path = cli->operands[0];
	if (strlen(path) > FILE_NAME_MAX)
		return cli_misuse(cli, "FILE is too long");
	int result = cli_store(cli, STORE_READ, &store);
	if (result == 0)
		result = write_over(store, path);
	store_close(store);
	return result;
}

/* --- restore ------------------------------------------------------------- */

struct sealed {
	struct seal_key key;
	bool has_key;
	size_t closed; /* accounts whose secret does not open */
};

static int try_secret(void *arg, const struct account *account)
{
	struct sealed *sealed = arg;
	struct secret secret = { 0 };
	if (account->sealed_n == 0)
		return 0;
	if (!sealed->has_key ||
		seal_open(&sealed->key, account->name,
			span_of(account->sealed, account->sealed_n), &secret) < 0)
		sealed->closed++;
	secret_wipe(&secret);
	return 0;
}

/* The key is a file of its own: who lost the database may have lost it as well. */
static int look_at_secrets(struct store *store)
{
	struct sealed sealed = { .closed = 0 };
	sealed.has_key = seal_key_load(&sealed.key, store_path(store)) == 0;
	int result = edit_each(store, try_secret, &sealed);
	seal_key_wipe(&sealed.key);
	if (result < 0)
		return cli_store_error(store);
	if (sealed.closed)
		cli_error("warning: %zu sealed secret%s (APOP, CRAM-MD5) cannot be "
			  "opened with %s.key: put back the key file of that backup",
			sealed.closed, sealed.closed == 1 ? "" : "s",
			store_path(store));
	return 0;
}

static int run_restore(const struct cli *cli)
{
	struct store *store;
	int result = cli_store(cli, STORE_CREATE, &store);
	if (result && store && (errno == EUCLEAN || errno == EPROTO))
		fprintf(stderr, "Move it away with its -wal and -shm files, and try "
				"again.\n");
	if (result == 0 && edit_restore(store, cli->operands[0]) < 0)
		result = cli_store_error(store);
	if (result == 0)
		result = look_at_secrets(store);
	store_close(store);
	return result;
}

const struct cli_command cli_backup[] = {
	{ "user backup", "FILE", "Write the database as it is now to one file (0600)",
		"The server may run. An earlier FILE is replaced. The key file of "
		"APOP's\n"
		"secrets (DATABASE.key) is not part of it: keep a copy of that "
		"too.\n\n" DB_HELP,
		"db=", 1, 1, run_backup },
	{ "user restore", "FILE",
		"Put back what 'user backup' has written, in place of all accounts",
		"The server may run: the next login finds the accounts of FILE. It is\n"
		"looked at first, and refused when it is damaged or not a database of\n"
		"Postern's. Sessions go on.\n\n" DB_HELP,
		"db=", 1, 1, run_restore },
	{ 0 },
};
