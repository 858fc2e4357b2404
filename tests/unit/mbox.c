/*
 * mbox: the driver through the contract of postern/maildrop.h, on files in a
 * directory of its own.
 */
#include "maildrop/mbox.h"
#include "base/io.h"
#include "maildrop/mbox_cache.h"
#include "maildrop/mbox_lock.h"
#include "maildrop/mbox_scan.h"
#include "postern/maildrop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define DATED "From joe@example.org Thu Jan  1 00:00:00 1970\n"

static char dir[64], path[128], dotlock[160], state_path[128];
static int state = -1;

static void begin(void)
{
	/* Memory where there is such: ext4 flushes a file that is emptied and filled.
	 */
	snprintf(dir, sizeof(dir), "%s/postern-mbox-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/joe", dir);
	snprintf(dotlock, sizeof(dotlock), "%s.lock", path);
	snprintf(state_path, sizeof(state_path), "%s/state", dir);
	cr_assert_eq(mkdir(state_path, 0700), 0);
	state = open(state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(state, 0);
}

static void end(void)
{
	char command[128];
	close(state);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(mbox, .init = begin, .fini = end, .timeout = 120);

static void put_n(const char *text, size_t n, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	cr_assert_eq(close(fd), 0);
}

static void put(const char *text)
{
	put_n(text, strlen(text), O_TRUNC);
}

static void append(const char *text)
{
	put_n(text, strlen(text), O_APPEND);
}

static char *get(size_t *n)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	char *text = malloc((size_t)st.st_size + 1);
	*n = (size_t)st.st_size;
	cr_assert_eq(read(fd, text, *n), st.st_size);
	text[*n] = '\0';
	close(fd);
	return text;
}

static void expect_file(const char *text)
{
	size_t n;
	char *found = get(&n);
	cr_expect(n == strlen(text) && memcmp(found, text, n) == 0,
		"the file holds\n<%s>\ninstead of\n<%s>", found, text);
	free(found);
}

static struct maildrop *open_drop(void)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = path, .state = state
	};
	struct maildrop_fault fault = { "" };
	struct maildrop *drop;
	cr_assert_eq(maildrop_open(&drop, &place, &fault), 0, "%s", fault.text);
	return drop;
}

static int open_fails(struct maildrop_fault *fault)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = path, .state = state
	};
	struct maildrop *drop;
	*fault = (struct maildrop_fault){ "" };
	if (maildrop_open(&drop, &place, fault) < 0)
		return errno;
	maildrop_close(drop);
	return 0;
}

/* The octets of message i, which the caller frees. */
static char *body_of(struct maildrop *drop, size_t i, size_t *n)
{
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	cr_assert_eq(maildrop_body_open(drop, i, &body, &fault), 0, "%s", fault.text);
	size_t size = (size_t)(body.end - body.offset);
	char *text = malloc(size + 1);
	for (*n = 0; *n < size;) {
		ssize_t got = maildrop_body_read(&body, text + *n, size - *n);
		cr_assert_gt(got, 0);
		*n += (size_t)got;
	}
	text[*n] = '\0';
	maildrop_body_close(&body);
	return text;
}

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
	struct maildrop *drop = open_drop();
	size_t count = 0;
	while (messages[count])
		count++;
	cr_expect_eq(maildrop_count(drop), count, "%s: %zu messages", name,
		maildrop_count(drop));
	for (size_t i = 0; i < count && i < maildrop_count(drop); i++) {
		size_t n;
		char *text = body_of(drop, i, &n);
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
	{ "CRLF", "From a\r\nA: 1\r\n\r\nx\r\n\r\nFrom b\r\nB: 2\r\n\r\ny\r\n\r\n",
		{ "A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\ny\r\n" } },
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
	{ "nothing between", "From a\n\nFrom b\n\nFrom c", { "", "", "" } },
	{ "From without more", "From \n\nFrom \n", { "", "" } },
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
	{ "two claims are none",
		DATED "Content-Length: 15\nContent-Length: 15\n\nx\n\nFrom y\n\nzzz\n",
		{ "Content-Length: 15\nContent-Length: 15\n\nx\n", "\nzzz\n" } },
	{ "in the body it says nothing",
		DATED "A: 1\n\nContent-Length: 15\n\nx\n\nFrom y\n\nzzz\n",
		{ "A: 1\n\nContent-Length: 15\n\nx\n", "\nzzz\n" } },
};

Test(mbox, parses)
{
	for (size_t i = 0; i < sizeof(parses) / sizeof(parses[0]); i++) {
		put(parses[i].mbox);
		expect_messages(parses[i].name, parses[i].messages);
	}
}

Test(mbox, nul_octets)
{
	static const char text[] = DATED "A: \0\n\n\0\n\n" DATED "B: 2\n\nx\n";
	put_n(text, sizeof(text) - 1, O_TRUNC);
	struct maildrop *drop = open_drop();
	cr_expect_eq(maildrop_count(drop), 2);
	size_t n;
	char *body = body_of(drop, 0, &n);
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
			put_n(text, all, O_TRUNC);
			struct maildrop *drop = open_drop();
			cr_assert_eq(maildrop_count(drop), e == 3 ? 1 : 2,
				"end %zu, %zu", e, pad);
			size_t got,
				first = strlen(ends[e]) / (e < 2 ? 2 : 1) - (e == 2);
			char *body = body_of(drop, 0, &got);
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
		"From x", "x", "A: 1", " y", "Status: R", "\n\nFrom a\n", "Fr",
		"\n\n" };
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
		put_n(text, n, O_TRUNC);
		plain_parse(text, n, &plain);
		struct maildrop *drop = open_drop();
		cr_assert_eq(maildrop_count(drop), plain.n, "%zu messages in <%s>",
			maildrop_count(drop), text);
		for (size_t i = 0; i < plain.n; i++) {
			size_t got, want = plain.end[i] - plain.at[i];
			char *body = body_of(drop, i, &got);
			cr_assert(got == want &&
					  memcmp(body, text + plain.at[i], got) == 0,
				"message %zu of <%s> is <%s>", i, text, body);
			cr_assert_eq(maildrop_size(drop, i), wire_size(body, got));
			free(body);
		}
		maildrop_close(drop);
	}
}

/* --- unique-ids ------------------------------------------------------------ */

static void uid_of(size_t i, char uid[MAILDROP_UID_MAX + 1])
{
	struct maildrop *drop = open_drop();
	cr_assert_lt(i, maildrop_count(drop));
	cr_assert_eq(maildrop_uid(drop, i, uid), 0);
	maildrop_close(drop);
}

Test(mbox, id_does_not_change)
{
	static const char *const same[] = {
		DATED "A: 1\nB: 2\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nbody\n",
		"From other@example.org Fri Jan  2 00:00:00 1970\nA: 1\nB: "
		"2\n\nbody\n\n",
		DATED "Status: RO\nA: 1\nX-Status: A\nB: 2\nX-UID: 7\n\nbody\n\n",
		DATED "A: 1\nX-IMAPbase: 123 456\n keywords\n more\nB: 2\n\nbody\n\n",
		DATED
		"x-imap: 1\nA: 1\nB: 2\nX-KEYWORDS: a\n\tb\nX-UIDL: q\n\nbody\n\n",
		DATED "A: 1\nB: 2\nContent-Length: 5\nLines: 1\n"
		      "X-Mozilla-Status: 1\nX-Mozilla-Status2: 2\n\nbody\n\n",
	};
	static const char *const others[] = {
		DATED "A: 1\nB: 3\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nbody.\n\n",
		DATED "A: 1\nB: 2\n continued\n\nbody\n\n",
		DATED "A: 1\nB: 2\nStatus\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nStatus: R\nbody\n\n",
		DATED "A: 1\nB: 2\nbody\n\n",
		DATED "B: 2\nA: 1\n\nbody\n\n",
		DATED "A: 1\nB: 2\n\nbody\n\n\n",
	};
	char first[MAILDROP_UID_MAX + 1], uid[MAILDROP_UID_MAX + 1];
	put(same[0]);
	uid_of(0, first);
	cr_expect_eq(strlen(first), 32);
	for (size_t i = 1; i < sizeof(same) / sizeof(same[0]); i++) {
		put(same[i]);
		uid_of(0, uid);
		cr_expect_str_eq(uid, first, "same %zu", i);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		put(others[i]);
		uid_of(0, uid);
		cr_expect_str_neq(uid, first, "other %zu", i);
	}
}

/* Written down once: an id never changes, whatever the program that makes it. */
Test(mbox, id_is_for_ever)
{
	char uid[MAILDROP_UID_MAX + 1];
	put(DATED "Subject: for ever\nStatus: R\n\nbody of more than 32 octets, of two "
		  "stripes\n\n");
	uid_of(0, uid);
	cr_expect_str_eq(uid, "384b3170cdf4c03bbbcd2d6bcf971d97");
}

Test(mbox, twins_differ)
{
	char uids[4][MAILDROP_UID_MAX + 1];
	put(DATED "A: 1\n\nx\n\n" DATED "B: 1\n\nx\n\n" DATED "A: 1\n\nx\n\n" DATED
		  "A: 1\nStatus: R\n\nx\n\n");
	for (size_t i = 0; i < 4; i++)
		uid_of(i, uids[i]);
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(uids[i], uids[k], "%zu and %zu", i, k);
	char again[MAILDROP_UID_MAX + 1];
	append(DATED "A: 1\n\nx\n\n");
	for (size_t i = 0; i < 4; i++) {
		uid_of(i, again);
		cr_expect_str_eq(again, uids[i]);
	}
}

/* Large bodies: the hash does not depend on where the blocks end. */
Test(mbox, id_of_large_messages)
{
	char first[MAILDROP_UID_MAX + 1], uid[MAILDROP_UID_MAX + 1];
	size_t n = 3 * MBOX_BLOCK + 17;
	char *text = malloc(n + 600);
	for (size_t pad = 0; pad < 70; pad += 3) {
		int at = snprintf(text, 600, DATED "A: 1\n\n%*s\n\n" DATED "B: 2\n\n",
			(int)pad, "");
		for (size_t i = 0; i < n; i++)
			text[(size_t)at + i] = (char)('a' + i % 23);
		put_n(text, (size_t)at + n, O_TRUNC);
		uid_of(1, uid);
		if (pad == 0)
			memcpy(first, uid, sizeof(first));
		cr_expect_str_eq(uid, first);
	}
	free(text);
}

/* --- what is no mbox --------------------------------------------------------- */

Test(mbox, refused)
{
	struct maildrop_fault fault;
	cr_expect_eq(open_fails(&fault), 0, "a missing one is an empty one");
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(open_fails(&fault), EISDIR);
	cr_expect(strstr(fault.text, path) && strstr(fault.text, "directory"));
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(open_fails(&fault), EINVAL);
	cr_expect(strstr(fault.text, "regular"));
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_expect_eq(open_fails(&fault), ELOOP);
	cr_expect(strstr(fault.text, "link"));
	cr_assert_eq(unlink(path), 0);
	put("Subject: no mbox\n\nbody\n");
	cr_expect_eq(open_fails(&fault), EINVAL);
	cr_expect(strstr(fault.text, "From "));
	expect_file("Subject: no mbox\n\nbody\n");
}

/* --- commit -------------------------------------------------------------------- */

#define A   DATED "A: 1\n\nfirst\n\n"
#define B   DATED "B: 2\n\nsecond, which is longer\n\n"
#define C   DATED "C: 3\n\n\n"
#define D   DATED "D: 4\n\nlast, without an empty line\n"
#define NEW DATED "N: 5\n\nnew\n\n"

static const struct {
	const char *before, *marks, *appended, *after;
} commits[] = {
	{ A B C D, "----", "", A B C D },
	{ A B C D, "x---", "", B C D },
	{ A B C D, "-x--", "", A C D },
	{ A B C D, "--x-", "", A B D },
	{ A B C D, "---x", "", A B C },
	{ A B C D, "x-x-", "", B D },
	{ A B C D, "-x-x", "", A C },
	{ A B C D, "-xx-", "", A D },
	{ A B C D, "xxxx", "", "" },
	{ A B C, "x-x", NEW, B NEW },
	{ A B C, "xxx", NEW NEW, NEW NEW },
	{ A B C, "---", NEW, A B C NEW },
	{ "\n\n" A B, "xx", "", "\n\n" },
	{ A D, "-x", "\n" NEW, A "\n" NEW },
};

static void mark(struct maildrop *drop, const char *marks)
{
	for (size_t i = 0; marks[i]; i++)
		maildrop_mark(drop, i, marks[i] == 'x');
}

Test(mbox, commits)
{
	for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
		struct maildrop_done done;
		struct maildrop_fault fault = { "" };
		struct stat before, after;
		put(commits[i].before);
		cr_assert_eq(chmod(path, 0640), 0);
		cr_assert_eq(stat(path, &before), 0);
		struct maildrop *drop = open_drop();
		mark(drop, commits[i].marks);
		append(commits[i].appended);
		cr_expect_eq(maildrop_commit(drop, &done, &fault), 0, "%zu: %s", i,
			fault.text);
		cr_expect_eq(done.failed, 0);
		maildrop_close(drop);
		cr_assert_eq(stat(path, &after), 0);
		cr_expect_eq(before.st_ino, after.st_ino);
		cr_expect_eq(before.st_mode, after.st_mode);
		expect_file(commits[i].after);
		cr_expect_eq(access(dotlock, F_OK), -1);
	}
}

/* Ids of the messages that stay, and their octets, are what they were. */
Test(mbox, random_commits)
{
	srand(2);
	for (int round = 0; round < 300; round++) {
		char *want = calloc(1, 64 * 1200), marks[64] = "";
		size_t n = 1 + (size_t)rand() % 40, stays = 0;
		put("");
		for (size_t i = 0; i < n; i++) {
			char text[1200];
			snprintf(text, sizeof(text), DATED "I: %zu\n\n%0*d\n\n", i,
				1 + rand() % 1000, 0);
			append(text);
			marks[i] = rand() % 2 ? 'x' : '-';
			if (marks[i] == '-')
				snprintf(want + strlen(want), sizeof(text), "%s", text);
			stays += marks[i] == '-';
		}
		struct maildrop *drop = open_drop();
		struct maildrop_done done;
		struct maildrop_fault fault = { "" };
		mark(drop, marks);
		cr_assert_eq(maildrop_commit(drop, &done, &fault), 0, "%s", fault.text);
		cr_assert_eq(done.removed, n - stays);
		maildrop_close(drop);
		expect_file(want);
		free(want);
	}
}

/* --- changes from outside ------------------------------------------------------- */

static int body_error(struct maildrop *drop, size_t i)
{
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	if (maildrop_body_open(drop, i, &body, &fault) < 0)
		return errno;
	maildrop_body_close(&body);
	return 0;
}

static int commit_error(struct maildrop *drop)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	if (maildrop_commit(drop, &done, &fault) == 0)
		return 0;
	cr_expect_gt(done.failed, 0);
	cr_expect(strstr(fault.text, path), "%s", fault.text);
	return errno;
}

/* Another program's write is later than the session's open by any clock. */
static void touch(int seconds)
{
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	struct utimbuf times = { st.st_atime, st.st_mtime + seconds };
	cr_assert_eq(utime(path, &times), 0);
}

Test(mbox, outside_changes)
{
	const struct {
		const char *text;
		int error;
	} changes[] = {
		{ A B C, 0 }, /* touched, the same octets */
		{ A B C NEW, 0 },
		{ A B, ESTALE },
		{ "", ESTALE },
		{ B A C, ESTALE },
		{ A DATED "Status: RO\nB: 2\n\nsecond, which is longer\n\n" C, ESTALE },
		{ A C, ESTALE },
		{ NEW A B C, ESTALE },
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		put(A B C);
		struct maildrop *drop = open_drop();
		put(changes[i].text);
		touch(1 + (int)i);
		cr_expect_eq(body_error(drop, 1), changes[i].error, "%zu", i);
		maildrop_mark(drop, 0, true);
		cr_expect_eq(commit_error(drop), changes[i].error, "%zu", i);
		if (changes[i].error)
			expect_file(changes[i].text);
		maildrop_close(drop);
	}
}

Test(mbox, replaced)
{
	char other[160];
	put(A B C);
	struct maildrop *drop = open_drop();
	maildrop_mark(drop, 1, true);
	snprintf(other, sizeof(other), "%s.old", path);
	cr_assert_eq(rename(path, other), 0);
	put(A B C);
	cr_expect_eq(body_error(drop, 1), 0, "the snapshot can still be read");
	cr_expect_eq(commit_error(drop), ESTALE);
	expect_file(A B C);
	maildrop_close(drop);
}

/* Runs f as somebody who is not root; 0, or what it says is wrong. */
static int as_nobody(int (*f)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(100);
		_exit(f());
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static int read_only(void)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = path, .state = -1
	};
	struct maildrop_fault fault = { "" };
	struct maildrop_body body;
	struct maildrop_done done;
	struct maildrop *drop;
	if (maildrop_open(&drop, &place, &fault) < 0 || maildrop_count(drop) != 2)
		return 1;
	if (maildrop_body_open(drop, 1, &body, &fault) < 0)
		return 2;
	maildrop_mark(drop, 0, true);
	if (maildrop_commit(drop, &done, &fault) == 0 || errno != EACCES)
		return 3;
	maildrop_close(drop);
	return done.failed == 1 ? 0 : 4;
}

static int unreadable(void)
{
	struct maildrop_fault fault;
	return open_fails(&fault) == EACCES && strstr(fault.text, path) &&
			       strstr(fault.text, strerror(EACCES))
		       ? 0
		       : 1;
}

Test(mbox, permissions)
{
	put(A B);
	cr_assert_eq(chmod(dir, 0755), 0);
	cr_assert_eq(chmod(path, 0444), 0);
	cr_expect_eq(as_nobody(read_only), 0);
	cr_assert_eq(chmod(path, 0), 0);
	cr_expect_eq(as_nobody(unreadable), 0);
}

/* --- the cache -----------------------------------------------------------------------
 */

static char *cache_path(void)
{
	static char name[192];
	snprintf(name, sizeof(name), "%s/sizes", state_path);
	return name;
}

/* What is known of all messages, as text. */
static char *all_of(struct maildrop *drop)
{
	size_t n = 0, room = 200 * (maildrop_count(drop) + 1);
	char *text = calloc(1, room), uid[MAILDROP_UID_MAX + 1];
	const struct mbox *box = drop->own;
	for (size_t i = 0; i < maildrop_count(drop); i++) {
		const struct maildrop_message *m = &drop->messages[i];
		cr_assert_eq(maildrop_uid(drop, i, uid), 0);
		n += (size_t)snprintf(text + n, room - n, "%zu %zu %zu %zu %zx %s\n",
			(size_t)box->lines[i].from, (size_t)m->at, (size_t)m->stored,
			(size_t)m->size, (size_t)box->lines[i].sum, uid);
	}
	return text;
}

/* Opens with the cache as it is and without: both find the same. Returns whether
 * the first one had to read messages. */
static bool expect_same_as_cold(const char *name)
{
	struct maildrop *drop = open_drop();
	bool fresh = ((struct mbox *)drop->own)->fresh;
	char *warm = all_of(drop);
	maildrop_close(drop);
	cr_assert(unlink(cache_path()) == 0 || errno == ENOENT);
	drop = open_drop();
	char *cold = all_of(drop);
	maildrop_close(drop);
	cr_expect_str_eq(warm, cold, "%s", name);
	free(warm);
	free(cold);
	return fresh;
}

Test(mbox, cache)
{
	put(A B C D);
	cr_expect(expect_same_as_cold("none"));
	cr_expect_not(expect_same_as_cold("unchanged"));
	append("\n" NEW);
	cr_expect(expect_same_as_cold("grown"));
	append("more of the last message\n");
	cr_expect(expect_same_as_cold("the last message has grown"));
	put(A B C);
	cr_expect(expect_same_as_cold("cut"));
	put(B A C);
	touch(1);
	cr_expect(expect_same_as_cold("other messages of the same size"));
	put(B A C NEW NEW);
	cr_expect(expect_same_as_cold("grown by two"));
	put(A B C NEW NEW NEW);
	cr_expect(expect_same_as_cold("changed and grown"));
	put("");
	cr_expect(!expect_same_as_cold("empty"));
	append(NEW);
	cr_expect(expect_same_as_cold("grown from nothing"));
}

Test(mbox, cache_after_commit)
{
	static const char *const marks[] = { "x---", "--x-", "---x", "xx-x", "xxxx" };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		for (int grown = 0; grown < 2; grown++) {
			struct maildrop_done done;
			struct maildrop_fault fault = { "" };
			put(A B C D);
			struct maildrop *drop = open_drop();
			mark(drop, marks[i]);
			if (grown)
				append("\n" NEW);
			cr_expect_eq(maildrop_commit(drop, &done, &fault), 0);
			maildrop_close(drop);
			bool fresh = expect_same_as_cold(marks[i]);
			cr_expect_eq(fresh, grown, "%s %d", marks[i], grown);
		}
}

/* With a right sum and wrong content: what an owner can forge. */
Test(mbox, forged_cache)
{
	srand(3);
	for (int round = 0; round < 400; round++) {
		put(A B C D);
		struct maildrop *drop = open_drop();
		struct mbox *box = drop->own;
		uint64_t *numbers[] = { &drop->messages[rand() % 4].at,
			&drop->messages[rand() % 4].stored,
			&box->lines[rand() % 4].from, &box->lines[rand() % 4].sum,
			&box->end };
		uint64_t *number = numbers[rand() % 5];
		static const uint64_t wrong[] = { 0, 1, UINT64_MAX, INT64_MAX, 40,
			100 };
		*number = rand() % 2 ? wrong[rand() % 6]
				     : *number + (uint64_t)(rand() % 9) - 4;
		if (rand() % 4 == 0)
			drop->count = (size_t)rand() % 4;
		mbox_cache_store(drop);
		maildrop_close(drop);
		if (rand() % 2)
			append(NEW);
		drop = open_drop();
		for (size_t i = 0; i < maildrop_count(drop); i++) {
			struct maildrop_body body;
			struct maildrop_fault fault;
			char p[4096], uid[MAILDROP_UID_MAX + 1];
			cr_assert_leq(drop->messages[i].at + drop->messages[i].stored,
				((struct mbox *)drop->own)->end);
			cr_assert_eq(maildrop_uid(drop, i, uid), 0);
			if (maildrop_body_open(drop, i, &body, &fault) < 0)
				continue;
			while (maildrop_body_read(&body, p, sizeof(p)) > 0)
				;
			maildrop_body_close(&body);
			maildrop_mark(drop, i, rand() % 2);
		}
		struct maildrop_done done;
		struct maildrop_fault fault;
		(void)maildrop_commit(drop, &done, &fault);
		maildrop_close(drop);
	}
}

/* --- journals
 * ---------------------------------------------------------------------------- */

static void journal_path(char name[192])
{
	snprintf(name, 192, "%s/mbox-journal", state_path);
}

/* A journal as a commit that was cut off after its first record leaves it. */
static void make_journal(struct journal *journal)
{
	static const struct mbox_range removed = { sizeof(A) - 1, sizeof(B) - 1 };
	struct journal_place place;
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	journal_place(&place, state, path);
	*journal = (struct journal){ .fd = -1,
		.inode = st.st_ino,
		.shift = { malloc(sizeof(removed)), 1, (uint64_t)st.st_size },
		.log_room = 4096 };
	journal->shift.removed[0] = removed;
	cr_assert_eq(journal_create(journal, &place, 1), 0);
}

static void put_record(struct journal *journal, struct journal_record record)
{
	cr_assert_eq(journal_write(journal, &record), 0);
	journal_close(journal);
}

/* Forged in one number or another: memory and the other files stay whole, and
 * the open ends. What is left of the mbox is the owner's affair. */
Test(mbox, forged_journals)
{
	static const uint64_t wrong[] = { 0, 1, 2, 17, 60, 107, 108, 200, 4096,
		INT64_MAX, UINT64_MAX };
	srand(4);
	for (int round = 0; round < 600; round++) {
		struct journal journal;
		struct maildrop_fault fault;
		put(A B C D);
		make_journal(&journal);
		struct journal_record record = { .number = 1,
			.step = rand() % 2 ? JOURNAL_MOVE : JOURNAL_CUT,
			.from = sizeof(A) - 1,
			.to = sizeof(A C) - 1,
			.logged = rand() % 2,
			.end = journal.shift.end };
		uint64_t *numbers[] = { &record.from, &record.to, &record.end,
			&record.log_sum, &record.number };
		for (int i = rand() % 3; i > 0; i--)
			*numbers[rand() % 5] = wrong[rand() % 11];
		put_record(&journal, record);
		char name[192];
		journal_path(name);
		if (rand() % 4 == 0)
			cr_assert_eq(truncate(name, rand() % 20000), 0);
		(void)open_fails(&fault);
		(void)unlink(name);
	}
}

Test(mbox, journals_that_are_none)
{
	char name[192], victim[192];
	journal_path(name);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	int fd = open(victim, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(fd, "whole", 5), 5);
	close(fd);
	for (int kind = 0; kind < 5; kind++) {
		put(A B);
		if (kind == 0)
			cr_assert_eq(symlink(victim, name), 0);
		else if (kind == 1)
			cr_assert_eq(link(victim, name), 0);
		else if (kind == 2)
			cr_assert_eq(mkfifo(name, 0600), 0);
		else if (kind == 3)
			cr_assert_eq(mkdir(name, 0700), 0);
		else
			close(open(name, O_WRONLY | O_CREAT, 0600));
		struct maildrop *drop = open_drop();
		cr_expect_eq(maildrop_count(drop), 2);
		maildrop_mark(drop, 0, true);
		int error = commit_error(drop);
		cr_expect_eq(error, kind == 3 ? EISDIR : 0, "%d: %d", kind, error);
		expect_file(kind == 3 ? A B : B);
		maildrop_close(drop);
		(void)rmdir(name);
		struct stat st;
		cr_expect(
			stat(victim, &st) == 0 && st.st_size == 5 && st.st_nlink == 1);
	}
}

/* The mbox is another one by now: the journal is kept, not applied. */
Test(mbox, journal_of_another_mbox)
{
	struct journal journal;
	char name[208];
	put(A B C D);
	make_journal(&journal);
	put_record(&journal, (struct journal_record){ .number = 1,
				     .step = JOURNAL_MOVE,
				     .from = sizeof(A) - 1,
				     .to = sizeof(A) - 1,
				     .end = journal.shift.end });
	put(B C D A NEW);
	struct maildrop *drop = open_drop();
	maildrop_close(drop);
	expect_file(B C D A NEW);
	journal_path(name);
	cr_expect_eq(access(name, F_OK), -1);
	snprintf(name + strlen(name), 8, ".kept");
	cr_expect_eq(access(name, F_OK), 0);
}

/* Without a state directory the journal stands beside the mbox; where neither can
 * be, nothing is deleted that needs one. */
static int delete_without_state(size_t i)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = path, .state = -1
	};
	struct maildrop_fault fault = { "" };
	struct maildrop_done done;
	struct maildrop *drop;
	if (maildrop_open(&drop, &place, &fault) < 0)
		return -1;
	maildrop_mark(drop, i, true);
	int error = maildrop_commit(drop, &done, &fault) == 0 ? 0 : errno;
	maildrop_close(drop);
	return error;
}

static int delete_first(void)
{
	return delete_without_state(0);
}

static int delete_last(void)
{
	return delete_without_state(1);
}

Test(mbox, no_state)
{
	put(A B);
	cr_expect_eq(delete_first(), 0);
	expect_file(B);
	put(A B);
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_eq(chmod(dir, 0555), 0);
	cr_expect_eq(as_nobody(delete_first), EACCES);
	expect_file(A B);
	cr_expect_eq(as_nobody(delete_last), 0);
	expect_file(A);
	cr_assert_eq(chmod(dir, 0711), 0);
	put(A B);
	cr_expect_eq(as_nobody(delete_first), ENOTSUP);
	expect_file(A B);
	cr_assert_eq(chmod(dir, 0755), 0);
}

/* --- locks --------------------------------------------------------------------------
 */

/* Another process that holds the record lock until it is told to let go. */
static pid_t holder(int *tell)
{
	int ready[2], go[2];
	char c;
	cr_assert_eq(pipe(ready), 0);
	cr_assert_eq(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR);
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
			_exit(1);
		close(go[1]);
		_exit(write(ready[1], "x", 1) == 1 && read(go[0], &c, 1) >= 0 ? 0 : 1);
	}
	close(go[0]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*tell = go[1];
	return pid;
}

static int lock_error(int ms)
{
	struct mbox_lock lock;
	int fd = open(path, O_RDWR);
	cr_assert_geq(fd, 0);
	int error = mbox_lock(&lock, fd, path, true, io_now() + ms) < 0 ? errno : 0;
	if (!error) {
		cr_expect_eq(access(dotlock, F_OK), 0, "the dotlock is there");
		mbox_unlock(&lock);
		cr_expect_eq(access(dotlock, F_OK), -1, "the dotlock is gone");
	}
	close(fd);
	return error;
}

Test(mbox, record_lock)
{
	int tell, status;
	put(A);
	cr_expect_eq(lock_error(0), 0);
	pid_t pid = holder(&tell);
	cr_expect_eq(lock_error(100), EAGAIN);
	cr_expect_eq(access(dotlock, F_OK), -1);
	close(tell); /* it lets go while we wait */
	cr_expect_eq(lock_error(20000), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

static void put_dotlock(const char *text, int age)
{
	int fd = open(dotlock, O_WRONLY | O_CREAT | O_EXCL, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct utimbuf times = { time(NULL) - age, time(NULL) - age };
	cr_assert_eq(utime(dotlock, &times), 0);
}

Test(mbox, dotlock)
{
	char host[65], text[128];
	put(A);
	put_dotlock("0\n", 0);
	cr_expect_eq(lock_error(100), EAGAIN);
	cr_expect_eq(access(dotlock, F_OK), 0, "it is not ours to remove");
	cr_assert_eq(unlink(dotlock), 0);
	put_dotlock("0\n", 200);
	cr_expect_eq(lock_error(0), EAGAIN);
	cr_assert_eq(unlink(dotlock), 0);
	put_dotlock("0\n", 400);
	cr_expect_eq(lock_error(0), 0, "stale by age");
	cr_assert_eq(gethostname(host, sizeof(host)), 0);
	snprintf(text, sizeof(text), "1\npostern-session %s\n", host);
	put_dotlock(text, 0);
	cr_expect_eq(lock_error(0), 0, "a dead session's");
	put_dotlock("1\npostern-session elsewhere.invalid\n", 0);
	cr_expect_eq(lock_error(0), EAGAIN);
}

static int lock_without_dot(void)
{
	struct mbox_lock lock;
	int fd = open(path, O_RDWR);
	if (fd < 0 || mbox_lock(&lock, fd, path, true, io_now()) < 0)
		return 1;
	if (lock.dotted)
		return 2;
	mbox_unlock(&lock);
	return 0;
}

Test(mbox, dotlock_where_the_directory_is_not_ours)
{
	put(A B);
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_eq(chmod(dir, 0555), 0);
	cr_expect_eq(as_nobody(lock_without_dot), 0);
	cr_assert_eq(chmod(dir, 0755), 0);
}
