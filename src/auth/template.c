/*
 * template: an account's name into a path. Runs as root in auth. Trusts the
 * template (the administrator's) and the home directory (the user database's),
 * never the name. Fails closed: a name that could lead anywhere but beneath the
 * template has no maildrop.
 */
#include "auth/template.h"

#include "base/buf.h"

#include <errno.h>

struct values {
	struct span account, local, domain;
	const char *home;
};

static int refuse(int error)
{
	errno = error;
	return -1;
}

/* A name's octets may be part of one path component, and not hide it. */
static bool component(struct span s)
{
	if (s.n == 0 || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '/' || s.p[i] < 0x20 || s.p[i] == 0x7F)
			return false;
	return true;
}

static int put_name(struct buf *out, struct span value)
{
	if (!component(value))
		return refuse(EPERM);
	buf_put_span(out, value);
	return 0;
}

static int put_home(struct buf *out, const char *home)
{
	if (!home || home[0] != '/')
		return refuse(EINVAL);
	buf_puts(out, home);
	return 0;
}

static int put_value(struct buf *out, unsigned char letter, const struct values *values)
{
	switch (letter) {
	case 'u':
		return put_name(out, values->account);
	case 'n':
		return put_name(out, values->local);
	case 'd':
		return put_name(out, values->domain);
	case 'h':
		return put_home(out, values->home);
	case '%':
		buf_putc(out, '%');
		return 0;
	default:
		return refuse(EINVAL);
	}
}

static struct values values_of(struct span account, const char *home)
{
	size_t at = account.n;
	while (at > 0 && account.p[at - 1] != '@')
		at--;
	struct values values = { .account = account, .local = account, .home = home };
	if (at > 0) {
		values.local = span_head(account, at - 1);
		values.domain = span_tail(account, at);
	}
	return values;
}

static int fill(struct buf *out, struct span rest, const struct values *values)
{
	while (rest.n) {
		size_t plain = span_find(rest, '%');
		buf_put_span(out, span_head(rest, plain));
		rest = span_tail(rest, plain);
		if (rest.n == 0)
			break;
		/* A '%' at the very end has no letter. */
		if (put_value(out, rest.n > 1 ? rest.p[1] : '\0', values) < 0)
			return -1;
		rest = span_tail(rest, 2);
	}
	return 0;
}

int template_expand(const char *template, struct span account, const char *home,
	char path[MAILDROP_PATH_MAX + 1])
{
	struct buf out;
	struct values values = values_of(account, home);
	buf_fixed(&out, path, MAILDROP_PATH_MAX);
	path[0] = '\0';
	if (fill(&out, span_str(template), &values) < 0)
		return -1;
	if (!buf_ok(&out))
		return refuse(ENAMETOOLONG);
	if (buf_len(&out) == 0 || path[0] != '/')
		return refuse(EINVAL);
	path[buf_len(&out)] = '\0';
	return 0;
}
