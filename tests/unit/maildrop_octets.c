/*
 * octets: the size is exactly what the wire carries, at any split point.
 */
#include "maildrop/octets.h"
#include "pop3/stuff.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct {
	const char *stored;
	size_t n;
	uint64_t wire;
} cases[] = {
#define CASE(s, wire)                  \
	{                              \
		s, sizeof(s) - 1, wire \
	}
	CASE("", 0),
	CASE("a", 3),
	CASE("\n", 2),
	CASE("\r\n", 2),
	CASE("\r", 3), /* a bare CR is an octet like another */
	CASE("a\n", 3),
	CASE("a\r\n", 3),
	CASE("a\nb\r\nc", 9),
	CASE("a\r\rb\n", 6),
	CASE("\n\n\n", 6),
	CASE("\n\r", 5),
	CASE("\r\n\n", 4),
	CASE("a\0b\n", 5),
	CASE("\0", 3),
	CASE("\xff\xfe\n", 4),
	CASE(".\n..\n", 7),
	CASE("Subject: x\n\n", 14),
	CASE("0123456789abcdef\n0123456789abcdef\r\n0123456789abcdef\n", 54),
	CASE("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
		68),
#undef CASE
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

Test(octets, table_at_every_split)
{
	for (size_t i = 0; i < CASES; i++)
		for (size_t a = 0; a <= cases[i].n; a++)
			for (size_t b = a; b <= cases[i].n; b++) {
				struct octets o = { 0 };
				struct span s = span_of(cases[i].stored, cases[i].n);
				octets_add(&o, span_head(s, a));
				octets_add(&o, span_tail(span_head(s, b), a));
				octets_add(&o, span_tail(s, b));
				cr_assert_eq(octets_total(&o), cases[i].wire,
					"case %zu split %zu %zu: %llu", i, a, b,
					(unsigned long long)octets_total(&o));
			}
}

/* Octets sent, less the terminator and less the dots that were stuffed. */
static uint64_t sent(const unsigned char *p, size_t n)
{
	struct buf out;
	struct stuff stuff;
	uint64_t dots = 0;
	buf_init(&out, 3 * n + 16);
	stuff_begin(&stuff);
	stuff_block(&stuff, span_of(p, n), &out);
	stuff_end(&stuff, &out);
	cr_assert(buf_ok(&out));
	for (size_t i = 0; i < n; i++)
		dots += p[i] == '.' && (i == 0 || p[i - 1] == '\n');
	uint64_t total = buf_len(&out) - 3 - dots;
	buf_free(&out);
	return total;
}

Test(octets, equals_what_the_session_sends)
{
	static const char alphabet[] = "\n\n\r\r.ab";
	static unsigned char text[20000];
	srand(1);
	for (int round = 0; round < 3000; round++) {
		size_t n = (size_t)rand() % (round % 50 ? 300 : sizeof(text));
		for (size_t i = 0; i < n; i++)
			text[i] = (unsigned char)
				alphabet[(size_t)rand() %
					 (round % 3 ? sizeof(alphabet) : 2)];
		struct octets o = { 0 };
		size_t cut = n ? (size_t)rand() % n : 0;
		octets_add(&o, span_of(text, cut));
		octets_add(&o, span_of(text + cut, n - cut));
		cr_assert_eq(octets_total(&o), sent(text, n), "round %d", round);
	}
}

/* A lane counts to 255 before it is summed up. */
Test(octets, long_runs_of_line_ends)
{
	static unsigned char text[100000];
	memset(text, '\n', sizeof(text));
	for (size_t n = 4000; n < 4200; n++) {
		struct octets o = { 0 };
		octets_add(&o, span_of(text, n));
		cr_assert_eq(octets_total(&o), 2 * n);
	}
	struct octets o = { 0 };
	for (int i = 0; i < 100; i++)
		octets_add(&o, span_of(text, sizeof(text)));
	cr_assert_eq(octets_total(&o), 2 * 100 * sizeof(text));
}
