/*
 * row: see row.h. Runs in the postern command.
 */
#include "cli/row.h"

#include "cli/text.h"

#include <sodium.h>

enum { HEX = 2 * 32 + 1 };

static void id(struct json *j, const char *key, const struct account *a, uint32_t value)
{
	json_key(j, key);
	if (a->own_ids)
		json_int(j, value);
	else
		json_null(j);
}

void row_place(struct json *j, const struct account *a)
{
	char maildrop[MAILDROP_PATH_MAX + 16] = "";
	if (a->maildrop)
		snprintf(maildrop, sizeof(maildrop), "%s:%s",
			maildrop_kind_name(a->maildrop), a->path);
	json_key(j, "maildrop");
	json_text_or_null(j, maildrop);
	id(j, "uid", a, a->uid);
	id(j, "gid", a, a->gid);
}

void row_limits(struct json *j, const struct account *a)
{
	json_key(j, "expires");
	json_time(j, a->expires);
	json_key(j, "networks");
	json_networks(j, &a->networks);
	json_key(j, "main_password");
	json_bool(j, a->main_password);
	json_key(j, "read_only");
	json_bool(j, a->read_only);
	json_key(j, "quota_octets");
	json_int(j, (int64_t)a->quota_octets);
	json_key(j, "quota_messages");
	json_int(j, (int64_t)a->quota_messages);
}

const char *row_kind(const struct account *a)
{
	return a->kind == ACCOUNT_SYSTEM ? "system" : "virtual";
}

void row_app(struct json *j, const struct app *app)
{
	json_key(j, "label");
	json_text(j, app->label);
	json_key(j, "created");
	json_time(j, app->created);
	json_key(j, "expires");
	json_time(j, app->expires);
	json_key(j, "networks");
	json_networks(j, &app->networks);
	json_key(j, "read_only");
	json_bool(j, app->read_only);
}

void row_certificate(
	struct json *j, const unsigned char fingerprint[32], const char *label)
{
	char hex[HEX];
	sodium_bin2hex(hex, sizeof(hex), fingerprint, 32);
	json_key(j, "fingerprint");
	json_text(j, hex);
	json_key(j, "label");
	json_text(j, label);
}

void row_domain(struct json *j, const struct domain *domain)
{
	json_key(j, "domain");
	json_text(j, domain->name);
	json_key(j, "alias_of");
	json_text_or_null(j, domain->alias_of);
	json_key(j, "enabled");
	json_bool(j, domain->enabled);
}

static int alias(void *arg, const char *name, const char *account)
{
	(void)account;
	json_text(arg, name);
	return 0;
}

int row_aliases(struct json *j, struct store *store, const struct account *account)
{
	json_key(j, "aliases");
	json_open(j, '[');
	int result = edit_alias_each(store, account, alias, j);
	json_close(j, ']');
	return result;
}
