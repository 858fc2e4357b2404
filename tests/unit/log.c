/*
 * log: what a value may look like, and what the logger makes of what a process says.
 */
#include "base/log.h"
#include "master/line.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* --- values --------------------------------------------------------------------------
 */

static const char *shown(
	void (*put)(struct buf *line, const char *key, struct span value),
	struct span value)
{
	static char storage[2048];
	struct buf line;
	buf_fixed(&line, storage, sizeof(storage));
	put(&line, "k", value);
	cr_assert(buf_ok(&line));
	buf_putc(&line, '\0');
	return storage;
}

Test(value, holds_no_other_field)
{
	static const struct {
		const char *value, *shown;
	} cases[] = {
		{ "", " k=\"\"" },
		{ "joe@example.org", " k=\"joe@example.org\"" },
		{ "a b", " k=\"a\\x20b\"" },
		{ "x\" source=192.0.2.1", " k=\"x\\x22\\x20source\\x3d192.0.2.1\"" },
		{ "\\\"", " k=\"\\x5c\\x22\"" },
		{ "\x1b[2J\n\x7f\xc3\xa9", " k=\"\\x1b[2J\\x0a\\x7f\\xc3\\xa9\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_str_eq(
			shown(log_value, span_str(cases[i].value)), cases[i].shown);
	cr_assert_str_eq(shown(log_value, span_of("a\0b", 3)), " k=\"a\\x00b\"");
	cr_assert_str_eq(shown(log_sentence, span_str("a=\"b c\"")),
		" k=\"a\\x3d\\x22b c\\x22\"");
}

/* Whatever it is: one word, one pair of quotation marks, one '=', printable. */
Test(value, any_octets)
{
	unsigned char value[300];
	srandom(1);
	for (int round = 0; round < 2000; round++) {
		size_t n = (size_t)random() % sizeof(value);
		for (size_t i = 0; i < n; i++)
			value[i] = (unsigned char)random();
		const char *text = shown(log_value, span_of(value, n));
		size_t quotes = 0, equals = 0;
		cr_assert_eq(text[0], ' ');
		for (const char *c = text + 1; *c; c++) {
			cr_assert(*c > ' ' && *c < 0x7F);
			quotes += *c == '"';
			equals += *c == '=';
		}
		cr_assert(quotes == 2 && equals == 1, "%s", text);
	}
}

/* --- lines ---------------------------------------------------------------------------
 */

static const char *taken(unsigned who, struct span said, enum log_level *level)
{
	static char storage[2 * LOG_LINE_MAX];
	struct buf out;
	buf_fixed(&out, storage, sizeof(storage));
	*level = line_take(who, &said, &out);
	cr_assert(buf_ok(&out));
	buf_putc(&out, '\0');
	return storage;
}

Test(line, is_of_its_domain)
{
	static const struct {
		unsigned who;
		const char *said, *logged;
		enum log_level level;
	} cases[] = {
		{ DOMAIN_AUTH, "<6>postern-auth[7]: v1 login connection=1\n",
			"postern-auth[7]: v1 login connection=1", LEVEL_INFO },
		{ DOMAIN_SESSION, "<3>pop3-session[7]: v1 maildrop connection=1\n",
			"pop3-session[7]: v1 maildrop connection=1", LEVEL_ERROR },
		{ SPEAKER_MASTER, "<6>posternd[1]: ready\n", "posternd[1]: ready",
			LEVEL_INFO },
		{ DOMAIN_GATE, "pop3-gate[1]: no level\n", "pop3-gate[1]: no level",
			LEVEL_WARNING },
		/* Another's event, another's name, another's form. */
		{ DOMAIN_SESSION, "<6>pop3-session[7]: v1 login connection=1\n",
			"pop3-session: says=\"pop3-session[7]: v1 login "
			"connection\\x3d1\"",
			LEVEL_WARNING },
		{ DOMAIN_GATE, "<6>pop3-gate[7]: v1 refused x\n",
			"pop3-gate: says=\"pop3-gate[7]: v1 refused x\"",
			LEVEL_WARNING },
		{ DOMAIN_GATE, "<6>pop3-gate[7]: v1\n",
			"pop3-gate: says=\"pop3-gate[7]: v1\"", LEVEL_WARNING },
		{ DOMAIN_GATE, "<6>postern-auth[7]: v1 refused x\n",
			"pop3-gate: says=\"postern-auth[7]: v1 refused x\"",
			LEVEL_WARNING },
		{ DOMAIN_GATE, "<6>pop3-gate[]: x\n",
			"pop3-gate: says=\"pop3-gate[]: x\"", LEVEL_WARNING },
		{ DOMAIN_GATE, "<9>pop3-gate[1]: x\n",
			"pop3-gate: says=\"<9>pop3-gate[1]: x\"", LEVEL_WARNING },
		{ DOMAIN_AUTH, "malloc(): corrupted\n",
			"postern-auth: says=\"malloc(): corrupted\"", LEVEL_WARNING },
		{ DOMAIN_KEEPER, "<2>postern-keeper[1]: a\x1b[31mb\xff\n",
			"postern-keeper[1]: a?[31mb?", LEVEL_CRITICAL },
	};
	enum log_level level;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert_str_eq(taken(cases[i].who, span_str(cases[i].said), &level),
			cases[i].logged, "case %zu", i);
		cr_assert_eq(level, cases[i].level, "case %zu", i);
	}
}

Test(line, each_of_a_packet)
{
	char storage[2 * LOG_LINE_MAX];
	struct buf out;
	struct span said = span_str("<6>pop3-gate[1]: one\n<4>pop3-gate[1]: two");
	buf_fixed(&out, storage, sizeof(storage));
	cr_assert_eq(line_take(DOMAIN_GATE, &said, &out), LEVEL_INFO);
	cr_assert(span_is(buf_span(&out), "pop3-gate[1]: one"));
	buf_reset(&out);
	cr_assert_eq(line_take(DOMAIN_GATE, &said, &out), LEVEL_WARNING);
	cr_assert(span_is(buf_span(&out), "pop3-gate[1]: two"));
	cr_assert_eq(said.n, 0);
}

Test(line, any_octets)
{
	static const char start[] = "<6>pop3-session[1]: ";
	char said[4096];
	enum log_level level;
	srandom(2);
	for (int round = 0; round < 2000; round++) {
		size_t n = (size_t)random() % sizeof(said);
		for (size_t i = 0; i < n; i++)
			said[i] = (char)random();
		if (round % 2 && n > sizeof(start))
			memcpy(said, start, sizeof(start) - 1);
		const char *text =
			taken((unsigned)round % SPEAKERS, span_of(said, n), &level);
		cr_assert_lt(strlen(text), LOG_LINE_MAX + 400);
		for (const char *c = text; *c; c++)
			cr_assert(*c >= ' ' && *c < 0x7F);
	}
}

/* --- a full log ----------------------------------------------------------------------
 */

Test(put, what_is_lost_is_told)
{
	char octets[4096];
	int pair[2], lines = 0;
	cr_assert_eq(pipe2(pair, O_NONBLOCK | O_DIRECT), 0);
	int before = dup(2);
	dup2(pair[1], 2);
	log_open("test");
	log_to_logger(1);
	for (int i = 0; i < 100000 && lines == 0; i++) {
		errno = ENOENT;
		log_info("line %d", i);
		cr_assert_eq(errno, ENOENT);
		if (write(2, "", 1) < 0)
			lines = i;
	}
	log_info("lost");
	log_info("lost");
	while (read(pair[0], octets, sizeof(octets)) > 0)
		;
	log_info("again");
	dup2(before, 2);
	ssize_t n = read(pair[0], octets, sizeof(octets) - 1);
	cr_assert_gt(n, 0);
	octets[n] = '\0';
	cr_assert(strstr(octets, " lines were lost, the log was full\n"), "%s", octets);
	n = read(pair[0], octets, sizeof(octets) - 1);
	cr_assert_gt(n, 0);
	octets[n] = '\0';
	cr_assert(strstr(octets, "<6>test[") == octets && strstr(octets, "]: again\n"));
}
