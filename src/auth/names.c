/*
 * names: see names.h. Runs as root in an auth child and in the postern command, on a
 * stranger's name: what comes out is only ever looked up, like the name itself.
 */
#include "auth/names.h"

#include "base/buf.h"

static bool domain_is(struct span name, size_t at, const char *domain)
{
	return domain[0] && at < name.n &&
	       span_is_nocase(span_tail(name, at + 1), domain);
}

static bool system_name(const struct names_setup *names, struct span given, char *other)
{
	size_t at = span_find(given, '@');
	bool stripped = domain_is(given, at, names->strip);
	if (stripped)
		given = span_head(given, at);
	if (span_to_text(given, other, LOGIN_NAME_MAX + 1) < 0)
		return false;
	bool folded = false;
	for (char *c = other; names->fold && *c; c++) {
		bool upper = *c >= 'A' && *c <= 'Z';
		*c = (char)(upper ? *c | 0x20 : *c);
		folded = folded || upper;
	}
	return stripped || folded;
}

static bool default_name(
	const struct names_setup *names, struct span given, char *other)
{
	struct buf out;
	if (!names->domain[0] || !given.n || span_find(given, '@') < given.n)
		return false;
	buf_fixed(&out, other, LOGIN_NAME_MAX + 1);
	buf_put_span(&out, given);
	buf_printf(&out, "@%s", names->domain);
	buf_putc(&out, '\0');
	return buf_ok(&out);
}

bool names_other(const struct names_setup *names, const char *given, int i, bool *local,
	char other[LOGIN_NAME_MAX + 1])
{
	*local = i == 1;
	return *local ? system_name(names, span_str(given), other)
		      : default_name(names, span_str(given), other);
}
