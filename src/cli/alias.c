/*
 * alias: postern alias and domain: the other names under which accounts log in.
 */
#include "cli/row.h"
#include "cli/text.h"
#include "cli/user.h"

#include <errno.h>

/* --- aliases ------------------------------------------------------------- */

static int run_alias_add(const struct cli *cli)
{
	char alias[ACCOUNT_NAME_MAX + 1];
	struct account account;
	struct store *store;
	int result = user_name(cli, 1, alias);
	if (result)
		return result;
	result = cli_store(cli, STORE_WRITE, &store);
	if (result == 0)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0 && edit_alias_add(store, &account, alias) < 0)
		result = cli_store_error(store);
	store_close(store);
	return result;
}

static int run_alias_del(const struct cli *cli)
{
	char alias[ACCOUNT_NAME_MAX + 1];
	struct store *store;
	int result = user_name(cli, 0, alias);
	if (result)
		return result;
	result = cli_store(cli, STORE_WRITE, &store);
	if (result == 0 && edit_alias_remove(store, alias) < 0)
		result = errno == ENOENT ? cli_error("there is no alias '%s'", alias)
					 : cli_store_error(store);
	store_close(store);
	return result;
}

static int alias_json(void *arg, const char *alias, const char *account)
{
	json_open(arg, '{');
	json_key(arg, "alias");
	json_text(arg, alias);
	json_key(arg, "account");
	json_text(arg, account);
	json_close(arg, '}');
	return ferror(stdout);
}

static int alias_text(void *arg, const char *alias, const char *account)
{
	(void)arg;
	text_print(stdout, alias, 32);
	putchar(' ');
	text_print(stdout, account, 0);
	putchar('\n');
	return ferror(stdout);
}

static int run_alias_list(const struct cli *cli)
{
	struct json j = { .out = stdout };
	struct account account = { 0 };
	struct store *store;
	bool json = cli_flag(cli, "json");
	int result = cli_store(cli, STORE_READ, &store);
	if (result == 0 && cli->operands_n)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0 && json)
		json_open(&j, '[');
	if (result == 0 && edit_alias_each(store, cli->operands_n ? &account : NULL,
				   json ? alias_json : alias_text, &j) < 0)
		result = cli_store_error(store);
	if (result == 0 && json) {
		json_close(&j, ']');
		json_end(&j);
	}
	store_close(store);
	return result ? result : cli_flush();
}

/* --- domains ------------------------------------------------------------- */

/* A domain in the form that account_name() gives the part behind '@'. */
static int domain_name(const struct cli *cli, const char *text, char *name)
{
	char address[ACCOUNT_NAME_MAX + 3], whole[ACCOUNT_NAME_MAX + 1];
	int n = snprintf(address, sizeof(address), "x@%s", text);
	if (n > 0 && n <= (int)ACCOUNT_NAME_MAX &&
		account_name(span_str(address), whole) == 0)
		return span_to_text(account_domain(whole), name, ACCOUNT_NAME_MAX + 1);
	return cli_misuse(cli, "'%s' is no domain", text);
}

struct wanted {
	const char *name;
	struct domain *domain;
};

static int pick(void *arg, const struct domain *domain)
{
	struct wanted *wanted = arg;
	if (strcasecmp(domain->name, wanted->name) != 0)
		return 0;
	*wanted->domain = *domain;
	return 1;
}

/* 1: known, *domain is it; 0: not; -1. */
static int get_domain(struct store *store, const char *name, struct domain *domain)
{
	struct wanted wanted = { name, domain };
	return edit_domain_each(store, pick, &wanted);
}

static int put_domain(struct store *store, const struct domain *domain)
{
	return edit_domain_put(store, domain) < 0 ? cli_store_error(store) : 0;
}

static int run_domain_add(const struct cli *cli)
{
	struct domain domain = { .enabled = true }, known;
	const char *real = cli_option(cli, "alias-of");
	struct store *store;
	int result = domain_name(cli, cli->operands[0], domain.name);
	if (result == 0 && real)
		result = domain_name(cli, real, domain.alias_of);
	if (result == 0 && strcmp(domain.name, domain.alias_of) == 0)
		result = cli_misuse(cli, "a domain is no other name of itself");
	if (result)
		return result;
	result = cli_store(cli, STORE_CREATE, &store);
	if (result == 0 && get_domain(store, domain.name, &known) > 0)
		result = cli_error("there is a domain '%s' already", domain.name);
	if (result == 0)
		result = put_domain(store, &domain);
	store_close(store);
	return result;
}

static int change_domain(const struct cli *cli,
	int (*change)(struct store *store, struct domain *domain))
{
	struct domain domain;
	struct store *store;
	int result = cli_store(cli, STORE_WRITE, &store), known = 0;
	if (result == 0)
		known = get_domain(store, cli->operands[0], &domain);
	if (known < 0)
		result = cli_store_error(store);
	else if (result == 0 && !known)
		result = cli_error("there is no domain '%s'", cli->operands[0]);
	if (result == 0)
		result = change(store, &domain);
	store_close(store);
	return result;
}

static int enable(struct store *store, struct domain *domain)
{
	domain->enabled = true;
	return put_domain(store, domain);
}

static int disable(struct store *store, struct domain *domain)
{
	domain->enabled = false;
	return put_domain(store, domain);
}

static int delete (struct store *store, struct domain *domain)
{
	return edit_domain_remove(store, domain->name) < 0 ? cli_store_error(store) : 0;
}

static int run_domain_enable(const struct cli *cli)
{
	return change_domain(cli, enable);
}

static int run_domain_disable(const struct cli *cli)
{
	char whom[ACCOUNT_NAME_MAX + 2];
	int result = change_domain(cli, disable);
	if (result == 0)
		result = domain_name(cli, cli->operands[0], whom + 1);
	whom[0] = '@';
	return result ? result : cli_end_sessions(cli, whom);
}

static int run_domain_del(const struct cli *cli)
{
	return change_domain(cli, delete);
}

static int domain_json(void *arg, const struct domain *domain)
{
	json_open(arg, '{');
	row_domain(arg, domain);
	json_close(arg, '}');
	return ferror(stdout);
}

static int domain_text(void *arg, const struct domain *domain)
{
	(void)arg;
	text_print(stdout, domain->name, 32);
	printf(" %-9s", domain->enabled ? "enabled" : "disabled");
	if (*domain->alias_of) {
		fputs(" alias of ", stdout);
		text_print(stdout, domain->alias_of, 0);
	}
	putchar('\n');
	return ferror(stdout);
}

static int run_domain_list(const struct cli *cli)
{
	struct json j = { .out = stdout };
	struct store *store;
	bool json = cli_flag(cli, "json");
	int result = cli_store(cli, STORE_READ, &store);
	if (result == 0 && json)
		json_open(&j, '[');
	if (result == 0 &&
		edit_domain_each(store, json ? domain_json : domain_text, &j) < 0)
		result = cli_store_error(store);
	if (result == 0 && json) {
		json_close(&j, ']');
		json_end(&j);
	}
	store_close(store);
	return result ? result : cli_flush();
}

#define LIST_HELP "  --json                for programs\n" DB_HELP

const struct cli_command cli_alias[] = {
	{ "alias add", "NAME ALIAS", "Let an account log in by another name, too",
		DB_HELP, "db=", 2, 2, run_alias_add },
	{ "alias del", "ALIAS", "Delete another name of an account", DB_HELP, "db=", 1,
		1, run_alias_del },
	{ "alias list", "[NAME] [--json]",
		"List the other names of one or all accounts", LIST_HELP, "db= json", 0,
		1, run_alias_list },
	{ "domain add", "DOMAIN [--alias-of DOMAIN]",
		"Make a domain known: so that it can be disabled, or is another's name",
		"Domains that are not known are not limited in any way.\n\n"
		"  --alias-of DOMAIN     its accounts are those of that "
		"domain\n" DB_HELP,
		"db= alias-of=", 1, 1, run_domain_add },
	{ "domain enable", "DOMAIN", "Let a domain's accounts log in again", DB_HELP,
		"db=", 1, 1, run_domain_enable },
	{ "domain disable", "DOMAIN [--keep-sessions]",
		"Refuse all logins of a domain's accounts, and end their sessions",
		KEEP_HELP DB_HELP, "db= keep-sessions", 1, 1, run_domain_disable },
	{ "domain del", "DOMAIN", "Forget a domain; its accounts stay", DB_HELP,
		"db=", 1, 1, run_domain_del },
	{ "domain list", "[--json]", "List the known domains", LIST_HELP, "db= json", 0,
		0, run_domain_list },
	{ 0 },
};
