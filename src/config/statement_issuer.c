/*
 * statement_issuer: who may say by a signed token whose mail a client may read. Runs in
 * the master and in the postern command; trusts the administrator, whose omissions must
 * not open more than he meant: what is not said is not allowed.
 */
#include "config/statement.h"
#include "config/value.h"

static bool is_new_issuer(struct parse *parse, const struct issuer_setup *issuer)
{
	const struct config *config = parse->config;
	for (size_t i = 0; i < config->issuers_n; i++) {
		if (strcmp(config->issuers[i].issuer, issuer->issuer) != 0)
			continue;
		parse_mistake(parse, "this issuer is already in line %u",
			parse->issuer_lines[i]);
		return false;
	}
	return true;
}

/* Whom the token must be for; "*": anybody. 0 when it can be used. */
static int issuer_audience(struct parse *parse, struct issuer_setup *issuer)
{
	static const char *const options[] = { "audience", NULL };
	if (parse->words.n > 3 && !span_is(word(parse, 3), "audience")) {
		parse_unknown(parse, "option", word(parse, 3), options);
		return -1;
	}
	if (parse->words.n < 5) {
		parse_mistake(parse,
			"the audience is missing: what this issuer signs for "
			"any other service would open accounts here; "
			"write: audience NAME (audience *: let it)");
		return -1;
	}
	if (!span_is(word(parse, 4), "*"))
		return value_text(parse, word(parse, 4), "audience", issuer->audience,
			sizeof(issuer->audience));
	parse_warning(parse, "audience *: a token that was made for any other service "
			     "opens accounts here");
	return 0;
}

/* From word i on. */
static int issuer_domains(struct parse *parse, size_t i, struct issuer_setup *issuer)
{
	char name[SETUP_HOSTNAME_MAX + 1];
	struct buf all;
	buf_fixed(&all, issuer->domains, SETUP_DOMAINS_MAX);
	for (size_t at = i; at < parse->words.n; at++) {
		if (value_hostname(parse, word(parse, at), name) < 0)
			return -1;
		buf_printf(&all, at > i ? " %s" : "%s", name);
	}
	if (buf_ok(&all) && buf_len(&all) > 0)
		return 0;
	parse_mistake(parse, "write: domain NAME ..., of up to %d characters in all",
		SETUP_DOMAINS_MAX);
	return -1;
}

/* The words behind the key. */
static int issuer_options(struct parse *parse, struct issuer_setup *issuer)
{
	static const char *const options[] = { "system", "domain", NULL };
	size_t i = 5;
	if (issuer_audience(parse, issuer) < 0)
		return -1;
	issuer->for_system = span_is(word(parse, i), "system");
	i += issuer->for_system;
	if (i == parse->words.n)
		return 0;
	if (span_is(word(parse, i), "domain"))
		return issuer_domains(parse, i + 1, issuer);
	parse_unknown(parse, "option", word(parse, i), options);
	return -1;
}

void statement_issuer(struct parse *parse)
{
	struct config *config = parse->config;
	struct issuer_setup new = { 0 };
	bool wrong = value_text(parse, word(parse, 1), "issuer", new.issuer,
			     sizeof(new.issuer)) < 0;
	wrong |= value_path(parse, word(parse, 2), "key", new.key, sizeof(new.key)) < 0;
	wrong |= issuer_options(parse, &new) < 0;
	if (wrong || !is_new_issuer(parse, &new))
		return;
	if (config->issuers_n == SETUP_ISSUERS_MAX) {
		parse_mistake(parse, "more than %d issuers", SETUP_ISSUERS_MAX);
		return;
	}
	parse->issuer_lines[config->issuers_n] = parse->line;
	config->issuers[config->issuers_n++] = new;
}
