/*
 * base64: RFC 4648 section 4, as SASL uses it (RFC 5034 section 4). Strict: what
 * the encoder cannot write is no base64.
 */
#ifndef POSTERN_GATE_BASE64_H
#define POSTERN_GATE_BASE64_H

#include "base/buf.h"

#include <sys/types.h>

/*
 * Decodes text into out[size]. Returns the octets, or -1 when text is not base64
 * (a foreign character, missing or misplaced padding, padding bits that are not
 * zero, a length that is no multiple of 4) or does not fit.
 */
ssize_t base64_decode(struct span text, unsigned char *out, size_t size);

/* Appends octets as base64, without line ends. */
void base64_encode(struct buf *out, struct span octets);

#endif
