/*
 * user: postern user add, passwd, set, enable, disable, del: accounts are changed. Each
 * command is one transaction. Passwords come from the terminal or standard input, never
 * from the command line, and leave only what cannot be turned back (but for --apop).
 */
#include "cli/user.h"

#include "cli/prompt.h"
#include "cli/text.h"

#include <errno.h>

/* --- add ----------------------------------------------------------------- */

static int store_new(struct store *store, struct account *account,
	const struct credentials *credentials)
{
	if (edit_begin(store) < 0)
		return -1;
	int result = edit_add(store, account);
	if (result == 0)
		result = edit_credentials(store, account, credentials);
	return edit_end(store, result);
}

/* Said before the password is asked for. */
static int refuse_known(struct store *store, const char *name)
{
	struct account known;
	if (store_find(store, span_str(name), &known) == 0 &&
		strcasecmp(known.name, name) == 0)
		return cli_error("there is an account '%s' already", known.name);
	return 0;
}

static int add_credentials(const struct cli *cli, struct store *store, const char *name,
	struct credentials *credentials)
{
	struct secret password = { 0 };
	*credentials = (struct credentials){ 0 };
	if (cli_flag(cli, "no-password") || cli_flag(cli, "system"))
		return 0;
	int result = prompt_password(cli, name, &password);
	if (result == 0)
		result = user_credentials(store, name, secret_span(&password),
			user_kept(cli, (struct kept){ 0 }), credentials);
	secret_wipe(&password);
	return result;
}

/* A row for a user of this system: limits and app passwords, no password. */
static int make_system(const struct cli *cli, struct account *account)
{
	uint32_t uid, gid;
	const char *why;
	if (!cli_flag(cli, "system"))
		return 0;
	if (cli_flag(cli, "owner"))
		return cli_misuse(cli, "--owner is for virtual users; a user of this "
				       "system owns its mail itself");
	account->kind = ACCOUNT_SYSTEM;
	if (text_owner(account->name, &uid, &gid, &why) == 0)
		return 0;
	return cli_error("'%s' as a user of this system: %s", account->name, why);
}

/* Options that say the opposite of each other: which one was meant? */
static int refuse_pairs(const struct cli *cli)
{
	static const char *const pairs[][2] = { { "stdin", "no-password" },
		{ "stdin", "system" }, { "apop", "no-password" }, { "apop", "system" },
		{ "apop", "no-apop" } };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (cli_flag(cli, pairs[i][0]) && cli_flag(cli, pairs[i][1]))
			return cli_misuse(cli, "--%s and --%s exclude each other",
				pairs[i][0], pairs[i][1]);
	return 0;
}

static int run_add(const struct cli *cli)
{
	struct account account = {
		.kind = ACCOUNT_VIRTUAL, .enabled = true, .main_password = true
	};
	struct credentials credentials = { 0 };
	struct store *store;
	int result = refuse_pairs(cli);
	if (result == 0)
		result = user_name(cli, 0, account.name);
	if (result == 0)
		result = make_system(cli, &account);
	if (result == 0)
		result = user_limits(cli, &account);
	if (result)
		return result;
	result = cli_store(cli, STORE_CREATE, &store);
	if (result == 0)
		result = refuse_known(store, account.name);
	if (result == 0)
		result = add_credentials(cli, store, account.name, &credentials);
	if (result == 0 && store_new(store, &account, &credentials) < 0)
		result = cli_store_error(store);
	credentials_wipe(&credentials);
	store_close(store);
	return result;
}

/* --- passwd -------------------------------------------------------------- */

/* 0, or CLI_FAILED with the reason printed. */
static int kept_now(
	struct store *store, const struct account *account, struct kept *kept)
{
	struct scram_keys keys[2];
	size_t n;
	if (edit_scram_get(store, account, keys, &n) < 0)
		return cli_store_error(store);
	*kept = (struct kept){ .apop = account->sealed_n };
	for (size_t i = 0; i < n; i++)
		*(keys[i].hash == SCRAM_SHA_1 ? &kept->scram_sha_1
					      : &kept->scram_sha_256) = true;
	explicit_bzero(keys, sizeof(keys));
	return 0;
}

static int change_password(
	const struct cli *cli, struct store *store, const struct account *account)
{
	struct secret password = { 0 };
	struct credentials credentials;
	struct kept kept = { 0 };
	int result = kept_now(store, account, &kept);
	if (result == 0)
		result = prompt_password(cli, account->name, &password);
	if (result)
		return result;
	result = user_credentials(store, account->name, secret_span(&password),
		user_kept(cli, kept), &credentials);
	secret_wipe(&password);
	if (result == 0 && edit_credentials(store, account, &credentials) < 0)
		result = cli_store_error(store);
	credentials_wipe(&credentials);
	return result;
}

/* Opens for writing and finds the account of operand 0. */
static int open_account(
	const struct cli *cli, struct store **store, struct account *account)
{
	int result = cli_store(cli, STORE_WRITE, store);
	return result ? result : cli_account(*store, cli->operands[0], account);
}

static int run_passwd(const struct cli *cli)
{
	struct account account = { 0 };
	struct store *store = NULL;
	int result = refuse_pairs(cli);
	if (result == 0)
		result = open_account(cli, &store, &account);
	if (result == 0 && account.kind == ACCOUNT_SYSTEM)
		result = cli_error("'%s' is the system's: use passwd(1)", account.name);
	if (result == 0)
		result = change_password(cli, store, &account);
	store_close(store);
	return result;
}

/* --- set, enable, disable, del ------------------------------------------- */

static int update(struct store *store, struct account *account)
{
	return edit_update(store, account) < 0 ? cli_store_error(store) : 0;
}

static int run_set(const struct cli *cli)
{
	struct account account;
	struct store *store;
	if (cli->options_n == (cli_flag(cli, "db") ? 1 : 0))
		return cli_misuse(cli, "says nothing to change");
	int result = open_account(cli, &store, &account);
	if (result == 0)
		result = user_limits(cli, &account);
	if (result == 0)
		result = update(store, &account);
	store_close(store);
	return result;
}

static int set_enabled(const struct cli *cli, bool enabled)
{
	struct account account;
	struct store *store;
	int result = open_account(cli, &store, &account);
	if (result == 0) {
		account.enabled = enabled;
		result = update(store, &account);
	}
	store_close(store);
	return result == 0 && !enabled ? cli_end_sessions(cli, account.name) : result;
}

static int run_enable(const struct cli *cli)
{
	return set_enabled(cli, true);
}

static int run_disable(const struct cli *cli)
{
	return set_enabled(cli, false);
}

/* By its own name only: an alias must not be what deletes an account. */
static int run_del(const struct cli *cli)
{
	struct account account;
	struct store *store;
	int result = open_account(cli, &store, &account);
	if (result == 0 && strcasecmp(account.name, cli->operands[0]) != 0)
		result = cli_error(
			"'%s' is an alias of '%s'", cli->operands[0], account.name);
	if (result == 0 && edit_remove(store, &account) < 0)
		result = cli_store_error(store);
	store_close(store);
	return result ? result : cli_end_sessions(cli, account.name);
}

const struct cli_command cli_user[] = {
	{ "user add",
		"NAME [--stdin | --no-password | --system] [--apop]\n    "
		"[--scram | --scram-sha-1]\n   "
		" " LIMIT_ARGUMENTS,
		"Add an account to the database",
		"  --stdin               the password is the first line of standard "
		"input\n"
		"  --no-password         without one: app passwords only\n"
		"  --system              limits for a user of this system, whose "
		"password is\n"
		"                        the system's\n"
		"  --apop                also keep the sealed secret that APOP and\n"
		"                        CRAM-MD5 need\n" SCRAM_HELP LIMIT_HELP DB_HELP
		"A missing database is created (0600; its directory 0711).\n",
		"db= stdin no-password system apop scram scram-sha-1 " LIMIT_OPTIONS, 1,
		1, run_add },
	{ "user passwd",
		"NAME [--stdin] [--apop | --no-apop]\n"
		"    [--scram | --scram-sha-1 | --no-scram]",
		"Change an account's password; remembered logins end at once",
		"  --stdin               the password is the first line of standard "
		"input\n"
		"  --apop, --no-apop     with or without the sealed secret of APOP "
		"and\n"
		"                        CRAM-MD5 (default: as before)\n" SCRAM_HELP
		"  --no-scram            without them (default: as before)\n" DB_HELP,
		"db= stdin apop no-apop scram scram-sha-1 no-scram", 1, 1, run_passwd },
	{ "user set", "NAME " LIMIT_ARGUMENTS, "Change what an account may",
		LIMIT_HELP DB_HELP, "db= " LIMIT_OPTIONS, 1, 1, run_set },
	{ "user enable", "NAME", "Let an account log in again", DB_HELP, "db=", 1, 1,
		run_enable },
	{ "user disable", "NAME [--keep-sessions]",
		"Refuse all logins of an account, and end its sessions",
		KEEP_HELP DB_HELP, "db= keep-sessions", 1, 1, run_disable },
	{ "user del", "NAME [--keep-sessions]",
		"Delete an account with its app passwords and aliases; its mail stays",
		KEEP_HELP DB_HELP, "db= keep-sessions", 1, 1, run_del },
	{ 0 },
};
