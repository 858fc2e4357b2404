/*
 * app: postern app add, list, del: passwords for one program or device, drawn here,
 * shown once, each with limits of its own. A system account that has none yet gets a
 * row in the database, which holds nothing but these.
 */
#include "cli/row.h"
#include "cli/text.h"
#include "cli/user.h"

#include <errno.h>

/* The account, or for a user of this system a new row. 0 or an exit code. */
static int account_for_app(
	const struct cli *cli, struct store *store, struct account *account)
{
	uint32_t uid, gid;
	const char *why, *name = cli->operands[0];
	if (store_find(store, span_str(name), account) == 0)
		return 0;
	if (errno != ENOENT)
		return cli_store_error(store);
	*account = (struct account){
		.kind = ACCOUNT_SYSTEM, .enabled = true, .main_password = true
	};
	int result = user_name(cli, 0, account->name);
	if (result)
		return result;
	if (text_owner(account->name, &uid, &gid, &why) < 0)
		return cli_error(
			"there is no account '%s', and as a user of this system: %s",
			name, why);
	return edit_add(store, account) < 0 ? cli_store_error(store) : 0;
}

static int label_of(const struct cli *cli, char label[APP_LABEL_MAX + 1])
{
	struct span text = span_str(cli->operands[1]);
	bool good = text.n && utf8_valid(text) &&
		    span_to_text(text, label, APP_LABEL_MAX + 1) == 0;
	for (size_t i = 0; i < text.n; i++)
		good = good && text.p[i] >= 0x20 && text.p[i] != 0x7f;
	return good ? 0
		    : cli_misuse(cli,
			      "a label is 1 to %d octets of UTF-8 without control "
			      "characters",
			      (int)APP_LABEL_MAX);
}

static int add(const struct cli *cli, struct store *store, struct app *app,
	const unsigned char hash[APP_PASSWORD_HASH])
{
	struct account account;
	if (edit_begin(store) < 0)
		return cli_store_error(store);
	int result = account_for_app(cli, store, &account);
	if (result == 0 && edit_app_add(store, &account, app, hash) < 0)
		result = cli_store_error(store);
	if (edit_end(store, result ? -1 : 0) < 0 && !result)
		result = cli_store_error(store);
	return result;
}

static int show_password(const struct cli *cli, const struct app *app, const char *text)
{
	struct json j = { .out = stdout };
	if (!cli_flag(cli, "json")) {
		puts(text);
		return cli_flush();
	}
	json_open(&j, '{');
	json_key(&j, "label");
	json_text(&j, app->label);
	json_key(&j, "password");
	json_text(&j, text);
	json_close(&j, '}');
	json_end(&j);
	return cli_flush();
}

static int run_add(const struct cli *cli)
{
	struct app app = { .read_only = cli_flag(cli, "read-only") };
	char text[APP_PASSWORD_TEXT + 1];
	unsigned char hash[APP_PASSWORD_HASH];
	struct store *store;
	int result = label_of(cli, app.label);
	if (result == 0)
		result = user_networks(cli, &app.networks);
	if (result == 0)
		result = user_expires(cli, &app.expires);
	if (result)
		return result;
	result = cli_store(cli, STORE_CREATE, &store);
	if (result == 0) {
		app_password_draw(text);
		result = app_password_hash(span_str(text), hash) < 0
				 ? CLI_FAILED
				 : add(cli, store, &app, hash);
	}
	if (result == 0)
		result = show_password(cli, &app, text);
	explicit_bzero(text, sizeof(text));
	store_close(store);
	return result;
}

static int run_del(const struct cli *cli)
{
	struct account account;
	struct store *store;
	int result = cli_store(cli, STORE_WRITE, &store);
	if (result == 0)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0 &&
		edit_app_remove(store, &account, span_str(cli->operands[1])) < 0)
		result = cli_store_error(store);
	store_close(store);
	return result;
}

/* --- list ---------------------------------------------------------------- */

static int list_json(
	void *arg, const struct app *app, const unsigned char hash[APP_PASSWORD_HASH])
{
	struct json *j = arg;
	(void)hash;
	json_open(j, '{');
	row_app(j, app);
	json_key(j, "last_used");
	json_time(j, app->last_used);
	json_key(j, "last_source");
	json_text_or_null(j, app->last_source);
	json_close(j, '}');
	return ferror(stdout);
}

static int list_text(
	void *arg, const struct app *app, const unsigned char hash[APP_PASSWORD_HASH])
{
	char used[TEXT_TIME_MAX], expires[TEXT_TIME_MAX];
	(void)arg;
	(void)hash;
	text_time(app->last_used, used);
	text_time(app->expires, expires);
	text_print(stdout, app->label, 20);
	printf(" %-20s %-20s %-15s%s\n", app->last_used ? used : "never",
		app->expires ? expires : "never",
		app->last_used ? app->last_source : "-",
		app->read_only ? " read-only" : "");
	return ferror(stdout);
}

static int list(
	const struct cli *cli, struct store *store, const struct account *account)
{
	struct json j = { .out = stdout };
	bool json = cli_flag(cli, "json");
	if (json)
		json_open(&j, '[');
	else
		printf("%-20s %-20s %-20s %s\n", "LABEL", "LAST USED", "EXPIRES",
			"FROM");
	int result = edit_app_each(store, account, json ? list_json : list_text, &j);
	if (json) {
		json_close(&j, ']');
		json_end(&j);
	}
	return result < 0 ? cli_store_error(store) : cli_flush();
}

static int run_list(const struct cli *cli)
{
	struct account account;
	struct store *store;
	int result = cli_store(cli, STORE_READ, &store);
	if (result == 0)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0)
		result = list(cli, store, &account);
	store_close(store);
	return result;
}

const struct cli_command cli_app[] = {
	{ "app add",
		"NAME LABEL [--net CIDR]... [--expires WHEN] [--read-only]"
		" [--json]",
		"Draw a password for one program or device, and print it once",
		"NAME is an account, or a user of this system.\n\n"
		"  --net CIDR            accept it only from there; may be repeated\n"
		"  --expires WHEN        90d, 2026-12-31, never\n"
		"  --read-only           with it messages may be fetched, not deleted\n"
		"  --json                for programs\n" DB_HELP,
		"db= json net= expires= read-only", 2, 2, run_add },
	{ "app list", "NAME [--json]",
		"List an account's app passwords: when and from where each was last "
		"used",
		"  --json                for programs\n" DB_HELP, "db= json", 1, 1,
		run_list },
	{ "app del", "NAME LABEL", "Delete an app password; it is refused at once",
		DB_HELP, "db=", 2, 2, run_del },
	{ 0 },
};
