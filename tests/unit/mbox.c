/*
 * mbox: what is a message: every form through the contract of postern/maildrop.h, and
 * what is no mbox.
 */
#include "maildrop/mbox.h"
#include "maildrop/mbox_scan.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(mbox, .init = box_begin, .fini = box_end, .timeout = 120);

/* The wire size, counted one octet at a time. */
static uint64_t wire_size(const char *p, size_t n)
{
	uint64_t size = n;
	for (size_t i = 0; i < n; i++)
		size += p[i] == '\n' && (i == 0 || p[i - 1] != '\r');
	return size + (n && p[n - 1] != '\n' ? 2 : 0);
}

static void expect_messages(const char *name, const char *const *messages)
{
	struct maildrop *drop = box_open();
	size_t count = 0;
	while (messages[count])
		count++;
	cr_expect_eq(maildrop_count(drop), count, "%s: %zu messages", name,
		maildrop_count(drop));
	for (size_t i = 0; i < count && i < maildrop_count(drop); i++) {
		size_t n;
		char *text = box_body(drop, i, &n);
		cr_expect(n == strlen(messages[i]) && strcmp(text, messages[i]) == 0,
			"%s: message %zu is <%s>", name, i, text);
		cr_expect_eq(
			maildrop_size(drop, i), wire_size(text, n), "%s: size", name);
		free(text);
	}
	maildrop_close(drop);
}

static const struct {
	const char *name, *mbox, *messages[5];
} parses[] = {
	{ "empty", "", { NULL } },
	{ "only an empty line", "\n", { NULL } },
	{ "one", DATED "A: 1\n\nbody\n\n", { "A: 1\n\nbody\n" } },
	{ "no empty line at the end", DATED "A: 1\n\nbody\n", { "A: 1\n\nbody\n" } },
	{ "no line end at the end", DATED "A: 1\n\nbody", { "A: 1\n\nbody" } },
	{ "two", DATED "A: 1\n\nx\n\n" DATED "B: 2\n\ny\n\n",
		{ "A: 1\n\nx\n", "B: 2\n\ny\n" } },
	{ "CRLF",
		"From a\r\nA: one and no more\r\n\r\nx\r\n\r\nFrom b\r\nB: "
		"2\r\n\r\ny\r\n\r\n",
		{ "A: one and no more\r\n\r\nx\r\n", "B: 2\r\n\r\ny\r\n" } },
	{ "empty lines in front", "\n\r\n\n" DATED "A: 1\n\n", { "A: 1\n" } },
	{ "more empty lines stay", DATED "A: 1\n\nx\n\n\n\n" DATED "B: 2\n\n\n\n",
		{ "A: 1\n\nx\n\n\n", "B: 2\n\n\n" } },
	{ "no empty line before From: text", DATED "A: 1\n\nx\nFrom y\nz\n",
		{ "A: 1\n\nx\nFrom y\nz\n" } },
	{ "From in the header is text", DATED "A: 1\nFrom b\n\nx\n",
		{ "A: 1\nFrom b\n\nx\n" } },
	{ "quoted", DATED "A: 1\n\n>From x\n\n>From y\n\n>>From z\n",
		{ "A: 1\n\n>From x\n\n>From y\n\n>>From z\n" } },
	{ "undated From behind an empty line", DATED "A: 1\n\nx\n\nFrom y\n\nz\n",
		{ "A: 1\n\nx\n", "\nz\n" } },
	{ "header alone", DATED "A: 1\n\n" DATED "B: 1\n", { "A: 1\n", "B: 1\n" } },
	{ "header and its empty line", DATED "A: 1\n\n\n" DATED "B: 1\n\n\n",
		{ "A: 1\n\n", "B: 1\n\n" } },
	{ "nothing between",
		"From a whose name is a longer one\n\n" DATED "\n" DATED "\nFrom c",
		{ "", "", "", "" } },
	{ "From without more", "From \n\n" DATED "\nFrom \n", { "", "", "" } },
	{ "no mail is as short", "From a\n\nFrom b\n\nFrom c\n\nFrom d\n\nFrom e\n",
		{ "\nFrom b\n\nFrom c\n\nFrom d\n", "" } },
	{ "cut From line", DATED "A: 1\n\nx\n\nFrom", { "A: 1\n\nx\n\nFrom" } },
	{ "bare CR is no line end", DATED "A: 1\n\nx\r\rFrom y\r",
		{ "A: 1\n\nx\r\rFrom y\r" } },
	{ "not From", DATED "A: 1\n\nx\n\nFrom: y\n\nFromage\n\nfrom z\n",
		{ "A: 1\n\nx\n\nFrom: y\n\nFromage\n\nfrom z\n" } },
	/* Content-Length, see mbox_length.c */
	{ "length spares an undated From line",
		DATED "Content-Length: 15\n\nx\n\nFrom y\n\nzzz\n\n" DATED
		      "B: 2\n\ny\n\n",
		{ "Content-Length: 15\n\nx\n\nFrom y\n\nzzz\n", "B: 2\n\ny\n" } },
	{ "with the empty line counted",
		DATED "Content-Length: 15\n\nx\n\nFrom y\n\nzz\n\n" DATED
		      "B: 2\n\ny\n\n",
		{ "Content-Length: 15\n\nx\n\nFrom y\n\nzz\n", "B: 2\n\ny\n" } },
	{ "to the end of the file", DATED "content-length:15\n\nx\n\nFrom y\n\nzzz\n",
		{ "content-length:15\n\nx\n\nFrom y\n\nzzz\n" } },
	{ "in CRLF",
		"From a\r\nContent-Length: 18 \r\n\r\nx\r\n\r\nFrom "
		"y\r\n\r\nz\r\n\r\nFrom b\r\nB: 2\r\n",
		{ "Content-Length: 18 \r\n\r\nx\r\n\r\nFrom y\r\n\r\nz\r\n",
			"B: 2\r\n" } },
	{ "a dated From line is always one",
		DATED "Content-Length: 61\n\nx\n\n" DATED "B: 2\n\nyyyy\n\n" DATED
		      "C: 3\n",
		{ "Content-Length: 61\n\nx\n", "B: 2\n\nyyyy\n", "C: 3\n" } },
	{ "and what claims to reach over it is a lie",
		DATED "Content-Length: 69\n\nx\n\nFrom y\n\n" DATED
		      "B: 2\n\nyyyy\n\n" DATED "C: 3\n",
		{ "Content-Length: 69\n\nx\n", "", "B: 2\n\nyyyy\n", "C: 3\n" } },
	{ "too short", DATED "Content-Length: 14\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: 14\n\nx\n", "\nzzz\n" } },
	{ "too long", DATED "Content-Length: 16\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: 16\n\nx\n", "\nzzz\n" } },
	{ "beyond all numbers",
		DATED "Content-Length: 18446744073709551631\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: 18446744073709551631\n\nx\n", "\nzzz\n" } },
	{ "negative", DATED "Content-Length: -15\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: -15\n\nx\n", "\nzzz\n" } },
	{ "with a blank behind", DATED "Content-Length: 15 \t\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: 15 \t\n\nx\n\nFrom y\n\nzzz\n" } },
	{ "two claims are none",
		DATED "Content-Length: 15\nContent-Length: 15\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: 15\nContent-Length: 15\n\nx\n", "\nzzz\n" } },
	{ "in the body it says nothing",
		DATED "A: 1\n\nContent-Length: 15\n\nx\n\nFrom y\n\nzzz\n",
		{ "A: 1\n\nContent-Length: 15\n\nx\n", "\nzzz\n" } },
};

/* Each of these is one octet, or one word, away from a date. */
static const struct {
	const char *line;
	bool dated;
} dates[] = {
	{ "From a@b Thu Jan  1 00:00:00 1970", true },
	{ "From a@b Sun Dec 31 23:59:59 2026", true },
	{ "From a b c Wed Jul 4 0:00", true },
	{ "From a@b Thu Jan  1 00:", true },
	{ "From a@b Thu Jan  1 00", false },
	{ "From a@b Thu Jan  1 ", false },
	{ "From a@b Thu Jan 1", false },
	{ "From a@b Thv Jan  1 00:00:00 1970", false },
	{ "From a@b Thu Jam  1 00:00:00 1970", false },
	{ "From a@b hTu Jan  1 00:00:00 1970", false },
	{ "From a@b Thu anF  1 00:00:00 1970", false },
	{ "From a@b Thu,Jan  1 00:00:00 1970", false },
	{ "From a@b Thu Jan, 1 00:00:00 1970", false },
	{ "From a@b Thu Jan x1 00:00:00 1970", false },
	{ "From a@b Thu Jan 3x 00:00:00 1970", false },
	{ "From a@b Thu Jan /1 00:00:00 1970", false },
	{ "From a@b Thu Jan :1 00:00:00 1970", false },
	{ "From a@b Thu Jan 1/ 00:00:00 1970", false },
	{ "From a@b Thu Jan 1: 00:00:00 1970", false },
	{ "From a@b Thu Jan 01 00:00:00 1970", true },
	{ "From a@b Thu Jan 99 00:00:00 1970", true },
	{ "From a@b,Thu Jan  1 00:00:00 1970", false },
	{ "From Thu Jan  1 00:00:00 1970", true },
	{ "FromThu Jan  1 00:00:00 1970", false },
	{ "From a@b", false },
	{ "From ", false },
};

Test(mbox, dates)
{
	for (size_t i = 0; i < sizeof(dates) / sizeof(*dates); i++)
		cr_expect_eq(mbox_from_is_dated(span_str(dates[i].line)),
			dates[i].dated, "%s", dates[i].line);
}

Test(mbox, parses)
{
	for (size_t i = 0; i < sizeof(parses) / sizeof(parses[0]); i++) {
		box_put(parses[i].mbox);
		expect_messages(parses[i].name, parses[i].messages);
	}
}

/* A NUL is no blank. */
Test(mbox, length_with_a_nul)
{
	static const char text[] =
		DATED "Content-Length: 15\0\n\nx\n\nFrom y\n\nzzz\n\n" DATED "B: 2\n";
	box_put_n(text, sizeof(text) - 1, O_TRUNC);
	struct maildrop *drop = box_open();
	cr_expect_eq(maildrop_count(drop), 3);
	maildrop_close(drop);
}

/* A file of nothing but the shortest lines costs no more memory than its octets. */
Test(mbox, messages_for_its_octets)
{
	enum { OCTETS = 1 << 20 };
	static const char *const lines[] = { "From a\n\n", "From \n\n",
		"From a\r\n\r\n", "From a\n\n\n" };
	char *text = malloc(OCTETS);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t n = strlen(lines[i]);
		for (size_t at = 0; at < OCTETS; at++)
			text[at] = lines[i][at % n];
		box_put_n(text, OCTETS, O_TRUNC);
		struct maildrop *drop = box_open();
		cr_expect_leq(maildrop_count(drop), OCTETS / 32);
		maildrop_close(drop);
	}
	free(text);
}

#define INTERNAL                                                        \
	"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"                 \
	"Date: 01 Jan 1970 00:00:00 +0000\n"                            \
	"From: Mail System Internal Data <MAILER-DAEMON@example.org>\n" \
	"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"  \
	"X-IMAP: 1234567890 0000000003\nStatus: RO\n\n"                 \
	"This text is part of the internal format of your mail folder, and is not\n\n"

/* What c-client keeps in the first message is no mail: not shown, never removed. */
Test(mbox, internal_data)
{
	char uids[2][MAILDROP_UID_MAX + 1], uid[MAILDROP_UID_MAX + 1];
	box_put(A B);
	box_uid(0, uids[0]);
	box_uid(1, uids[1]);
	box_put(INTERNAL A B);
	for (int again = 0; again < 2; again++) /* from the cache */
		for (size_t i = 0; i < 2; i++) {
			box_uid(i, uid);
			cr_expect_str_eq(uid, uids[i]);
		}
	box_append(C);
	struct maildrop *drop = box_open();
	cr_expect_eq(maildrop_count(drop), 3);
	box_mark(drop, "-x-");
	cr_expect_eq(box_commit_error(drop), 0);
	maildrop_close(drop);
	box_expect(INTERNAL A C);
	drop = box_open();
	cr_expect_eq(maildrop_count(drop), 2);
	box_mark(drop, "xx");
	cr_expect_eq(box_commit_error(drop), 0);
	maildrop_close(drop);
	box_expect(INTERNAL);
	box_append(B);
	box_uid(0, uid);
	cr_expect_str_eq(uid, uids[1]);
}

/* Only that one, and only there. */
Test(mbox, no_internal_data)
{
	static const char *const mails[] = { A INTERNAL,
		DATED "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
		      "X-IMAP: 1 2\n\n" A,
		"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nX-IMAP: 1 2\n\n" A,
		"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
		"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\n"
		"X-IMAP: 1 2\n\n" A };
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		box_put(mails[i]);
		struct maildrop *drop = box_open();
		cr_expect_eq(maildrop_count(drop), 2, "%zu", i);
		maildrop_close(drop);
	}
}

Test(mbox, nul_octets)
{
	static const char text[] = DATED "A: \0\n\n\0\n\n" DATED "B: 2\n\nx\n";
	box_put_n(text, sizeof(text) - 1, O_TRUNC);
	struct maildrop *drop = box_open();
	cr_expect_eq(maildrop_count(drop), 2);
	size_t n;
	char *body = box_body(drop, 0, &n);
	cr_expect(n == 8 && memcmp(body, "A: \0\n\n\0\n", n) == 0);
	free(body);
	maildrop_close(drop);
}

/* The boundary at every place near the end of a block that is read at once. */
Test(mbox, block_boundaries)
{
	const char *const ends[] = { "\n\n", "\r\n\r\n", "\n\n\n", "\n" };
	for (size_t e = 0; e < 4; e++)
		for (size_t pad = MBOX_BLOCK - 80; pad < MBOX_BLOCK + 30; pad++) {
			char *text = malloc(MBOX_BLOCK + 400);
			int n = snprintf(text, 300, DATED "A: 1\n\n");
			memset(text + n, 'x', pad - (size_t)n);
			size_t all = pad;
			all += (size_t)snprintf(text + all, 300,
				"%s" DATED "B: %d\n\ny\n\n", ends[e], (int)pad);
			box_put_n(text, all, O_TRUNC);
			struct maildrop *drop = box_open();
			cr_assert_eq(maildrop_count(drop), e == 3 ? 1 : 2,
				"end %zu, %zu", e, pad);
			size_t got,
				first = strlen(ends[e]) / (e < 2 ? 2 : 1) - (e == 2);
			char *body = box_body(drop, 0, &got);
			if (e < 3)
				cr_assert_eq(got, pad - strlen(DATED) + first);
			cr_assert_eq(maildrop_size(drop, 0), wire_size(body, got));
			free(body);
			maildrop_close(drop);
			free(text);
		}
}

/* A reading of the rules that is too slow for anything but this test. */
struct plain {
	size_t from[64], at[64], end[64], n;
};

static bool plain_boundary(const char *p, size_t n, size_t i, size_t *empty)
{
	if (n - i < 5 || memcmp(p + i, "From ", 5) != 0)
		return false;
	*empty = i;
	if (i == 0)
		return true;
	if (i >= 2 && p[i - 1] == '\n' && p[i - 2] == '\n')
		*empty = i - 1;
	else if (i >= 3 && p[i - 1] == '\n' && p[i - 2] == '\r' && p[i - 3] == '\n')
		*empty = i - 2;
	else
		return false;
	return true;
}

static void plain_parse(const char *p, size_t n, struct plain *plain)
{
	size_t empty;
	plain->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (!plain_boundary(p, n, i, &empty))
			continue;
		if (plain->n && i - plain->from[plain->n - 1] < 32)
			continue; /* none is dated */
		if (plain->n)
			plain->end[plain->n - 1] = empty;
		const char *lf = memchr(p + i, '\n', n - i);
		plain->from[plain->n] = i;
		plain->at[plain->n++] = lf ? (size_t)(lf - p) + 1 : n;
	}
	if (!plain->n)
		return;
	size_t end = n, at = plain->at[plain->n - 1];
	if (n - at >= 1 && p[n - 1] == '\n' && p[n - 2] == '\n')
		end = n - 1;
	else if (n - at >= 2 && p[n - 1] == '\n' && p[n - 2] == '\r' &&
		 p[n - 3] == '\n')
		end = n - 2;
	plain->end[plain->n - 1] = end;
}

static size_t random_mbox(char *text)
{
	static const char *const parts[] = { "\n", "\n", "\n", "\r\n", "\r", "From ",
		"From x", "x", "A: 1", " y", "Status: R", "\n\nFrom a\n", "Fr", "\n\n",
		"which makes it a longer one" };
	size_t n = (size_t)snprintf(text, 32, "From a\n");
	for (int i = rand() % 40; i > 0; i--)
		n += (size_t)snprintf(text + n, 32, "%s",
			parts[(size_t)rand() % (sizeof(parts) / sizeof(parts[0]))]);
	return n;
}

Test(mbox, as_the_rules_say)
{
	char text[2048];
	struct plain plain;
	srand(1);
	for (int round = 0; round < 3000; round++) {
		size_t n = random_mbox(text);
		box_put_n(text, n, O_TRUNC);
		plain_parse(text, n, &plain);
		struct maildrop *drop = box_open();
		cr_assert_eq(maildrop_count(drop), plain.n, "%zu messages in <%s>",
			maildrop_count(drop), text);
		for (size_t i = 0; i < plain.n; i++) {
			size_t got, want = plain.end[i] - plain.at[i];
			char *body = box_body(drop, i, &got);
			cr_assert(got == want &&
					  memcmp(body, text + plain.at[i], got) == 0,
				"message %zu of <%s> is <%s>", i, text, body);
			cr_assert_eq(maildrop_size(drop, i), wire_size(body, got));
			free(body);
		}
		maildrop_close(drop);
	}
}

Test(mbox, refused)
{
	struct maildrop_fault fault;
	cr_expect_eq(box_open_fails(&fault), 0, "a missing one is an empty one");
	cr_assert_eq(mkdir(box_path, 0700), 0);
	cr_expect_eq(box_open_fails(&fault), EISDIR);
	cr_expect(strstr(fault.text, box_path) && strstr(fault.text, "directory"));
	cr_assert_eq(rmdir(box_path), 0);
	cr_assert_eq(mkfifo(box_path, 0600), 0);
	cr_expect_eq(box_open_fails(&fault), EINVAL);
	cr_expect(strstr(fault.text, "regular"));
	cr_assert_eq(unlink(box_path), 0);
	cr_assert_eq(symlink("/etc/passwd", box_path), 0);
	cr_expect_eq(box_open_fails(&fault), ELOOP);
	cr_expect(strstr(fault.text, "link"));
	cr_assert_eq(unlink(box_path), 0);
	box_put("Subject: no mbox\n\nbody\n");
	cr_expect_eq(box_open_fails(&fault), EINVAL);
	cr_expect(strstr(fault.text, "From "));
	box_expect("Subject: no mbox\n\nbody\n");
}
