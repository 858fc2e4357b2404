/*
 * statement_names: names and first-uid: which login names mean whom. Runs in the
 * master and in the postern command; trusts the administrator.
 */
#include "config/statement.h"

#include "config/value.h"

static void names_value(struct parse *parse, struct span name, struct span value)
{
	static const char *const options[] = { "default-domain", "strip-domain",
		"fold-case", NULL };
	static const char *const words[] = { "on", "off", NULL };
	struct names_setup *names = &parse->config->names;
	if (span_is(name, options[0])) {
		if (parse_set(parse, SETTING_NAMES_DOMAIN, options[0]))
			value_hostname(parse, value, names->domain);
	} else if (span_is(name, options[1])) {
		if (parse_set(parse, SETTING_NAMES_STRIP, options[1]))
			value_hostname(parse, value, names->strip);
	} else if (!span_is(name, options[2])) {
		parse_unknown(parse, "name", name, options);
	} else if (!span_is(value, "on") && !span_is(value, "off")) {
		parse_unknown(parse, "choice", value, words);
	} else if (parse_set(parse, SETTING_NAMES_FOLD, options[2])) {
		names->fold = span_is(value, "on");
	}
}

void statement_names(struct parse *parse)
{
	for (size_t i = 1; i < parse->words.n; i += 2) {
		if (i + 1 < parse->words.n)
			names_value(parse, word(parse, i), word(parse, i + 1));
		else
			parse_mistake(parse, "%.*s: its value is missing",
				(int)word(parse, i).n, (const char *)word(parse, i).p);
	}
}

void statement_first_uid(struct parse *parse)
{
	if (parse_set(parse, SETTING_FIRST_UID, "first-uid"))
		value_number(parse, word(parse, 1), "first-uid", 1, 1000000000,
			&parse->config->names.first_uid);
}
