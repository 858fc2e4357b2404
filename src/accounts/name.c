/*
 * name: the form of an account's name. Runs as root in auth, on octets that a
 * stranger sent: no locale, every octet looked at, before and after it was prepared
 * (which may make a full-width '/' a real one). See name.h for what is let through
 * and why.
 */
#include "accounts/name.h"

#include "accounts/saslprep.h"
#include <errno.h>

/* One code point off the front of *s; -1 when it is not well-formed (RFC 3629). */
static int32_t utf8_next(struct span *s)
{
	static const int32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char c = s->p[0];
	size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || s->n <= more)
		return -1;
	int32_t point = more ? c & (0x3f >> more) : c;
	for (size_t i = 1; i <= more; i++) {
		if ((s->p[i] & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (s->p[i] & 0x3f);
	}
	if (point < least[more] || point > 0x10ffff ||
		(point >= 0xd800 && point <= 0xdfff))
		return -1;
	*s = span_tail(*s, more + 1);
	return point;
}

bool utf8_valid(struct span s)
{
	while (s.n) {
		if (utf8_next(&s) < 0)
			return false;
	}
	return true;
}

static bool characters_good(struct span s)
{
	while (s.n) {
		int32_t point = utf8_next(&s);
		if (point < 0x20 || (point >= 0x7f && point < 0xa0) || point == '/')
			return false;
	}
	return true;
}

static bool part_good(struct span part)
{
	return part.n && part.p[0] != '.' && part.p[0] != ' ' &&
	       part.p[part.n - 1] != ' ';
}

static bool name_good(struct span raw)
{
	size_t at = span_find(raw, '@');
	struct span domain = span_tail(raw, at + 1);
	if (!raw.n || raw.n > ACCOUNT_NAME_MAX || !characters_good(raw))
		return false;
	if (!part_good(span_head(raw, at)))
		return false;
	return at == raw.n || (part_good(domain) && span_find(domain, '@') == domain.n);
}

int account_name(struct span raw, char name[ACCOUNT_NAME_MAX + 1])
{
	char text[SASLPREP_MAX];
	struct span prepared;
	name[0] = '\0';
	if (!name_good(raw) || saslprep(raw, text, &prepared) < 0 ||
		!name_good(prepared) ||
		span_to_text(prepared, name, ACCOUNT_NAME_MAX + 1) < 0) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = span_find(prepared, '@'); i < prepared.n; i++) {
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] + ('a' - 'A'));
	}
	return 0;
}

bool account_name_is(struct span raw, const char *name)
{
	char normal[ACCOUNT_NAME_MAX + 1];
	return account_name(raw, normal) == 0 && span_is_nocase(span_str(normal), name);
}

struct span account_local(const char *name)
{
	struct span all = span_str(name);
	return span_head(all, span_find(all, '@'));
}

struct span account_domain(const char *name)
{
	struct span all = span_str(name);
	return span_tail(all, span_find(all, '@') + 1);
}
