/*
 * stuff: stored octets to wire form (RFC 1939 section 3; RFC 5322 line ends):
 * every line ends in CRLF, a line that begins with '.' gets another one in front,
 * the end is "." CRLF. A bare CR is sent as it is stored. A message that does
 * not end in a line end gets one. Works on blocks of any size, in memory that
 * the caller gives; what it writes, less the stuffed dots and the terminator,
 * is exactly what maildrop_size() counts.
 */
#ifndef POSTERN_POP3_STUFF_H
#define POSTERN_POP3_STUFF_H

#include "base/buf.h"

struct stuff {
	bool inside; /* not at the beginning of a line */
	bool cr;     /* the last octet was CR */
	bool blank;  /* inside a line that is so far a CR alone */
};

/* The state at the first octet of a message: all zero. */
void stuff_begin(struct stuff *stuff);

/* Worst growth of a block: n octets become at most STUFF_GROWTH * n. */
enum { STUFF_GROWTH = 2 };

/*
 * Appends the wire form of block to out, which must have room for
 * STUFF_GROWTH * block.n octets.
 */
void stuff_block(struct stuff *stuff, struct span block, struct buf *out);

/*
 * As stuff_block(), but for TOP: stops behind the header's blank line and
 * `lines` further lines. *lines_left counts down from the caller's number; set
 * *header true at the start. Returns true once nothing more is to be sent.
 */
bool stuff_top(struct stuff *stuff, struct span block, bool *header,
	uint64_t *lines_left, struct buf *out);

/* The missing line end, if any, and the terminator: at most 5 octets. */
void stuff_end(struct stuff *stuff, struct buf *out);

#endif
