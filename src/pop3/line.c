/*
 * line: finds command lines in a stream of octets (RFC 1939 section 3, RFC 2449
 * section 4). Runs in the gate and in the session. Every octet is a stranger's:
 * nothing here fails, whatever arrives is one of three events, and the same
 * events in the same order however the octets were cut into segments.
 */
#include "pop3/line.h"

static enum line_event unfinished(
	struct line_reader *reader, struct span held, size_t max, size_t *used)
{
	if (held.n >= max)
		reader->skipping = true;
	*used = reader->skipping ? held.n : 0;
	return LINE_PARTIAL;
}

enum line_event line_next(struct line_reader *reader, struct span held, size_t max,
	struct span *line, size_t *used)
{
	size_t end = span_find(held, '\n');

	if (end == held.n)
		return unfinished(reader, held, max, used);
	*used = end + 1;
	if (reader->skipping || *used > max) {
		reader->skipping = false;
		return LINE_TOO_LONG;
	}
	if (end && held.p[end - 1] == '\r')
		end--;
	*line = span_head(held, end);
	return LINE_COMPLETE;
}
