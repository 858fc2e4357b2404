/*
 * stuff: a message in pieces gives the same as in one; without the stuffed dots
 * and the terminator it is as many octets as the maildrop counts; a client that
 * takes the dots off has the message with CRLF line ends. TOP is its beginning.
 */
#include "fuzz.h"

#include "maildrop/octets.h"
#include "pop3/stuff.h"

static void stuff_all(struct span input, size_t piece, struct buf *out)
{
	struct stuff stuff;

	stuff_begin(&stuff);
	for (; input.n; input = span_tail(input, piece)) {
		size_t before = buf_len(out);
		struct span some = span_head(input, piece);
		stuff_block(&stuff, some, out);
		FUZZ_CHECK(buf_len(out) - before <= STUFF_GROWTH * some.n);
	}
	stuff_end(&stuff, out);
	FUZZ_CHECK(buf_ok(out));
}

static bool stuff_lines(
	struct span input, size_t piece, uint64_t lines, struct buf *out)
{
	struct stuff stuff;
	bool header = true, over = false;

	stuff_begin(&stuff);
	for (; input.n && !over; input = span_tail(input, piece))
		over = stuff_top(&stuff, span_head(input, piece), &header, &lines, out);
	stuff_end(&stuff, out);
	FUZZ_CHECK(buf_ok(out));
	return over;
}

static uint64_t count(struct span input, size_t piece)
{
	struct octets octets = { 0 };

	for (; input.n; input = span_tail(input, piece))
		octets_add(&octets, span_head(input, piece));
	return octets_total(&octets);
}

/* What a client takes from the wire: octets without stuffing; -1: no message. */
static uint64_t unstuffed(struct span wire)
{
	uint64_t n = 0;

	for (;;) {
		size_t end = span_find(wire, '\n');
		FUZZ_CHECK(end < wire.n && end > 0 && wire.p[end - 1] == '\r');
		struct span line = span_head(wire, end + 1);
		wire = span_tail(wire, end + 1);
		if (span_is(line, ".\r\n")) {
			FUZZ_CHECK(wire.n == 0);
			return n;
		}
		n += line.n - (line.p[0] == '.');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	size_t piece = fuzz_octet(&input) + 1;
	uint64_t lines = fuzz_octet(&input);
	struct buf whole, pieces, top, top_pieces;

	buf_init(&whole, 3 * size + 64);
	buf_init(&pieces, 3 * size + 64);
	buf_init(&top, 3 * size + 64);
	buf_init(&top_pieces, 3 * size + 64);
	stuff_all(input, size + 1, &whole);
	stuff_all(input, piece, &pieces);
	FUZZ_CHECK(span_eq(buf_span(&whole), buf_span(&pieces)));
	FUZZ_CHECK(unstuffed(buf_span(&whole)) == count(input, piece));
	FUZZ_CHECK(count(input, piece) == count(input, size + 1));
	stuff_lines(input, size + 1, lines, &top);
	stuff_lines(input, piece, lines, &top_pieces);
	FUZZ_CHECK(span_eq(buf_span(&top), buf_span(&top_pieces)));
	struct span body = span_head(buf_span(&top), buf_len(&top) - 3);
	FUZZ_CHECK(span_eq(body, span_head(buf_span(&whole), body.n)));
	buf_free(&whole);
	buf_free(&pieces);
	buf_free(&top);
	buf_free(&top_pieces);
	return 0;
}
