/*
 * record: reading a line of postern user import. The line is the administrator's, but
 * often comes from another program: every member is checked, one that is not known is a
 * mistake, and the first mistake is what the line is refused for.
 */
#include "cli/record.h"

#include "cli/member.h"
#include "cli/record_list.h"
#include "cli/text.h"

#include <errno.h>
#include <stdarg.h>

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
	return member_bool(m, r->is_domain ? &r->domain.enabled : &r->account.enabled);
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
		return member_secret(&rest, &r->password);
	return password_import(m->text, r->credentials.hash);
}

static int set_password(struct record *r, const struct member *m)
{
	return member_secret(m, &r->password);
}

static int set_apop(struct record *r, const struct member *m)
{
	return member_secret(m, &r->apop);
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
	int result = member_number(m, UINT32_MAX - 1, &id);
	r->account.uid = (uint32_t)id;
	return m->type == MEMBER_NULL || id ? result : -1;
}

static int set_gid(struct record *r, const struct member *m)
{
	uint64_t id;
	int result = member_number(m, UINT32_MAX - 1, &id);
	r->account.gid = (uint32_t)id;
	return m->type == MEMBER_NULL || id ? result : -1;
}

static int set_expires(struct record *r, const struct member *m)
{
	return member_time(m, &r->account.expires);
}

static int set_networks(struct record *r, const struct member *m)
{
	return member_networks(m, r->store, &r->account.networks);
}

static int set_main_password(struct record *r, const struct member *m)
{
	return member_bool(m, &r->account.main_password);
}

static int set_read_only(struct record *r, const struct member *m)
{
	return member_bool(m, &r->account.read_only);
}

static int set_quota_octets(struct record *r, const struct member *m)
{
	return member_number(m, INT64_MAX, &r->account.quota_octets);
}

static int set_quota_messages(struct record *r, const struct member *m)
{
	return member_number(m, INT64_MAX, &r->account.quota_messages);
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
	return set_list(r, m, record_alias);
}

static int set_apps(struct record *r, const struct member *m)
{
	return set_list(r, m, record_app);
}

static int set_scram(struct record *r, const struct member *m)
{
	return set_list(r, m, record_scram);
}

static int set_certificates(struct record *r, const struct member *m)
{
	return set_list(r, m, record_certificate);
}

static int set_domain(struct record *r, const struct member *m)
{
	r->is_domain = true;
	return member_text(m, r->domain.name, sizeof(r->domain.name));
}

static int set_alias_of(struct record *r, const struct member *m)
{
	return m->type == MEMBER_NULL
		       ? 0
		       : member_text(m, r->domain.alias_of, sizeof(r->domain.alias_of));
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
	{ "certificates", set_certificates },
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
	free(r->certificates);
	explicit_bzero(r, sizeof(*r));
}
