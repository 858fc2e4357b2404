/*
 * text: values as administrators write and read them. What is not wholly understood is
 * refused.
 */
#include "cli/text.h"

#include "accounts/name.h"
#include "base/num.h"

#include <errno.h>
#include <pwd.h>
#include <time.h>

void text_time(int64_t when, char text[TEXT_TIME_MAX])
{
	time_t t = (time_t)when;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(text, TEXT_TIME_MAX, "%FT%TZ", &tm))
		snprintf(text, TEXT_TIME_MAX, "?");
}

/* "2026-12-31", with the time of day also "T12:00:00Z". */
static int parse_date(struct span text, bool time_of_day, int64_t *when)
{
	char date[TEXT_TIME_MAX], again[TEXT_TIME_MAX];
	struct tm tm = { 0 };
	if (span_to_text(text, date, sizeof(date)) < 0)
		return -1;
	const char *end = time_of_day ? strptime(date, "%Y-%m-%dT%H:%M:%SZ", &tm)
				      : strptime(date, "%Y-%m-%d", &tm);
	if (!end || *end || tm.tm_year < 70)
		return -1;
	*when = timegm(&tm);
	/* The 31st of June has become the 1st of July: not what was written. */
	text_time(*when, again);
	return memcmp(again, date, strlen(date)) == 0 ? 0 : -1;
}

int text_when(struct span text, int64_t now, int64_t *when)
{
	static const struct {
		unsigned char unit;
		uint32_t seconds;
	} units[] = { { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 },
		{ 'y', 365 * 86400 } };
	uint64_t n;
	if (span_is(text, "never")) {
		*when = 0;
		return 0;
	}
	for (size_t i = 0; text.n && i < sizeof(units) / sizeof(units[0]); i++) {
		if (text.p[text.n - 1] != units[i].unit ||
			num_parse(span_head(text, text.n - 1), 100000, &n) < 0)
			continue;
		*when = now + (int64_t)n * units[i].seconds;
		return 0;
	}
	if (parse_date(text, true, when) == 0)
		return 0;
	if (parse_date(text, false, when) < 0)
		return -1;
	*when += 86400;
	return 0;
}

int text_octets(struct span text, uint64_t *octets)
{
	static const char units[] = "KMGT";
	const char *unit = text.n ? strchr(units, text.p[text.n - 1]) : NULL;
	unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (shift)
		text = span_head(text, text.n - 1);
	if (num_parse(text, (uint64_t)INT64_MAX >> shift, octets) < 0)
		return -1;
	*octets <<= shift;
	return 0;
}

static bool path_good(struct span path)
{
	if (!path.n || path.p[0] != '/')
		return false;
	while (path.n) {
		struct span part = span_cut(&path, '/');
		if (span_is(part, ".") || span_is(part, ".."))
			return false;
	}
	return true;
}

int text_maildrop(
	struct span text, enum maildrop_kind *kind, char path[MAILDROP_PATH_MAX + 1])
{
	*kind = maildrop_kind_of(span_cut(&text, ':'));
	return *kind && path_good(text) &&
			       span_to_text(text, path, MAILDROP_PATH_MAX + 1) == 0 &&
			       !maildrop_name_is_taken(*kind, path)
		       ? 0
		       : -1;
}

int text_on_off(const char *text, bool *on)
{
	*on = strcmp(text, "on") == 0;
	return *on || strcmp(text, "off") == 0 ? 0 : -1;
}

int text_owner(const char *name, uint32_t *uid, uint32_t *gid, const char **why)
{
	struct passwd *user = getpwnam(name);
	*why = !user		   ? "there is no such user on this system"
	       : user->pw_uid == 0 ? "mail never belongs to root"
	       : user->pw_gid == 0 ? "its group is root's"
				   : NULL;
	if (*why)
		return -1;
	*uid = user->pw_uid;
	*gid = user->pw_gid;
	return 0;
}

/* Octets of the character at the front of s that a terminal shows and does not obey; 0:
 * a control character (of C0, or C1, which is C2 80 to C2 9F), or no UTF-8. */
static size_t shown(struct span s)
{
	if (s.p[0] < 0x20 || s.p[0] == 0x7f ||
		(s.p[0] == 0xc2 && s.n > 1 && s.p[1] < 0xa0))
		return 0;
	for (size_t n = 1; n <= 4 && n <= s.n; n++)
		if (utf8_valid(span_head(s, n)))
			return n;
	return 0;
}

void text_print(FILE *out, const char *value, int width)
{
	int n = 0;
	for (struct span rest = span_str(value); rest.n; n++) {
		size_t size = shown(rest);
		if (size)
			fwrite(rest.p, 1, size, out);
		else
			fputc('?', out);
		rest = span_tail(rest, size ? size : 1);
	}
	for (; n < width; n++)
		fputc(' ', out);
}

void json_time(struct json *j, int64_t when)
{
	char text[TEXT_TIME_MAX];
	if (!when) {
		json_null(j);
		return;
	}
	text_time(when, text);
	json_text(j, text);
}

void json_text_or_null(struct json *j, const char *value)
{
	if (*value)
		json_text(j, value);
	else
		json_null(j);
}

void json_networks(struct json *j, const struct networks *networks)
{
	json_open(j, '[');
	for (uint32_t i = 0; i < networks->n; i++) {
		char text[NETWORK_TEXT_MAX];
		network_text(&networks->list[i], text);
		json_text(j, text);
	}
	json_close(j, ']');
}
