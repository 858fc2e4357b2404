/*
 * command: a command line to a keyword and its argument (RFC 1939 section 3).
 * Runs in the gate and in the session, on a stranger's octets. Never fails: what
 * is no command is COMMAND_UNKNOWN. A NUL anywhere makes the whole line unknown,
 * so that no later reader can take the text before it for all of it.
 */
#include "pop3/command.h"

static const struct {
	char keyword[5];
	enum command command;
} keywords[] = {
	{ "APOP", COMMAND_APOP },
	{ "AUTH", COMMAND_AUTH },
	{ "CAPA", COMMAND_CAPA },
	{ "DELE", COMMAND_DELE },
	{ "LAST", COMMAND_LAST },
	{ "LIST", COMMAND_LIST },
	{ "NOOP", COMMAND_NOOP },
	{ "PASS", COMMAND_PASS },
	{ "QUIT", COMMAND_QUIT },
	{ "RETR", COMMAND_RETR },
	{ "RSET", COMMAND_RSET },
	{ "STAT", COMMAND_STAT },
	{ "STLS", COMMAND_STLS },
	{ "TOP", COMMAND_TOP },
	{ "UIDL", COMMAND_UIDL },
	{ "USER", COMMAND_USER },
};

static enum command command_of(struct span word)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (span_is_nocase(word, keywords[i].keyword))
			return keywords[i].command;
	return COMMAND_UNKNOWN;
}

struct command_line command_parse(struct span line)
{
	struct command_line parsed = { .command = COMMAND_UNKNOWN };
	size_t space = span_find(line, ' ');

	if (span_find(line, '\0') < line.n)
		return parsed;
	parsed.command = command_of(span_head(line, space));
	parsed.has_argument = space < line.n;
	parsed.argument = span_tail(line, space + 1);
	return parsed;
}

int command_words(struct span argument, struct span *words, int max)
{
	int n = 0;

	while (argument.n) {
		struct span word = span_cut(&argument, ' ');
		if (!word.n)
			continue;
		if (n == max)
			return -1;
		words[n++] = word;
	}
	return n;
}
