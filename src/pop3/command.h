/*
 * command: a command line to a keyword and its argument (RFC 1939 section 3).
 * Which commands a state allows is that state's business (src/gate,
 * src/session).
 */
#ifndef POSTERN_POP3_COMMAND_H
#define POSTERN_POP3_COMMAND_H

#include "base/span.h"

#include <stdint.h>

enum command {
	COMMAND_UNKNOWN,
	COMMAND_APOP,
	COMMAND_AUTH,
	COMMAND_CAPA,
	COMMAND_DELE,
	COMMAND_LAST, /* RFC 1460 */
	COMMAND_LIST,
	COMMAND_NOOP,
	COMMAND_PASS,
	COMMAND_QUIT,
	COMMAND_RETR,
	COMMAND_RSET,
	COMMAND_STAT,
	COMMAND_STLS,
	COMMAND_TOP,
	COMMAND_UIDL,
	COMMAND_USER,
};

struct command_line {
	enum command command;
	bool has_argument;    /* a space followed the keyword */
	struct span argument; /* everything behind that one space, as sent */
};

/*
 * Splits one line (without its end). The keyword's case does not matter. A
 * line with a NUL in it is COMMAND_UNKNOWN. "PASS  x " keeps both spaces
 * around x that belong to the password.
 */
struct command_line command_parse(struct span line);

/*
 * The argument as words: 0 to max words cut at runs of spaces. Returns how many,
 * or -1 when there are more than max.
 */
int command_words(struct span argument, struct span *words, int max);

#endif
