/*
 * line, command: any octets, cut in two places, give the same commands as the whole.
 */
#include "fuzz.h"

#include "base/num.h"
#include "pop3/command.h"
#include "pop3/line.h"

enum { HELD_MAX = 4096 };

/* Folds what the reader makes of a stream into one number. */
static void fold(uint64_t *sum, struct span s, unsigned event)
{
	*sum = *sum * 1099511628211U + event + 1;
	for (size_t i = 0; i < s.n; i++)
		*sum = (*sum ^ s.p[i]) * 1099511628211U;
}

static void look(struct span line, size_t max)
{
	struct span words[2];
	uint64_t number;

	FUZZ_CHECK(line.n < max);
	FUZZ_CHECK(span_find(line, '\n') == line.n);
	struct command_line parsed = command_parse(line);
	if (span_find(line, '\0') < line.n)
		FUZZ_CHECK(parsed.command == COMMAND_UNKNOWN);
	int n = command_words(parsed.argument, words, 2);
	for (int i = 0; i < n; i++) {
		FUZZ_CHECK(words[i].n && span_find(words[i], ' ') == words[i].n);
		if (num_parse(words[i], 1000, &number) == 0)
			FUZZ_CHECK(number <= 1000);
	}
}

/* The held octets, in a block of their own; returns what stays held. */
static size_t take_lines(struct line_reader *reader, unsigned char *held, size_t n,
	size_t max, uint64_t *sum)
{
	for (;;) {
		struct span line = { 0 };
		size_t used = SIZE_MAX;
		enum line_event event =
			line_next(reader, span_of(held, n), max, &line, &used);
		FUZZ_CHECK(used <= n);
		if (event == LINE_COMPLETE)
			look(line, max);
		if (event != LINE_PARTIAL)
			fold(sum, line, event);
		n -= used;
		memmove(held, held + used, n);
		if (event == LINE_PARTIAL)
			return n;
	}
}

static uint64_t read_in_pieces(struct span input, size_t piece, size_t max)
{
	unsigned char *held = malloc(max + piece);
	struct line_reader reader = { 0 };
	uint64_t sum = 0;
	size_t n = 0;

	FUZZ_CHECK(held);
	while (input.n) {
		struct span some = span_head(input, piece);
		input = span_tail(input, piece);
		memcpy(held + n, some.p, some.n);
		n = take_lines(&reader, held, n + some.n, max, &sum);
		FUZZ_CHECK(n < max);
	}
	free(held);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	size_t piece = fuzz_octet(&input) % 64 + 1;
	size_t max = fuzz_octet(&input) % 2 ? LINE_COMMAND_MAX : 16;

	if (input.n < HELD_MAX)
		FUZZ_CHECK(read_in_pieces(input, piece, max) ==
			   read_in_pieces(input, HELD_MAX, max));
	return 0;
}
