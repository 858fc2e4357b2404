/*
 * check: what the statements of postern.conf must satisfy together, and what
 * is allowed but hardly meant (a warning).
 */
#include "config/statement.h"

#include <errno.h>
#include <sys/stat.h>

static bool same_endpoint(
	const struct config_listener *a, const struct config_listener *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_any(const struct config_listener *listener)
{
	return strcmp(listener->host, "*") == 0;
}

static void check_endpoint(struct parse *parse, size_t i)
{
	const struct config_listener *all = parse->config->listeners, *new = &all[i];
	for (size_t j = 0; j < i; j++) {
		/* Port 0 is a free one, so never the same. */
		if (new->port == 0 || new->port != all[j].port)
			continue;
		if (same_endpoint(new, &all[j]))
			parse_mistake(parse, "line %u already listens on %s:%u",
				all[j].line, new->host, new->port);
		else if (is_any(new) || is_any(&all[j]))
			parse_mistake(parse,
				"*:%u and %s:%u (line %u) cannot both be listened on",
				new->port, is_any(new) ? all[j].host : new->host,
				new->port, all[j].line);
	}
}

static bool is_loopback(const struct config_listener *listener)
{
	return strncmp(listener->host, "127.", 4) == 0 ||
	       strcmp(listener->host, "::1") == 0;
}

static void check_secrets(struct parse *parse, const struct config_listener *listener)
{
	const struct config *config = parse->config;
	if (config->certificate[0])
		return;
	if (listener->kind == LISTENER_POP3S)
		parse_mistake(parse, "pop3s needs a certificate statement");
	else if (config->plaintext == PLAINTEXT_NEVER)
		parse_mistake(parse, "nobody can log in here: plaintext is never, and "
				     "without a certificate there is no TLS");
	else if (config->plaintext == PLAINTEXT_LOOPBACK && !is_loopback(listener))
		parse_warning(parse,
			"nobody can log in from another host: plaintext is "
			"loopback, and without a certificate there is no TLS");
}

static void check_listeners(struct parse *parse)
{
	const struct config *config = parse->config;
	for (size_t i = 0; i < config->listeners_n; i++) {
		parse->line = config->listeners[i].line;
		check_endpoint(parse, i);
		check_secrets(parse, &config->listeners[i]);
	}
}

static void check_file(struct parse *parse, const char *path, const char *what)
{
	struct stat st;
	if (stat(path, &st) < 0 && errno == ENOENT)
		parse_warning(parse, "%s does not exist%s", path, what);
}

static void check_files(struct parse *parse)
{
	const struct config *config = parse->config;
	parse->line = parse->set[SETTING_CERTIFICATE];
	if (config->certificate[0])
		check_file(parse, config->certificate, "");
	if (config->key[0])
		check_file(parse, config->key, "");
	for (size_t i = 0; i < config->issuers_n; i++) {
		parse->line = parse->issuer_lines[i];
		check_file(parse, config->issuers[i].key, "");
	}
	for (size_t i = 0; i < config->sources_n; i++) {
		parse->line = parse->source_lines[i];
		if (config->sources[i].kind == SOURCE_SQLITE)
			check_file(parse, config->sources[i].argument,
				" yet; `postern user add` makes it");
	}
}

/* Whom a taken-over gate would be, or the keeper, must own nothing. */
static void check_sources(struct parse *parse)
{
	const struct config *config = parse->config;
	for (size_t i = 0; i < config->sources_n; i++) {
		const struct source_setup *source = &config->sources[i];
		parse->line = parse->source_lines[i];
		if (source->kind != SOURCE_SQLITE)
			continue;
		if (source->owner[0] &&
			(strcmp(source->owner, config->user) == 0 ||
				strcmp(source->owner, config->keeper_user) == 0))
			parse_mistake(parse,
				"%s runs a part of the server and must own no mail; "
				"name another user as the owner",
				source->owner);
		if (strstr(source->template, "%h"))
			parse_mistake(parse, "%%h: virtual users have no home "
					     "directory; use %%d and %%n");
	}
}

static void check_times(struct parse *parse)
{
	struct config *config = parse->config;
	if (config->idle_seconds < 600) {
		parse->line = parse->set[SETTING_IDLE_TIME];
		parse_warning(parse, "RFC 1939 wants an idle time of 10m at least");
	}
	if (config->takeover_seconds <= config->idle_seconds)
		return;
	parse->line = parse->set[SETTING_TAKEOVER_TIME];
	if (parse->line)
		parse_mistake(
			parse, "takeover is longer than idle, so it would never come");
	config->takeover_seconds = config->idle_seconds;
}

static void check_numbers(struct parse *parse)
{
	struct config *config = parse->config;
	if (config->per_source <= config->connections)
		return;
	parse->line = parse->set[SETTING_PER_SOURCE];
	if (parse->line)
		parse_warning(parse, "per-source is above connections (%u)",
			config->connections);
	config->per_source = config->connections;
}

void statements_check(struct parse *parse)
{
	check_listeners(parse);
	check_files(parse);
	check_sources(parse);
	check_times(parse);
	check_numbers(parse);
	parse->line = 0;
	if (parse->config->listeners_n == 0)
		parse_mistake(parse, "there is no listen statement");
	if (parse->config->sources_n == 0)
		parse_mistake(parse, "there is no accounts statement");
}
