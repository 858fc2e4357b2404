/*
 * record_list: the lists in a line of postern user import: aliases, app passwords,
 * SCRAM keys, certificates. The line is the administrator's, but often comes from
 * another program.
 */
#include "cli/record_list.h"

#include "cli/member.h"
#include "cli/record.h"

#include <sodium.h>

enum { LIST_MAX = 1000 }; /* elements of one account's list */

/* One more element behind the n of an array; NULL: too many, or no memory. */
static void *grow(void *array, size_t n, size_t size)
{
	return n < LIST_MAX ? reallocarray(array, n + 1, size) : NULL;
}

int record_alias(void *arg, const struct member *m)
{
	struct record *r = arg;
	void *more = grow(r->aliases, r->aliases_n, sizeof(r->aliases[0]));
	if (!more)
		return -1;
	r->aliases = more;
	return m->type == MEMBER_TEXT
		       ? account_name(m->text, r->aliases[r->aliases_n++])
		       : -1;
}

static int app_member(void *arg, const struct member *m)
{
	struct record *r = arg;
	struct record_app *a = &r->apps[r->apps_n - 1];
	int64_t ignored;
	size_t n;
	if (span_is(m->key, "label"))
		return m->text.n ? member_text(m, a->app.label, sizeof(a->app.label))
				 : -1;
	if (span_is(m->key, "hash"))
		return member_base64(m, a->hash, sizeof(a->hash), &n) == 0 &&
				       n == sizeof(a->hash)
			       ? 0
			       : -1;
	if (span_is(m->key, "read_only"))
		return member_bool(m, &a->app.read_only);
	if (span_is(m->key, "expires"))
		return member_time(m, &a->app.expires);
	if (span_is(m->key, "networks"))
		return member_networks(m, r->store, &a->app.networks);
	return span_is(m->key, "created") ? member_time(m, &ignored) : -1;
}

int record_app(void *arg, const struct member *m)
{
	static const unsigned char none[APP_PASSWORD_HASH];
	struct record *r = arg;
	void *more = grow(r->apps, r->apps_n, sizeof(r->apps[0]));
	if (!more)
		return -1;
	r->apps = more;
	struct record_app *a = &r->apps[r->apps_n++];
	*a = (struct record_app){ 0 };
	if (m->type != MEMBER_OBJECT ||
		members_each(r->store, m->text, MEMBER_OBJECT, app_member, r) < 0)
		return -1;
	return a->app.label[0] && memcmp(a->hash, none, sizeof(none)) != 0 ? 0 : -1;
}

static int scram_member(void *arg, const struct member *m)
{
	struct scram_keys *keys = arg;
	uint64_t number;
	size_t n = 0;
	int result = -1;
	if (span_is(m->key, "hash") && m->type == MEMBER_TEXT) {
		keys->hash = span_is(m->text, "SHA-1")	   ? SCRAM_SHA_1
			     : span_is(m->text, "SHA-256") ? SCRAM_SHA_256
							   : 0;
		keys->size = keys->hash == SCRAM_SHA_1 ? 20 : 32;
		return keys->hash ? 0 : -1;
	}
	if (span_is(m->key, "iterations")) {
		result = member_number(m, 10000000, &number);
		keys->iterations = (uint32_t)number;
		return number ? result : -1;
	}
	if (span_is(m->key, "salt"))
		return member_base64(m, keys->salt, SCRAM_SALT, &n) == 0 &&
				       n == SCRAM_SALT
			       ? 0
			       : -1;
	if (span_is(m->key, "stored"))
		result = member_base64(m, keys->stored, SCRAM_KEY_MAX, &n);
	if (span_is(m->key, "server"))
		result = member_base64(m, keys->server, SCRAM_KEY_MAX, &n);
	return result == 0 && n == keys->size ? 0 : -1;
}

/* "hash" must come first, as record_write() has it: it says how long the keys are. */
int record_scram(void *arg, const struct member *m)
{
	struct record *r = arg;
	struct credentials *c = &r->credentials;
	if (m->type != MEMBER_OBJECT || c->scram_n == 2)
		return -1;
	struct scram_keys *keys = &c->scram[c->scram_n++];
	if (members_each(r->store, m->text, MEMBER_OBJECT, scram_member, keys) < 0)
		return -1;
	return keys->hash && keys->iterations &&
			       (c->scram_n == 1 || c->scram[0].hash != keys->hash)
		       ? 0
		       : -1;
}

static int certificate_member(void *arg, const struct member *m)
{
	struct record_certificate *c = arg;
	const char *end;
	size_t n;
	if (span_is(m->key, "label"))
		return member_text(m, c->label, sizeof(c->label));
	if (!span_is(m->key, "fingerprint") || m->type != MEMBER_TEXT ||
		sodium_hex2bin(c->fingerprint, sizeof(c->fingerprint),
			(const char *)m->text.p, m->text.n, ":", &n, &end) < 0)
		return -1;
	c->known = n == sizeof(c->fingerprint);
	return c->known && end == (const char *)m->text.p + m->text.n ? 0 : -1;
}

int record_certificate(void *arg, const struct member *m)
{
	struct record *r = arg;
	void *more =
		grow(r->certificates, r->certificates_n, sizeof(r->certificates[0]));
	if (!more)
		return -1;
	r->certificates = more;
	struct record_certificate *c = &r->certificates[r->certificates_n++];
	*c = (struct record_certificate){ .known = false };
	if (m->type != MEMBER_OBJECT || members_each(r->store, m->text, MEMBER_OBJECT,
						certificate_member, c) < 0)
		return -1;
	return c->known ? 0 : -1;
}
