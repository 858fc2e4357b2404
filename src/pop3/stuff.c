/*
 * stuff: stored octets to wire form (RFC 1939 section 3). Runs in the session, on
 * octets that anybody on the net wrote: lines of any length, NULs, bare CRs.
 *
 * Octets that go out as they are stored are copied in runs as long as possible:
 * a message stored with CRLF line ends is one run per block. What interrupts a
 * run is an LF without a CR before it, or a '.' at the beginning of a line; both are
 * found by looking at the LFs alone.
 */
#include "pop3/stuff.h"

void stuff_begin(struct stuff *stuff)
{
	*stuff = (struct stuff){ 0 };
}

/* What the next block must know about this one, which is not empty. */
static void remember(struct stuff *stuff, struct span block)
{
	unsigned char last = block.p[block.n - 1];
	bool at_start = block.n > 1 ? block.p[block.n - 2] == '\n' : !stuff->inside;

	stuff->blank = last == '\r' && at_start;
	stuff->inside = last != '\n';
	stuff->cr = last == '\r';
}

static unsigned char *copy(
	unsigned char *to, const unsigned char *from, const unsigned char *end)
{
	size_t n = (size_t)(end - from);
	memcpy(to, from, n);
	return to + n;
}

void stuff_block(struct stuff *stuff, struct span block, struct buf *out)
{
	unsigned char *const start = buf_reserve(out, STUFF_GROWTH * block.n);
	unsigned char *to = start;
	const unsigned char *run = block.p, *end = block.p + block.n;

	if (!start || !block.n)
		return;
	if (!stuff->inside && *run == '.')
		*to++ = '.';
	for (const unsigned char *p = run, *lf;
		p < end && (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1) {
		if (lf > block.p ? lf[-1] != '\r' : !stuff->cr) {
			to = copy(to, run, lf);
			*to++ = '\r';
			run = lf;
		}
		if (lf + 1 < end && lf[1] == '.') {
			to = copy(to, run, lf + 1);
			*to++ = '.';
			run = lf + 1;
		}
	}
	to = copy(to, run, end);
	remember(stuff, block);
	buf_commit(out, (size_t)(to - start));
}

/* Is the line that ends at lf, and that began in block or before it, empty? */
static bool is_blank(
	const struct stuff *stuff, struct span block, const unsigned char *lf)
{
	size_t at = (size_t)(lf - block.p);

	if (at == 0)
		return !stuff->inside || stuff->blank;
	if (block.p[at - 1] == '\n')
		return true;
	if (block.p[at - 1] != '\r')
		return false;
	return at == 1 ? !stuff->inside : block.p[at - 2] == '\n';
}

bool stuff_top(struct stuff *stuff, struct span block, bool *header,
	uint64_t *lines_left, struct buf *out)
{
	const unsigned char *p = block.p, *end = block.p + block.n, *lf;
	bool done = !*header && *lines_left == 0;

	while (!done && p < end && (lf = memchr(p, '\n', (size_t)(end - p)))) {
		if (!*header)
			(*lines_left)--;
		else if (is_blank(stuff, block, lf))
			*header = false;
		done = !*header && *lines_left == 0;
		p = lf + 1;
	}
	stuff_block(
		stuff, span_head(block, done ? (size_t)(p - block.p) : block.n), out);
	return done;
}

void stuff_end(struct stuff *stuff, struct buf *out)
{
	if (stuff->inside)
		buf_puts(out, "\r\n");
	buf_puts(out, ".\r\n");
	stuff_begin(stuff);
}
