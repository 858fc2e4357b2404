/*
 * record: reading a line of postern user import. The line is the administrator's, but
 * often comes from another program: every member is checked, one that is not known is a
 * mistake, and the first mistake is what the line is refused for.
 */
#include "cli/record.h"

#include "accounts/members.h"
#include "cli/text.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <time.h>

enum { LIST_MAX = 1000 }; /* aliases or app passwords of one account */

static int wrong(struct record *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int wrong(struct record *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!r->why[0])
		vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
	errno = EINVAL;
	return -1;
}

/* --- values -------------------------------------------------------------- */

static int take_bool(const struct member *m, bool *value)
{
	*value = m->number;
	return m->type == MEMBER_BOOL ? 0 : -1;
}

/* null is 0. */
static int take_number(const struct member *m, uint64_t max, uint64_t *value)
{
	*value = m->type == MEMBER_NULL ? 0 : (uint64_t)m->number;
	if (m->type == MEMBER_NULL)
		return 0;
	return m->type == MEMBER_NUMBER && m->number >= 0 && *value <= max ? 0 : -1;
}

static int take_time(const struct member *m, int64_t *when)
{
	*when = 0;
	if (m->type == MEMBER_NULL)
		return 0;
	return m->type == MEMBER_TEXT ? text_when(m->text, time(NULL), when) : -1;
}

static int take_text(const struct member *m, char *text, size_t size)
{
	return m->type == MEMBER_TEXT ? span_to_text(m->text, text, size) : -1;
}

static int take_base64(
	const struct member *m, unsigned char *octets, size_t room, size_t *n)
{
	const char *end;
	if (m->type != MEMBER_TEXT ||
		sodium_base642bin(octets, room, (const char *)m->text.p, m->text.n,
			NULL, n, &end, sodium_base64_VARIANT_ORIGINAL) < 0)
		return -1;
	return end == (const char *)m->text.p + m->text.n ? 0 : -1;
}

/* One of the line's: a second one is a mistake. */
static int take_secret(const struct member *m, struct secret *secret)
{
	if (m->type == MEMBER_NULL)
		return 0;
	if (m->type != MEMBER_TEXT || !m->text.n || m->text.n > LOGIN_PASSWORD_MAX ||
		secret->n)
		return -1;
	return secret_set(secret, m->text);
}

static int add_network(void *arg, const struct member *m)
{
	struct networks *networks = arg;
	if (m->type != MEMBER_TEXT || networks->n == NETWORKS_MAX)
		return -1;
	return network_parse(&networks->list[networks->n++], m->text);
}

static int take_networks(
	struct record *r, const struct member *m, struct networks *networks)
{
	*networks = (struct networks){ 0 };
	return m->type == MEMBER_ARRAY ? members_each(r->store, m->text, MEMBER_ARRAY,
						 add_network, networks)
				       : -1;
}

/* One more element behind the n of an array; NULL: too many, or no memory. */
static void *grow(void *array, size_t n, size_t size)
{
	return n < LIST_MAX ? reallocarray(array, n + 1, size) : NULL;
}

/* --- members of members -------------------------------------------------- */

static int add_alias(void *arg, const struct member *m)
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
		return m->text.n ? take_text(m, a->app.label, sizeof(a->app.label))
				 : -1;
	if (span_is(m->key, "hash"))
		return take_base64(m, a->hash, sizeof(a->hash), &n) == 0 &&
				       n == sizeof(a->hash)
			       ? 0
			       : -1;
	if (span_is(m->key, "read_only"))
		return take_bool(m, &a->app.read_only);
	if (span_is(m->key, "expires"))
		return take_time(m, &a->app.expires);
	if (span_is(m->key, "networks"))
		return take_networks(r, m, &a->app.networks);
	return span_is(m->key, "created") ? take_time(m, &ignored) : -1;
}

static int add_app(void *arg, const struct member *m)
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
		result = take_number(m, 10000000, &number);
		keys->iterations = (uint32_t)number;
		return number ? result : -1;
	}
	if (span_is(m->key, "salt"))
		return take_base64(m, keys->salt, SCRAM_SALT, &n) == 0 &&
				       n == SCRAM_SALT
			       ? 0
			       : -1;
	if (span_is(m->key, "stored"))
		result = take_base64(m, keys->stored, SCRAM_KEY_MAX, &n);
	if (span_is(m->key, "server"))
		result = take_base64(m, keys->server, SCRAM_KEY_MAX, &n);
	return result == 0 && n == keys->size ? 0 : -1;
}

/* "hash" must come first, as record_write() has it: it says how long the keys are. */
static int add_scram(void *arg, const struct member *m)
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

/* --- members ------------------------------------------------------------- */

static int set_name(struct record *r, const struct member *m)
{
	return m->type == MEMBER_TEXT ? account_name(m->text, r->account.name) : -1;
}

static int set_kind(struct record *r, const struct member *m)
{
	bool ours = !span_is(m->text, "system");
	r->account.kind = ours ? ACCOUNT_VIRTUAL : ACCOUNT_SYSTEM;
	return !ours || span_is(m->text, "virtual") ? 0 : -1;
}

static int set_enabled(struct record *r, const struct member *m)
{
	return take_bool(m, r->is_domain ? &r->domain.enabled : &r->account.enabled);
}

static int set_hash(struct record *r, const struct member *m)
{
	if (m->type == MEMBER_NULL)
		return 0;
	if (m->type != MEMBER_TEXT)
		return -1;
	/* {PLAIN} is a password; it is hashed later, when all lines are known good. */
	struct span plain = span_str("{PLAIN}");
	struct member rest = *m;
	rest.text = span_tail(m->text, plain.n);
	if (span_eq(span_head(m->text, plain.n), plain))
		return take_secret(&rest, &r->password);
	return password_import(m->text, r->credentials.hash);
}

static int set_password(struct record *r, const struct member *m)
{
	return take_secret(m, &r->password);
}

static int set_apop(struct record *r, const struct member *m)
{
	return take_secret(m, &r->apop);
}

static int set_maildrop(struct record *r, const struct member *m)
{
	if (m->type == MEMBER_NULL)
		return 0;
	return m->type == MEMBER_TEXT
		       ? text_maildrop(m->text, &r->account.maildrop, r->account.path)
		       : -1;
}

/* Mail never belongs to root; both or none: see record_read(). */
static int set_uid(struct record *r, const struct member *m)
{
	uint64_t id;
	int result = take_number(m, UINT32_MAX - 1, &id);
	r->account.uid = (uint32_t)id;
	return m->type == MEMBER_NULL || id ? result : -1;
}

static int set_gid(struct record *r, const struct member *m)
{
	uint64_t id;
	int result = take_number(m, UINT32_MAX - 1, &id);
	r->account.gid = (uint32_t)id;
	return m->type == MEMBER_NULL || id ? result : -1;
}

static int set_expires(struct record *r, const struct member *m)
{
	return take_time(m, &r->account.expires);
}

static int set_networks(struct record *r, const struct member *m)
{
	return take_networks(r, m, &r->account.networks);
}

static int set_main_password(struct record *r, const struct member *m)
{
	return take_bool(m, &r->account.main_password);
}

static int set_read_only(struct record *r, const struct member *m)
{
	return take_bool(m, &r->account.read_only);
}

static int set_quota_octets(struct record *r, const struct member *m)
{
	return take_number(m, INT64_MAX, &r->account.quota_octets);
}

static int set_quota_messages(struct record *r, const struct member *m)
{
	return take_number(m, INT64_MAX, &r->account.quota_messages);
}

static int set_list(struct record *r, const struct member *m,
	int (*each)(void *arg, const struct member *member))
{
	return m->type == MEMBER_ARRAY
		       ? members_each(r->store, m->text, MEMBER_ARRAY, each, r)
		       : -1;
}

static int set_aliases(struct record *r, const struct member *m)
{
	return set_list(r, m, add_alias);
}

static int set_apps(struct record *r, const struct member *m)
{
	return set_list(r, m, add_app);
}

static int set_scram(struct record *r, const struct member *m)
{
	return set_list(r, m, add_scram);
}

static int set_domain(struct record *r, const struct member *m)
{
	r->is_domain = true;
	return take_text(m, r->domain.name, sizeof(r->domain.name));
}

static int set_alias_of(struct record *r, const struct member *m)
{
	return m->type == MEMBER_NULL
		       ? 0
		       : take_text(m, r->domain.alias_of, sizeof(r->domain.alias_of));
}

/* Only to read: said by export, decided by the database. */
static int ignore(struct record *r, const struct member *m)
{
	(void)r;
	(void)m;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct record *r, const struct member *m);
} setters[] = {
	{ "name", set_name },
	{ "kind", set_kind },
	{ "enabled", set_enabled },
	{ "hash", set_hash },
	{ "password", set_password },
	{ "apop_secret", set_apop },
	{ "maildrop", set_maildrop },
	{ "uid", set_uid },
	{ "gid", set_gid },
	{ "expires", set_expires },
	{ "networks", set_networks },
	{ "main_password", set_main_password },
	{ "read_only", set_read_only },
	{ "quota_octets", set_quota_octets },
	{ "quota_messages", set_quota_messages },
	{ "aliases", set_aliases },
	{ "apps", set_apps },
	{ "scram", set_scram },
	{ "created", ignore },
	{ "last_login", ignore },
	{ "last_source", ignore },
	{ "domain", set_domain },
	{ "alias_of", set_alias_of },
};

static int member(void *arg, const struct member *m)
{
	struct record *r = arg;
	for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
		if (!span_is(m->key, setters[i].key))
			continue;
		if (setters[i].set(r, m) == 0)
			return 0;
		return wrong(
			r, "the value of \"%s\" is not of its form", setters[i].key);
	}
	return wrong(r, "\"%.*s\" is not known", (int)span_head(m->key, 80).n,
		(const char *)m->key.p);
}

/* SQLite's parser ends a string at a NUL: no line with one gets that far. */
static bool holds_nul(struct span line)
{
	return memchr(line.p, 0, line.n) || memmem(line.p, line.n, "\\u0000", 6);
}

int record_read(struct record *r, struct store *store, struct span line)
{
	*r = (struct record){ .store = store,
		.domain.enabled = true,
		.account = { .kind = ACCOUNT_VIRTUAL,
			.enabled = true,
			.main_password = true } };
	struct account *a = &r->account;
	if (holds_nul(line))
		return wrong(r, "there is a NUL in it");
	if (members_each(store, line, MEMBER_OBJECT, member, r) != 0)
		return wrong(r, "not a JSON object");
	if (r->is_domain)
		return r->domain.name[0] ? 0 : wrong(r, "the domain has no name");
	if (!a->name[0])
		return wrong(r, "there is no \"name\"");
	if (!a->uid != !a->gid)
		return wrong(r, "\"uid\" and \"gid\" go together");
	if (r->password.n && r->credentials.hash[0])
		return wrong(r, "both \"hash\" and \"password\"");
	if (a->kind == ACCOUNT_SYSTEM &&
		(r->password.n || r->credentials.hash[0] || r->apop.n))
		return wrong(r, "a system account's password is the system's");
	a->own_ids = a->uid != 0;
	return 0;
}

void record_free(struct record *r)
{
	free(r->apps);
	free(r->aliases);
	explicit_bzero(r, sizeof(*r));
}
