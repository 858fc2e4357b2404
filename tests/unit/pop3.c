/*
 * pop3: lines, commands, stuffing, CAPA. Byte state machines are run at every split
 * point, against a reference that knows nothing of blocks.
 */
#include "maildrop/octets.h"
#include "pop3/capa.h"
#include "pop3/command.h"
#include "pop3/line.h"
#include "pop3/stuff.h"
#include "postern/login.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

/* --- line: what a stream becomes, one word per event -------------------------------
 */

static const struct {
	const char *stream;
	size_t n; /* 0: strlen */
	const char *events;
} streams[] = {
	{ "QUIT\r\n", 0, "[QUIT]" },
	{ "QUIT\n", 0, "[QUIT]" },
	{ "QUIT\r", 0, "" },
	{ "QUIT", 0, "" },
	{ "\r\n", 0, "[]" },
	{ "\n", 0, "[]" },
	{ "A\r\r\n", 0, "[A\r]" },
	{ "A\rB\r\n", 0, "[A\rB]" },
	{ "STAT\r\nLIST\nQUIT\r\n", 0, "[STAT][LIST][QUIT]" },
	{ "A\0B\r\nC\n", 7, "[A?B][C]" },
	/* the longest line is eight octets here, its end included */
	{ "123456\r\n", 0, "[123456]" },
	{ "1234567\n", 0, "[1234567]" },
	{ "1234567\r\n", 0, "!" },
	{ "12345678\n", 0, "!" },
	{ "1234567890123456789\r\nSTAT\r\n", 0, "![STAT]" },
	{ "12345678\rQUIT\r\nSTAT\r\n", 0, "![STAT]" },
	{ "1234567890\n1234567890\n", 0, "!!" },
	{ "1234567890", 0, "" },
};

enum { MAX = 8 };

static size_t consume(
	struct line_reader *reader, unsigned char *held, size_t n, char *out)
{
	for (;;) {
		struct span line = { 0 };
		size_t used = 0;
		enum line_event event =
			line_next(reader, span_of(held, n), MAX, &line, &used);
		cr_assert_leq(used, n);
		if (event == LINE_TOO_LONG)
			strcat(out, "!");
		if (event == LINE_COMPLETE) {
			size_t at = strlen(out);
			out[at++] = '[';
			for (size_t i = 0; i < line.n; i++)
				out[at++] = line.p[i] ? (char)line.p[i] : '?';
			out[at++] = ']';
			out[at] = '\0';
		}
		n -= used;
		memmove(held, held + used, n);
		if (event == LINE_PARTIAL)
			return n;
	}
}

static void check_stream(size_t row, size_t cut1, size_t cut2)
{
	size_t n = streams[row].n ? streams[row].n : strlen(streams[row].stream);
	size_t cuts[] = { cut1, cut2, n };
	unsigned char held[128];
	char events[256] = "";
	struct line_reader reader = { 0 };
	size_t have = 0, from = 0;

	for (int i = 0; i < 3; i++) {
		memcpy(held + have, streams[row].stream + from, cuts[i] - from);
		have += cuts[i] - from;
		from = cuts[i];
		have = consume(&reader, held, have, events);
		cr_assert_lt(have, MAX, "row %zu holds %zu octets", row, have);
	}
	cr_assert_str_eq(events, streams[row].events, "row %zu cut at %zu, %zu: %s",
		row, cut1, cut2, events);
}

Test(pop3, lines_at_every_split)
{
	for (size_t row = 0; row < sizeof(streams) / sizeof(streams[0]); row++) {
		size_t n =
			streams[row].n ? streams[row].n : strlen(streams[row].stream);
		for (size_t a = 0; a <= n; a++)
			for (size_t b = a; b <= n; b++)
				check_stream(row, a, b);
	}
}

/* --- command
 * -------------------------------------------------------------------------- */

static const struct {
	const char *line;
	size_t n;
	enum command command;
	bool has_argument;
	const char *argument;
} lines[] = {
	{ "QUIT", 4, COMMAND_QUIT, false, "" },
	{ "quit", 4, COMMAND_QUIT, false, "" },
	{ "QuIt", 4, COMMAND_QUIT, false, "" },
	{ "QUIT ", 5, COMMAND_QUIT, true, "" },
	{ "QUITX", 5, COMMAND_UNKNOWN, false, "" },
	{ "QUI", 3, COMMAND_UNKNOWN, false, "" },
	{ "", 0, COMMAND_UNKNOWN, false, "" },
	{ " QUIT", 5, COMMAND_UNKNOWN, true, "QUIT" },
	{ "\tQUIT", 5, COMMAND_UNKNOWN, false, "" },
	{ "QUIT\t", 5, COMMAND_UNKNOWN, false, "" },
	{ "TOP 1 2", 7, COMMAND_TOP, true, "1 2" },
	{ "PASS  x ", 8, COMMAND_PASS, true, " x " },
	{ "PASS", 4, COMMAND_PASS, false, "" },
	{ "LAST", 4, COMMAND_LAST, false, "" },
	{ "STLS", 4, COMMAND_STLS, false, "" },
	{ "QUIT\0", 5, COMMAND_UNKNOWN, false, "" },
	{ "DELE 1\0002", 8, COMMAND_UNKNOWN, false, "" },
	{ "\0QUIT", 5, COMMAND_UNKNOWN, false, "" },
	{ "RETR \xff", 6, COMMAND_RETR, true, "\xff" },
};

Test(pop3, commands)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct command_line got =
			command_parse(span_of(lines[i].line, lines[i].n));
		cr_assert_eq(got.command, lines[i].command, "row %zu", i);
		cr_assert_eq(got.has_argument, lines[i].has_argument, "row %zu", i);
		cr_assert(span_is(got.argument, lines[i].argument), "row %zu", i);
	}
}

Test(pop3, every_keyword)
{
	static const char *const keywords[] = { "APOP", "AUTH", "CAPA", "DELE", "LAST",
		"LIST", "NOOP", "PASS", "QUIT", "RETR", "RSET", "STAT", "STLS", "TOP",
		"UIDL", "USER" };
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		cr_assert_eq(command_parse(span_str(keywords[i])).command,
			(enum command)(COMMAND_UNKNOWN + 1 + i));
}

Test(pop3, words)
{
	static const struct {
		const char *argument;
		int n;
		const char *first, *second;
	} rows[] = {
		{ "", 0, NULL, NULL },
		{ "   ", 0, NULL, NULL },
		{ "1", 1, "1", NULL },
		{ " 1 ", 1, "1", NULL },
		{ "1 2", 2, "1", "2" },
		{ "1   2  ", 2, "1", "2" },
		{ "1 2 3", -1, NULL, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span words[2];
		int n = command_words(span_str(rows[i].argument), words, 2);
		cr_assert_eq(n, rows[i].n, "row %zu: %d", i, n);
		if (rows[i].first)
			cr_assert(span_is(words[0], rows[i].first));
		if (rows[i].second)
			cr_assert(span_is(words[1], rows[i].second));
	}
}

/* --- stuff: against a reference that goes octet by octet
 * -------------------------------- */

/* The wire form of the whole message; lines < 0: all of it. Returns the octets. */
static size_t reference(struct span m, long lines, char *out)
{
	size_t n = 0, line_began = 0;
	bool header = true, ended = true;

	if (lines < 0)
		header = false;
	for (size_t i = 0; i < m.n && !(lines == 0 && !header); i++) {
		if (i == line_began && m.p[i] == '.')
			out[n++] = '.';
		if (m.p[i] == '\n' && (i == 0 || m.p[i - 1] != '\r'))
			out[n++] = '\r';
		out[n++] = (char)m.p[i];
		ended = m.p[i] == '\n';
		if (!ended)
			continue;
		size_t length = i - line_began;
		bool blank = length == 0 || (length == 1 && m.p[line_began] == '\r');
		if (!header && lines > 0)
			lines--;
		if (header && blank)
			header = false;
		line_began = i + 1;
	}
	if (!ended) {
		memcpy(out + n, "\r\n", 2);
		n += 2;
	}
	memcpy(out + n, ".\r\n", 3);
	return n + 3;
}

static const char *const messages[] = {
	"",
	".",
	"..",
	"\n",
	"\r",
	"\r\n",
	"\n.",
	".\n",
	"\r\n.\r\n",
	".\r\n..\r\n...\r\n",
	"a",
	"a\n",
	"a\r",
	"a\r\r\n",
	"a\r\n",
	"a\rb\n.\rc\n",
	"\r.\n.",
	"\r\r\n\r\n",
	"Subject: x\n\nbody\n.\nlast",
	"Subject: x\r\n\r\nbody\r\n.\r\nlast\r\n",
	"Subject: x\r\n\nmixed\r\n\n.dot\n\r\n..two\n",
	"\nno header\nline 2\nline 3\n",
	"\r\nno header\r\n.line 2\r\nline 3\r\n",
	"header only: yes\r\nand: more",
	"h: \r\r\n\r\r\n\r\nbody\n",
	"h: 1\n\r\n\n\n.\n\n",
};

static void check_stuff(struct span m, long lines, size_t cut1, size_t cut2)
{
	static char wanted[1 << 16];
	size_t wanted_n = reference(m, lines, wanted);
	size_t cuts[] = { cut1, cut2, m.n };
	struct stuff stuff;
	struct buf out;
	bool header = true, over = false;
	uint64_t left = (uint64_t)lines;

	buf_init(&out, 1 << 16);
	stuff_begin(&stuff);
	for (size_t i = 0, from = 0; i < 3 && !over; from = cuts[i++]) {
		struct span block = span_of(m.p + from, cuts[i] - from);
		size_t before = buf_len(&out);
		if (lines < 0)
			stuff_block(&stuff, block, &out);
		else
			over = stuff_top(&stuff, block, &header, &left, &out);
		cr_assert_leq(buf_len(&out) - before, STUFF_GROWTH * block.n);
	}
	size_t before = buf_len(&out);
	stuff_end(&stuff, &out);
	cr_assert_leq(buf_len(&out) - before, 5);
	cr_assert(buf_ok(&out));
	cr_assert(span_eq(buf_span(&out), span_of(wanted, wanted_n)),
		"message of %zu octets, lines %ld, cut at %zu, %zu", m.n, lines, cut1,
		cut2);
	buf_free(&out);
}

static void check_splits(struct span m)
{
	for (long lines = -1; lines < 5; lines++)
		for (size_t a = 0; a <= m.n; a++)
			for (size_t b = a; b <= m.n; b++)
				check_stuff(m, lines, a, b);
}

Test(pop3, stuffing_at_every_split)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		check_splits(span_str(messages[i]));
}

/* Every message of up to six octets over the alphabet that matters. */
Test(pop3, stuffing_of_every_short_message)
{
	static const char alphabet[] = { '\r', '\n', '.', 'a', '\0' };
	for (size_t n = 1; n <= 5; n++) {
		size_t all = 1;
		for (size_t i = 0; i < n; i++)
			all *= sizeof(alphabet);
		for (size_t number = 0; number < all; number++) {
			char m[8];
			size_t rest = number;
			for (size_t i = 0; i < n; i++, rest /= sizeof(alphabet))
				m[i] = alphabet[rest % sizeof(alphabet)];
			for (long lines = -1; lines < 3; lines++)
				for (size_t cut = 0; cut <= n; cut++)
					check_stuff(span_of(m, n), lines, cut, n);
		}
	}
}

/* What is sent, less the stuffed dots and the terminator, is what STAT counts. */
Test(pop3, octets_are_those_that_are_sent)
{
	static char m[6000];
	srand(1);
	for (int round = 0; round < 300; round++) {
		size_t n = (size_t)rand() % sizeof(m), dots = 0;
		for (size_t i = 0; i < n; i++)
			m[i] = "\r\n\n..ab\0"[rand() % 8];
		for (size_t i = 0; i < n; i++)
			dots += m[i] == '.' && (i == 0 || m[i - 1] == '\n');
		struct octets octets = { 0 };
		struct stuff stuff;
		struct buf out;
		buf_init(&out, 1 << 16);
		stuff_begin(&stuff);
		for (size_t at = 0; at < n;) {
			size_t some = 1 + (size_t)rand() % 700;
			struct span block = span_head(span_of(m + at, n - at), some);
			octets_add(&octets, block);
			stuff_block(&stuff, block, &out);
			at += block.n;
		}
		stuff_end(&stuff, &out);
		cr_assert(buf_ok(&out));
		cr_assert_eq(buf_len(&out) - dots - 3, octets_total(&octets));
		buf_free(&out);
	}
}

/* --- capa
 * -------------------------------------------------------------------------------- */

static const unsigned every = LOGIN_MECHANISMS_ALL;

static const struct {
	struct capa capa;
	const char *has, *lacks;
} capas[] = {
	{ { 0, true, true, false }, "\r\nPIPELINING\r\n", "SASL" },
	{ { 0, true, true, true }, "\r\nSTLS\r\n", "USER" },
	{ { every, false, false, true },
		"\r\nSASL CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\r\n", "USER" },
	{ { every, true, false, false },
		"\r\nSASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 OAUTHBEARER "
		"XOAUTH2\r\n",
		"STLS" },
	{ { every, true, true, false },
		"\r\nSASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 "
		"SCRAM-SHA-1-PLUS "
		"SCRAM-SHA-256-PLUS EXTERNAL OAUTHBEARER XOAUTH2\r\n",
		"APOP" },
	{ { 1U << LOGIN_USER, true, false, false }, "\r\nUSER\r\n", "SASL" },
	{ { 1U << LOGIN_USER, false, false, true }, "\r\nUIDL\r\n", "USER" },
	{ { 1U << LOGIN_APOP, true, true, false }, "+OK ", "SASL" },
};

Test(pop3, capabilities)
{
	for (size_t i = 0; i < sizeof(capas) / sizeof(capas[0]); i++) {
		char text[1024];
		struct buf out;
		buf_init(&out, sizeof(text));
		capa_reply(&out, &capas[i].capa);
		cr_assert_eq(span_to_text(buf_span(&out), text, sizeof(text)), 0);
		cr_assert(strstr(text, capas[i].has), "row %zu: %s", i, text);
		cr_assert_null(strstr(text, capas[i].lacks), "row %zu: %s", i, text);
		cr_assert(strstr(text, "\r\nTOP\r\n") && strstr(text, "\r\nUIDL\r\n") &&
			  strstr(text, "\r\nRESP-CODES\r\n") &&
			  strstr(text, "\r\nAUTH-RESP-CODE\r\n"));
		cr_assert_str_eq(text + strlen(text) - 5, "\r\n.\r\n");
		buf_free(&out);
	}
}
