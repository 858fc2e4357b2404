/*
 * show: postern user list, show: accounts for people and, with --json, for programs.
 * What a password left behind is named, never shown.
 */
#include "cli/row.h"
#include "cli/text.h"
#include "cli/user.h"

#include <errno.h>
#include <time.h>

/* The kind of hash, as people call it: "argon2id", "sha512-crypt", "ssha". */
static const char *scheme_of(const char *hash)
{
	static const struct {
		const char *prefix, *name;
	} schemes[] = { { "$argon2id$", "argon2id" }, { "$argon2i$", "argon2i" },
		{ "$6$", "sha512-crypt" }, { "$5$", "sha256-crypt" },
		{ "$2", "blf-crypt" }, { "{SSHA}", "ssha" }, { "{SSHA256}", "ssha256" },
		{ "{SSHA512}", "ssha512" }, { "$", "crypt" } };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strncmp(hash, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return schemes[i].name;
	}
	return *hash ? "unknown" : "";
}

static const char *status_of(const struct account *a)
{
	return !a->enabled				? "disabled"
	       : a->expires && a->expires <= time(NULL) ? "expired"
							: "enabled";
}

/* --- JSON ---------------------------------------------------------------- */

static void json_credentials(struct json *j, const struct account *a)
{
	json_key(j, "password");
	json_text_or_null(j, scheme_of(a->hash));
	json_key(j, "apop");
	json_bool(j, a->sealed_n);
	json_key(j, "scram");
	json_bool(j, a->scram);
	json_key(j, "app_passwords");
	json_int(j, a->apps_n);
}

static void json_account(struct json *j, const struct account *a)
{
	json_key(j, "name");
	json_text(j, a->name);
	json_key(j, "kind");
	json_text(j, row_kind(a));
	json_key(j, "status");
	json_text(j, status_of(a));
	row_place(j, a);
	row_limits(j, a);
	json_credentials(j, a);
	json_key(j, "created");
	json_time(j, a->created);
	json_key(j, "changed");
	json_time(j, a->changed);
	json_key(j, "last_login");
	json_time(j, a->last_login);
	json_key(j, "last_source");
	json_text_or_null(j, a->last_source);
}

static int show_json(struct store *store, const struct account *a)
{
	struct json j = { .out = stdout };
	json_open(&j, '{');
	json_account(&j, a);
	int result = row_aliases(&j, store, a);
	json_close(&j, '}');
	json_end(&j);
	return result;
}

/* --- text ---------------------------------------------------------------- */

static void field(const char *name, const char *value)
{
	printf("%-15s ", name);
	text_print(stdout, value, 0);
	putchar('\n');
}

static void field_time(const char *name, int64_t when, const char *none)
{
	char text[TEXT_TIME_MAX];
	text_time(when, text);
	field(name, when ? text : none);
}

static void field_number(const char *name, uint64_t number)
{
	char text[32];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	field(name, number ? text : "none");
}

static void field_networks(const struct networks *networks)
{
	char text[NETWORKS_MAX * NETWORK_TEXT_MAX + 1];
	struct buf b;
	buf_fixed(&b, text, sizeof(text));
	networks_put(&b, networks);
	buf_putc(&b, '\0');
	field("networks", networks->n ? text : "any");
}

static void field_owner(const struct account *a)
{
	char text[48];
	snprintf(text, sizeof(text), "uid %u, gid %u", a->uid, a->gid);
	field("owner", a->own_ids ? text : "default");
}

static int field_alias(void *arg, const char *alias, const char *account)
{
	(void)arg;
	(void)account;
	field("alias", alias);
	return 0;
}

static void maildrop_text(const struct account *a, char *text, size_t size)
{
	text[0] = '\0';
	if (a->maildrop)
		snprintf(text, size, "%s:%s", maildrop_kind_name(a->maildrop), a->path);
}

static int show_text(struct store *store, const struct account *a)
{
	char maildrop[MAILDROP_PATH_MAX + 16];
	maildrop_text(a, maildrop, sizeof(maildrop));
	field("name", a->name);
	field("kind", row_kind(a));
	field("status", status_of(a));
	field("maildrop", *maildrop ? maildrop : "default");
	field_owner(a);
	field("password", a->hash[0] ? scheme_of(a->hash) : "none");
	field("main password", a->main_password ? "accepted" : "refused");
	field("apop", a->sealed_n ? "yes" : "no");
	field("scram", a->scram ? "yes" : "no");
	field_number("app passwords", a->apps_n);
	field("read-only", a->read_only ? "yes" : "no");
	field_networks(&a->networks);
	field_time("expires", a->expires, "never");
	field_number("quota octets", a->quota_octets);
	field_number("quota messages", a->quota_messages);
	field_time("created", a->created, "?");
	field_time("changed", a->changed, "?");
	field_time("last login", a->last_login, "never");
	if (a->last_login)
		field("from", a->last_source);
	return edit_alias_each(store, a, field_alias, NULL);
}

static int run_show(const struct cli *cli)
{
	struct account account;
	struct store *store;
	int result = cli_store(cli, STORE_READ, &store);
	if (result == 0)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0 && (cli_flag(cli, "json") ? show_json(store, &account)
						  : show_text(store, &account)) < 0)
		result = cli_store_error(store);
	store_close(store);
	return result ? result : cli_flush();
}

/* --- list ---------------------------------------------------------------- */

static int list_json(void *arg, const struct account *account)
{
	json_open(arg, '{');
	json_account(arg, account);
	json_close(arg, '}');
	return ferror(stdout);
}

static int list_text(void *arg, const struct account *a)
{
	char last[TEXT_TIME_MAX];
	(void)arg;
	text_time(a->last_login, last);
	text_print(stdout, a->name, 32);
	printf(" %-8s %-9s %s\n", row_kind(a), status_of(a),
		a->last_login ? last : "never");
	return ferror(stdout);
}

static int run_list(const struct cli *cli)
{
	struct json j = { .out = stdout };
	struct store *store;
	int result = cli_store(cli, STORE_READ, &store);
	if (result) {
		store_close(store);
		return result;
	}
	if (cli_flag(cli, "json"))
		json_open(&j, '[');
	else
		printf("%-32s %-8s %-9s %s\n", "NAME", "KIND", "STATUS", "LAST LOGIN");
	if (edit_each(store, cli_flag(cli, "json") ? list_json : list_text, &j) < 0)
		result = cli_store_error(store);
	if (cli_flag(cli, "json")) {
		json_close(&j, ']');
		json_end(&j);
	}
	store_close(store);
	return result ? result : cli_flush();
}

#define SHOW_HELP "  --json                for programs\n" DB_HELP

const struct cli_command cli_show[] = {
	{ "user list", "[--json]", "List the accounts", SHOW_HELP, "db= json", 0, 0,
		run_list },
	{ "user show", "NAME [--json]", "Show all that is known of an account",
		SHOW_HELP, "db= json", 1, 1, run_show },
	{ 0 },
};
