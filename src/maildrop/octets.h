/*
 * octets: how many octets stored octets become on the wire (CRLF line ends,
 * before dot-stuffing; RFC 1939 section 11). Fed in blocks.
 */
#ifndef POSTERN_MAILDROP_OCTETS_H
#define POSTERN_MAILDROP_OCTETS_H

#include "base/span.h"

#include <stdint.h>

struct octets {
	uint64_t n;
	bool any, cr, lf; /* something was seen; the last octet was CR, LF */
};

/* Begin with all zero. */
void octets_add(struct octets *octets, struct span block);

/* The count, with the line end that a message without one gets. */
uint64_t octets_total(const struct octets *octets);

#endif
