/*
 * line: finds command lines in a stream of octets (RFC 1939 section 3; a
 * command is at most 255 octets with CRLF, RFC 2449 section 4). A line ends at LF;
 * a CR right before it belongs to the end; a bare LF is accepted. One line
 * that is too long is one event, however it arrives, and none of it is ever
 * run as a command.
 */
#ifndef POSTERN_POP3_LINE_H
#define POSTERN_POP3_LINE_H

#include "base/span.h"

enum {
	LINE_COMMAND_MAX = 255, /* octets with CRLF */
	LINE_SASL_MAX = 12288,	/* a continuation line, RFC 5034 section 4 */
};

struct line_reader {
	bool skipping; /* inside an over-long line whose end has not come */
};

enum line_event {
	LINE_PARTIAL,  /* no end yet; *used octets are of no further use */
	LINE_COMPLETE, /* *line, without its end; *used covers it and its end */
	LINE_TOO_LONG, /* its end has come; *used covers all of it */
};

/*
 * Looks at held, the octets received and not yet used, for the next line of at
 * most max octets with its end. The caller drops *used octets from the front
 * (after it is done with *line, which borrows from held) and calls again. With
 * LINE_PARTIAL, *used is 0 unless the line is already too long.
 */
enum line_event line_next(struct line_reader *reader, struct span held, size_t max,
	struct span *line, size_t *used);

#endif
