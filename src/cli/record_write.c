/*
 * record_write: an account as a line of postern user export. Holds hashes, so it is as
 * secret as the database; sealed secrets are not in it.
 */
#include "cli/record.h"

#include "cli/row.h"
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
	row_app(j, app);
	json_key(j, "hash");
	base64(j, hash, APP_PASSWORD_HASH);
	json_close(j, '}');
	return 0;
}

static int put_certificate(
	void *arg, const unsigned char fingerprint[32], const char *label)
{
	struct json *j = arg;
	json_open(j, '{');
	row_certificate(j, fingerprint, label);
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
	if (result == 0)
		result = row_aliases(j, store, a);
	json_key(j, "apps");
	json_open(j, '[');
	if (result == 0)
		result = edit_app_each(store, a, put_app, j);
	json_close(j, ']');
	json_key(j, "certificates");
	json_open(j, '[');
	if (result == 0)
		result = edit_certificate_each(store, a, put_certificate, j);
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
	json_text(&j, row_kind(account));
	json_key(&j, "enabled");
	json_bool(&j, account->enabled);
	json_key(&j, "hash");
	put_hash(&j, account->hash);
	row_place(&j, account);
	row_limits(&j, account);
	json_key(&j, "created");
	json_time(&j, account->created);
	int result = put_lists(&j, store, account);
	json_close(&j, '}');
	json_end(&j);
	return result;
}

void record_write_domain(FILE *out, const struct domain *domain)
{
	struct json j = { .out = out, .compact = true };
	json_open(&j, '{');
	row_domain(&j, domain);
	json_close(&j, '}');
	json_end(&j);
}
