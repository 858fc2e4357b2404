/*
 * record_write: an account as a line of postern user export. Holds hashes, so it is as
 * secret as the database; sealed secrets are not in it.
 */
#include "cli/record.h"

#include "cli/text.h"

#include <sodium.h>

static void base64(struct json *j, const unsigned char *octets, size_t n)
{
	char text[128];
	sodium_bin2base64(
		text, sizeof(text), octets, n, sodium_base64_VARIANT_ORIGINAL);
	json_text(j, text);
}

/* With its scheme in front, as other servers have it. */
static void put_hash(struct json *j, const char *hash)
{
	static const struct {
		const char *prefix, *scheme;
	} schemes[] = { { "$argon2id$", "{ARGON2ID}" }, { "$6$", "{SHA512-CRYPT}" },
		{ "$5$", "{SHA256-CRYPT}" }, { "$2", "{BLF-CRYPT}" } };
	char text[PASSWORD_HASH_MAX + 32];
	const char *scheme = "";
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strncmp(hash, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			scheme = schemes[i].scheme;
	}
	snprintf(text, sizeof(text), "%s%s", scheme, hash);
	json_text_or_null(j, text);
}

static int put_app(
	void *arg, const struct app *app, const unsigned char hash[APP_PASSWORD_HASH])
{
	struct json *j = arg;
	json_open(j, '{');
	json_key(j, "label");
	json_text(j, app->label);
	json_key(j, "hash");
	base64(j, hash, APP_PASSWORD_HASH);
	json_key(j, "read_only");
	json_bool(j, app->read_only);
	json_key(j, "created");
	json_time(j, app->created);
	json_key(j, "expires");
	json_time(j, app->expires);
	json_key(j, "networks");
	json_networks(j, &app->networks);
	json_close(j, '}');
	return 0;
}

static void put_scram(struct json *j, const struct scram_keys *keys)
{
	json_open(j, '{');
	json_key(j, "hash");
	json_text(j, keys->hash == SCRAM_SHA_1 ? "SHA-1" : "SHA-256");
	json_key(j, "iterations");
	json_int(j, keys->iterations);
	json_key(j, "salt");
	base64(j, keys->salt, SCRAM_SALT);
	json_key(j, "stored");
	base64(j, keys->stored, keys->size);
	json_key(j, "server");
	base64(j, keys->server, keys->size);
	json_close(j, '}');
}

static int put_alias(void *arg, const char *alias, const char *account)
{
	(void)account;
	json_text(arg, alias);
	return 0;
}

static void put_limits(struct json *j, const struct account *a)
{
	char maildrop[MAILDROP_PATH_MAX + 16];
	snprintf(maildrop, sizeof(maildrop), "%s:%s",
		a->maildrop ? maildrop_kind_name(a->maildrop) : "", a->path);
	json_key(j, "maildrop");
	json_text_or_null(j, a->maildrop ? maildrop : "");
	if (a->own_ids) {
		json_key(j, "uid");
		json_int(j, a->uid);
		json_key(j, "gid");
		json_int(j, a->gid);
	}
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
	json_key(j, "created");
	json_time(j, a->created);
}

static int put_lists(struct json *j, struct store *store, const struct account *a)
{
	struct scram_keys scram[2];
	size_t scram_n;
	int result = edit_scram_get(store, a, scram, &scram_n);
	json_key(j, "scram");
	json_open(j, '[');
	for (size_t i = 0; i < scram_n; i++)
		put_scram(j, &scram[i]);
	json_close(j, ']');
	json_key(j, "aliases");
	json_open(j, '[');
	if (result == 0)
		result = edit_alias_each(store, a, put_alias, j);
	json_close(j, ']');
	json_key(j, "apps");
	json_open(j, '[');
	if (result == 0)
		result = edit_app_each(store, a, put_app, j);
	json_close(j, ']');
	return result;
}

int record_write(FILE *out, struct store *store, const struct account *account)
{
	struct json j = { .out = out, .compact = true };
	json_open(&j, '{');
	json_key(&j, "name");
	json_text(&j, account->name);
	json_key(&j, "kind");
	json_text(&j, account->kind == ACCOUNT_SYSTEM ? "system" : "virtual");
	json_key(&j, "enabled");
	json_bool(&j, account->enabled);
	json_key(&j, "hash");
	put_hash(&j, account->hash);
	put_limits(&j, account);
	int result = put_lists(&j, store, account);
	json_close(&j, '}');
	json_end(&j);
	return result;
}

void record_write_domain(FILE *out, const struct domain *domain)
{
	struct json j = { .out = out, .compact = true };
	json_open(&j, '{');
	json_key(&j, "domain");
	json_text(&j, domain->name);
	json_key(&j, "alias_of");
	json_text_or_null(&j, domain->alias_of);
	json_key(&j, "enabled");
	json_bool(&j, domain->enabled);
	json_close(&j, '}');
	json_end(&j);
}
