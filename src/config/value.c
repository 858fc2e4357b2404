/*
 * value: numbers, times, names, paths, addresses of postern.conf. See value.h.
 */
#include "config/value.h"

#include "base/num.h"

#include <arpa/inet.h>

/* For printf's "%.*s"; what is long is cut. */
#define SHOW(span) (int)((span).n < 200 ? (span).n : 200), (const char *)(span).p

int value_number(struct parse *parse, struct span word, const char *name, uint32_t min,
	uint32_t max, uint32_t *number)
{
	uint64_t value;
	if (num_parse(word, max, &value) < 0 || value < min) {
		parse_mistake(parse, "%s: \"%.*s\" is no number from %u to %u", name,
			SHOW(word), min, max);
		return -1;
	}
	*number = (uint32_t)value;
	return 0;
}

static uint32_t unit_seconds(unsigned char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 60 * 60;
	case 'd':
		return 24 * 60 * 60;
	default:
		return 0;
	}
}

int value_time(struct parse *parse, struct span word, const char *name, uint32_t min,
	uint32_t max, uint32_t *seconds)
{
	uint64_t value = 0;
	uint32_t unit = word.n ? unit_seconds(word.p[word.n - 1]) : 0;
	if (unit == 0 ||
		num_parse(span_head(word, word.n - 1), UINT32_MAX, &value) < 0) {
		parse_mistake(parse,
			"%s: \"%.*s\" is no time; write a number and its unit: 60s, "
			"10m, 2h, 7d",
			name, SHOW(word));
		return -1;
	}
	if (value > UINT32_MAX / unit || value * unit < min || value * unit > max) {
		parse_mistake(parse, "%s: %.*s is not between %us and %us", name,
			SHOW(word), min, max);
		return -1;
	}
	*seconds = (uint32_t)value * unit;
	return 0;
}

static bool has_dots(struct span path)
{
	while (path.n) {
		struct span part = span_cut(&path, '/');
		if (span_is(part, ".") || span_is(part, ".."))
			return true;
	}
	return false;
}

int value_path(struct parse *parse, struct span word, const char *what, char *text,
	size_t size)
{
	const char *wrong = NULL;
	if (word.n == 0 || word.p[0] != '/')
		wrong = "is no absolute path";
	else if (has_dots(word))
		wrong = "must not have \".\" or \"..\" in it";
	else if (word.n >= size)
		wrong = "is too long";
	if (!wrong)
		return span_to_text(word, text, size);
	parse_mistake(parse, "%s: \"%.*s\" %s", what, SHOW(word), wrong);
	return -1;
}

int value_text(struct parse *parse, struct span word, const char *what, char *text,
	size_t size)
{
	bool printable = word.n > 0 && word.n < size;
	for (size_t i = 0; i < word.n; i++)
		printable &= word.p[i] >= 0x20 && word.p[i] < 0x7F;
	if (printable)
		return span_to_text(word, text, size);
	parse_mistake(parse,
		"%s: \"%.*s\" is not of 1 to %zu printable ASCII characters", what,
		SHOW(word), size - 1);
	return -1;
}

static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* Only letters, digits and those marks? */
static bool consists_of(struct span word, const char *marks)
{
	for (size_t i = 0; i < word.n; i++)
		if (!is_alnum(word.p[i]) && !strchr(marks, word.p[i]))
			return false;
	return word.n > 0;
}

int value_user(struct parse *parse, struct span word, char name[SETUP_NAME_MAX + 1])
{
	if (!consists_of(word, "_-.") || word.p[0] == '-' || word.n > SETUP_NAME_MAX) {
		parse_mistake(parse, "\"%.*s\" is no name of a Unix user", SHOW(word));
		return -1;
	}
	if (span_is(word, "root")) {
		parse_mistake(parse, "the user must not be root");
		return -1;
	}
	return span_to_text(word, name, SETUP_NAME_MAX + 1);
}

int value_hostname(
	struct parse *parse, struct span word, char name[SETUP_HOSTNAME_MAX + 1])
{
	if (!consists_of(word, "-.") || word.n > SETUP_HOSTNAME_MAX) {
		parse_mistake(parse, "\"%.*s\" is no host name", SHOW(word));
		return -1;
	}
	return span_to_text(word, name, SETUP_HOSTNAME_MAX + 1);
}

static uint16_t default_port(enum listener_kind kind)
{
	return kind == LISTENER_POP3S ? 995 : 110;
}

/* Cuts the host off *word (without its brackets); *word is then "" or ":port".
 * False: an address that cannot be told from its port. */
static bool cut_host(struct span *word, struct span *host)
{
	if (word->n && word->p[0] == '[') {
		size_t end = span_find(*word, ']');
		bool closed = end < word->n;
		*host = span_head(span_tail(*word, 1), end - 1);
		*word = span_tail(*word, end + 1);
		return closed;
	}
	size_t colon = span_find(*word, ':');
	*host = span_head(*word, colon);
	*word = span_tail(*word, colon);
	return span_find(span_tail(*word, 1), ':') == word->n - (word->n > 0);
}

static bool is_address(const char *host, bool brackets)
{
	unsigned char octets[16];
	if (brackets)
		return inet_pton(AF_INET6, host, octets) == 1;
	return strcmp(host, "*") == 0 || inet_pton(AF_INET, host, octets) == 1;
}

int value_endpoint(
	struct parse *parse, struct span word, struct config_listener *listener)
{
	struct span rest = word, host;
	uint64_t port = default_port(listener->kind);
	if (!cut_host(&rest, &host)) {
		parse_mistake(parse,
			"\"%.*s\": an IPv6 address stands in brackets: [::1]:%u",
			SHOW(word), (unsigned)port);
		return -1;
	}
	if (span_to_text(host, listener->host, sizeof(listener->host)) < 0 ||
		!is_address(listener->host, word.p[0] == '[')) {
		parse_mistake(parse,
			"\"%.*s\" is no numeric address; write *:%u, 192.0.2.1:%u or "
			"[2001:db8::1]:%u",
			SHOW(word), (unsigned)port, (unsigned)port, (unsigned)port);
		return -1;
	}
	if (rest.n &&
		(rest.p[0] != ':' || num_parse(span_tail(rest, 1), 65535, &port) < 0)) {
		parse_mistake(parse, "\"%.*s\": no port from 0 to 65535", SHOW(word));
		return -1;
	}
	listener->port = (uint16_t)port;
	return 0;
}

/* Is every % of the template one that we know? */
static bool good_template(struct parse *parse, struct span path)
{
	bool personal = false;
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] != '%')
			continue;
		i++;
		if (i == path.n || !strchr("undh%", path.p[i])) {
			parse_mistake(parse,
				"\"%.*s\": after a %% stands u (account), n (its part "
				"before @), d (behind @), h (home) or %%",
				SHOW(path));
			return false;
		}
		if (path.p[i] == 'h' && i > 1) {
			parse_mistake(parse, "\"%.*s\": %%h stands at the begin only",
				SHOW(path));
			return false;
		}
		personal |= strchr("unh", path.p[i]) != NULL;
	}
	if (!personal)
		parse_mistake(parse,
			"\"%.*s\" has neither %%u, %%n nor %%h: all accounts would "
			"share it",
			SHOW(path));
	return personal;
}

int value_maildrop(struct parse *parse, struct span word, struct source_setup *source)
{
	static const char *const kinds[] = { "maildir:", "mbox:", NULL };
	struct span path = word, kind = span_cut(&path, ':');
	source->maildrop = kind.n < word.n ? maildrop_kind_of(kind) : 0;
	if (source->maildrop == 0) {
		parse_unknown(parse, "kind of maildrop",
			span_head(word, kind.n + (kind.n < word.n)), kinds);
		return -1;
	}
	/* "%h/Maildir" is absolute as soon as %h is put in. */
	bool home =
		path.n > 2 && path.p[0] == '%' && path.p[1] == 'h' && path.p[2] == '/';
	if (home && !has_dots(path) && path.n <= SETUP_PATH_MAX) {
		if (span_to_text(path, source->template, sizeof(source->template)) < 0)
			return -1;
	} else if (value_path(parse, path, "maildrop", source->template,
			   sizeof(source->template)) < 0) {
		return -1;
	}
	return good_template(parse, path) ? 0 : -1;
}

int value_source(struct parse *parse, struct span word, struct source_setup *source)
{
	static const char *const kinds[] = { "pam:", "sqlite:", NULL };
	struct span argument = word, kind = span_cut(&argument, ':');
	bool colon = kind.n < word.n;
	if (colon && span_is(kind, "sqlite")) {
		source->kind = SOURCE_SQLITE;
		return value_path(parse, argument, "database", source->argument,
			sizeof(source->argument));
	}
	if (!colon || !span_is(kind, "pam")) {
		parse_unknown(parse, "source of accounts",
			span_head(word, kind.n + colon), kinds);
		return -1;
	}
	source->kind = SOURCE_PAM;
	if (!consists_of(argument, "-_.") || argument.p[0] == '.' ||
		span_to_text(argument, source->argument, sizeof(source->argument)) <
			0) {
		parse_mistake(
			parse, "\"%.*s\" is no name of a PAM service", SHOW(argument));
		return -1;
	}
	return 0;
}
