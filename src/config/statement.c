/*
 * statement: the table of postern.conf's statements and what each does. A
 * function per statement; it sets what is right and tells what is wrong.
 */
#include "config/statement.h"

#include "config/value.h"
#include "postern/login.h"

enum {
	MINUTE = 60,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
};

static void do_listen(struct parse *parse)
{
	static const char *const kinds[] = { "pop3", "pop3s", NULL };
	struct config *config = parse->config;
	struct config_listener new = { .kind = LISTENER_POP3, .line = parse->line };
	if (span_is(word(parse, 1), "pop3s")) {
		new.kind = LISTENER_POP3S;
	} else if (!span_is(word(parse, 1), "pop3")) {
		parse_unknown(parse, "protocol", word(parse, 1), kinds);
		return;
	}
	if (value_endpoint(parse, word(parse, 2), &new) < 0)
		return;
	if (config->listeners_n == CONFIG_LISTENERS_MAX) {
		parse_mistake(
			parse, "more than %d listen statements", CONFIG_LISTENERS_MAX);
		return;
	}
	config->listeners[config->listeners_n++] = new;
}

static void do_certificate(struct parse *parse)
{
	struct config *config = parse->config;
	if (!parse_set(parse, SETTING_CERTIFICATE, "certificate"))
		return;
	value_path(parse, word(parse, 1), "certificate", config->certificate,
		sizeof(config->certificate));
	value_path(parse, word(parse, 2), "key", config->key, sizeof(config->key));
}

static bool is_new_source(struct parse *parse, const struct source_setup *source)
{
	const struct config *config = parse->config;
	for (size_t i = 0; i < config->sources_n; i++) {
		const struct source_setup *other = &config->sources[i];
		if (other->kind != source->kind ||
			strcmp(other->argument, source->argument) != 0)
			continue;
		parse_mistake(parse, "this source of accounts is already in line %u",
			parse->source_lines[i]);
		return false;
	}
	return true;
}

/* The words behind the maildrop. */
static int source_options(struct parse *parse, struct source_setup *source)
{
	static const char *const options[] = { "owner", NULL };
	if (parse->words.n == 3)
		return 0;
	if (!span_is(word(parse, 3), "owner")) {
		parse_unknown(parse, "option", word(parse, 3), options);
		return -1;
	}
	if (parse->words.n != 5) {
		parse_mistake(parse, "write: owner USER, and nothing behind it");
		return -1;
	}
	if (source->kind == SOURCE_PAM) {
		parse_mistake(parse, "owner is for virtual users; a system account "
				     "owns its mail itself");
		return -1;
	}
	return value_user(parse, word(parse, 4), source->owner);
}

static void do_accounts(struct parse *parse)
{
	struct config *config = parse->config;
	struct source_setup new = { 0 };
	/* Not one after the other: each of them tells its mistakes. */
	bool wrong = value_source(parse, word(parse, 1), &new) < 0;
	wrong |= value_maildrop(parse, word(parse, 2), &new) < 0;
	wrong |= source_options(parse, &new) < 0;
	if (wrong || !is_new_source(parse, &new))
		return;
	if (config->sources_n == SETUP_SOURCES_MAX) {
		parse_mistake(
			parse, "more than %d sources of accounts", SETUP_SOURCES_MAX);
		return;
	}
	parse->source_lines[config->sources_n] = parse->line;
	config->sources[config->sources_n++] = new;
}

static void do_plaintext(struct parse *parse)
{
	static const char *const policies[] = { "never", "loopback", "always", NULL };
	for (int i = 0; policies[i]; i++) {
		if (!span_is(word(parse, 1), policies[i]))
			continue;
		if (parse_set(parse, SETTING_PLAINTEXT, "plaintext"))
			parse->config->plaintext = (enum plaintext_policy)i;
		return;
	}
	parse_unknown(parse, "policy", word(parse, 1), policies);
}

/* One value of a statement that consists of names and values. */
struct pair {
	const char *name;
	enum setting setting;
	uint32_t *value;
	uint32_t min, max;
};

typedef int value_reader(
	struct parse *, struct span, const char *, uint32_t, uint32_t, uint32_t *);

static const struct pair *pair_find(
	const struct pair *pairs, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(name, pairs[i].name))
			return &pairs[i];
	return NULL;
}

static void pair_unknown(
	struct parse *parse, const struct pair *pairs, size_t n, struct span name)
{
	const char *names[8] = { 0 };
	for (size_t i = 0; i < n && i < 7; i++)
		names[i] = pairs[i].name;
	parse_unknown(parse, "name", name, names);
}

static void do_pairs(struct parse *parse, const struct pair *pairs, size_t n,
	value_reader *read_value)
{
	for (size_t i = 1; i < parse->words.n; i += 2) {
		struct span name = word(parse, i);
		const struct pair *pair = pair_find(pairs, n, name);
		if (!pair)
			pair_unknown(parse, pairs, n, name);
		else if (i + 1 == parse->words.n)
			parse_mistake(parse, "%s: its value is missing", pair->name);
		else if (parse_set(parse, pair->setting, pair->name))
			read_value(parse, word(parse, i + 1), pair->name, pair->min,
				pair->max, pair->value);
	}
}

static void do_limits(struct parse *parse)
{
	struct config *c = parse->config;
	const struct pair pairs[] = {
		{ "connections", SETTING_CONNECTIONS, &c->connections, 1, 1000000 },
		{ "per-source", SETTING_PER_SOURCE, &c->per_source, 1, 1000000 },
		{ "attempts", SETTING_ATTEMPTS, &c->attempts, 1, 1000 },
		{ "bad-commands", SETTING_BAD_COMMANDS, &c->bad_commands, 1, 1000 },
		{ "logins", SETTING_LOGINS, &c->logins, 1, 1000 },
	};
	do_pairs(parse, pairs, sizeof(pairs) / sizeof(*pairs), value_number);
}

static void do_timeouts(struct parse *parse)
{
	struct config *c = parse->config;
	const struct pair pairs[] = {
		{ "login", SETTING_LOGIN_TIME, &c->login_seconds, 1, HOUR },
		{ "idle", SETTING_IDLE_TIME, &c->idle_seconds, 1, DAY },
		{ "takeover", SETTING_TAKEOVER_TIME, &c->takeover_seconds, 1, DAY },
	};
	do_pairs(parse, pairs, sizeof(pairs) / sizeof(*pairs), value_time);
}

static void time_or_off(struct parse *parse, enum setting setting, const char *name,
	uint32_t max, uint32_t *seconds)
{
	if (!parse_set(parse, setting, name))
		return;
	if (span_is(word(parse, 1), "off"))
		*seconds = 0;
	else
		value_time(parse, word(parse, 1), name, 1, max, seconds);
}

static void do_undo(struct parse *parse)
{
	time_or_off(
		parse, SETTING_UNDO, "undo", 3650 * DAY, &parse->config->undo_seconds);
}

static void do_remember(struct parse *parse)
{
	time_or_off(parse, SETTING_REMEMBER, "remember", DAY,
		&parse->config->remember_seconds);
}

/* The number of a mechanism by its name; 0: there is none. */
static unsigned mechanism_of(struct span name)
{
	for (unsigned m = 1; m <= LOGIN_MECHANISM_LAST; m++)
		if (span_is_nocase(name, login_mechanism_name((enum login_mechanism)m)))
			return m;
	return 0;
}

static void mechanism_unknown(struct parse *parse, struct span name)
{
	const char *names[LOGIN_MECHANISM_LAST + 1] = { 0 };
	for (unsigned m = 1; m <= LOGIN_MECHANISM_LAST; m++)
		names[m - 1] = login_mechanism_name((enum login_mechanism)m);
	parse_unknown(parse, "mechanism", name, names);
}

static void do_mechanisms(struct parse *parse)
{
	if (!parse_set(parse, SETTING_MECHANISMS, "mechanisms"))
		return;
	if (parse->words.n == 2 && span_is(word(parse, 1), "auto"))
		return;
	for (size_t i = 1; i < parse->words.n; i++) {
		unsigned m = mechanism_of(word(parse, i));
		if (m)
			parse->config->mechanisms |= 1U << m;
		else
			mechanism_unknown(parse, word(parse, i));
	}
}

static void on_or_off(
	struct parse *parse, enum setting setting, const char *name, bool *value)
{
	static const char *const words[] = { "on", "off", NULL };
	bool on = span_is(word(parse, 1), "on");
	if (!on && !span_is(word(parse, 1), "off"))
		parse_unknown(parse, "choice", word(parse, 1), words);
	else if (parse_set(parse, setting, name))
		*value = on;
}

static void do_pam_session(struct parse *parse)
{
	on_or_off(
		parse, SETTING_PAM_SESSION, "pam-session", &parse->config->pam_session);
}

static void do_kernel_tls(struct parse *parse)
{
	on_or_off(parse, SETTING_KERNEL_TLS, "kernel-tls", &parse->config->kernel_tls);
}

static void do_client_certificates(struct parse *parse)
{
	on_or_off(parse, SETTING_CLIENT_CERTIFICATES, "client-certificates",
		&parse->config->client_certificates);
}

static void do_hostname(struct parse *parse)
{
	if (parse_set(parse, SETTING_HOSTNAME, "hostname"))
		value_hostname(parse, word(parse, 1), parse->config->hostname);
}

static void do_user(struct parse *parse)
{
	if (!parse_set(parse, SETTING_USER, "user"))
		return;
	value_user(parse, word(parse, 1), parse->config->user);
	if (word(parse, 2).n)
		value_user(parse, word(parse, 2), parse->config->keeper_user);
}

static void do_directory(
	struct parse *parse, enum setting setting, const char *name, char *path)
{
	if (parse_set(parse, setting, name))
		value_path(parse, word(parse, 1), name, path, SETUP_PATH_MAX + 1);
}

static void do_runtime(struct parse *parse)
{
	do_directory(parse, SETTING_RUNTIME, "runtime", parse->config->runtime);
}

static void do_state(struct parse *parse)
{
	do_directory(parse, SETTING_STATE, "state", parse->config->state);
}

static void do_programs(struct parse *parse)
{
	do_directory(parse, SETTING_PROGRAMS, "programs", parse->config->programs);
}

static const struct statement {
	const char *name;
	size_t min, max; /* words, the name included */
	const char *usage;
	void (*apply)(struct parse *parse);
} statements[] = {
	{ "listen", 3, 3, "listen pop3|pop3s ADDRESS[:PORT]", do_listen },
	{ "certificate", 3, 3, "certificate CHAIN KEY", do_certificate },
	{ "client-certificates", 2, 2, "client-certificates on|off",
		do_client_certificates },
	{ "kernel-tls", 2, 2, "kernel-tls on|off", do_kernel_tls },
	{ "accounts", 3, 5,
		"accounts pam:SERVICE|sqlite:FILE maildir:PATH|mbox:PATH [owner USER]",
		do_accounts },
	{ "issuer", 3, WORDS_MAX,
		"issuer NAME KEY audience NAME [system] [domain NAME ...]",
		statement_issuer },
	{ "mechanisms", 2, WORDS_MAX, "mechanisms auto|NAME ...", do_mechanisms },
	{ "pam-session", 2, 2, "pam-session on|off", do_pam_session },
	{ "names", 3, WORDS_MAX,
		"names default-domain DOMAIN strip-domain DOMAIN fold-case on|off",
		statement_names },
	{ "first-uid", 2, 2, "first-uid NUMBER", statement_first_uid },
	{ "remember", 2, 2, "remember TIME|off", do_remember },
	{ "plaintext", 2, 2, "plaintext never|loopback|always", do_plaintext },
	{ "limits", 3, WORDS_MAX, "limits NAME NUMBER ...", do_limits },
	{ "timeouts", 3, WORDS_MAX, "timeouts NAME TIME ...", do_timeouts },
	{ "undo", 2, 2, "undo TIME|off", do_undo },
	{ "hostname", 2, 2, "hostname NAME", do_hostname },
	{ "user", 2, 3, "user NAME [KEEPER]", do_user },
	{ "runtime", 2, 2, "runtime DIRECTORY", do_runtime },
	{ "state", 2, 2, "state DIRECTORY", do_state },
	{ "programs", 2, 2, "programs DIRECTORY", do_programs },
};

enum { STATEMENTS = sizeof(statements) / sizeof(*statements) };

void statement_apply(struct parse *parse)
{
	const char *names[STATEMENTS + 1] = { 0 };
	struct span name = word(parse, 0);
	for (size_t i = 0; i < STATEMENTS; i++) {
		const struct statement *s = &statements[i];
		names[i] = s->name;
		if (!span_is(name, s->name))
			continue;
		if (parse->words.n < s->min || parse->words.n > s->max)
			parse_mistake(parse, "write: %s", s->usage);
		else
			s->apply(parse);
		return;
	}
	parse_unknown(parse, "statement", name, names);
}
