/*
 * mbox_length: when a Content-Length is believed. mboxcl2 (Solaris, mutt) leaves
 * "From " lines in bodies unquoted and says with Content-Length where the message ends;
 * but most Content-Length fields come from the net, and a wrong one that is
 * believed makes two messages one: delete the first and both are lost.
 *
 * So a "From " line that carries a date, as every delivery agent writes it, is a
 * boundary whatever any field says: no sender can swallow the message behind
 * his. A Content-Length only decides about undated ones ("From here on ..."), and only
 * if it ends exactly before an empty line and a "From " line, or at the end of the
 * file, and no dated one lies in between. All of that is decided within the
 * octets of one delivery: what is appended later changes no earlier decision.
 *
 * Looking ahead costs one more reading of the file at most: what was found is kept.
 */
#include "maildrop/mbox_scan.h"

#include "base/io.h"
#include "maildrop/mbox.h"

#include <errno.h>

typedef unsigned char lanes __attribute__((vector_size(16)));

enum { GROUP = 8 }; /* vectors looked at before one question is asked */

/* May any of p[0..128) be the LF of "\nFrom "? p[131] must be readable. */
static bool group_has(const unsigned char *p)
{
	lanes any = { 0 };
	for (size_t i = 0; i < GROUP; i++, p += sizeof(lanes)) {
		lanes here, next, fourth;
		memcpy(&here, p, sizeof(here));
		memcpy(&next, p + 1, sizeof(next));
		memcpy(&fourth, p + 4, sizeof(fourth));
		any |= (lanes)((here == '\n') & (next == 'F') & (fourth == 'm'));
	}
	uint64_t halves[2];
	memcpy(halves, &any, sizeof(halves));
	return halves[0] | halves[1];
}

static size_t find_slowly(struct span s, size_t i, size_t end)
{
	for (; i < end; i++) {
		if (s.p[i] == '\n' && s.n - i >= 6 &&
			memcmp(s.p + i + 1, "From ", 5) == 0)
			return i;
	}
	return s.n;
}

size_t mbox_find_from(struct span s)
{
	const size_t step = GROUP * sizeof(lanes);
	size_t i = 0;
	for (; s.n - i > step + 4; i += step) {
		if (!group_has(s.p + i))
			continue;
		size_t at = find_slowly(s, i, i + step);
		if (at < s.n)
			return at;
	}
	return find_slowly(s, i, s.n);
}

static bool is_one_of(struct span s, const char *names)
{
	for (; *names; names += 3)
		if (s.n >= 3 && memcmp(s.p, names, 3) == 0)
			return true;
	return false;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* "Thu Jan  1 00:" (the day's first digit may be a blank)? */
static bool is_date(struct span s)
{
	return s.n >= 14 && is_one_of(s, "MonTueWedThuFriSatSun") && s.p[3] == ' ' &&
	       is_one_of(span_tail(s, 4), "JanFebMarAprMayJunJulAugSepOctNovDec") &&
	       s.p[7] == ' ' && (s.p[8] == ' ' || is_digit(s.p[8])) &&
	       (is_digit(s.p[9]) || s.p[9] == ' ');
}

bool mbox_from_is_dated(struct span line)
{
	for (size_t i = 5; i + 14 <= line.n; i++)
		if (line.p[i - 1] == ' ' && is_date(span_tail(line, i)))
			return true;
	return false;
}

enum { LINE_MAX_SEEN = 512, LOOK = 64 * 1024 };

/* Looks at the lines that begin in block[0..n) of the file's octets from at on; extra
 * further octets are visible. */
static bool block_is_clear(
	struct mbox_ahead *ahead, uint64_t at, struct span block, size_t n)
{
	for (struct span rest = block;;) {
		size_t lf = mbox_find_from(rest);
		size_t begin = block.n - rest.n + lf + 1;
		if (lf == rest.n || begin >= n)
			return true;
		struct span line = span_head(span_tail(block, begin), LINE_MAX_SEEN);
		if (mbox_from_is_dated(span_head(line, span_find(line, '\n')))) {
			ahead->clear_to = at + begin;
			ahead->dated = true;
			return false;
		}
		rest = span_tail(block, begin);
	}
}

/* Moves ahead->clear_to on, to limit or to the first dated line. 0, or -1. */
static int look_ahead(int fd, struct mbox_ahead *ahead, uint64_t limit)
{
	unsigned char *data = malloc(LOOK + LINE_MAX_SEEN);
	if (!data)
		return -1;
	int result = 0;
	while (!ahead->dated && ahead->clear_to < limit) {
		/* One octet earlier: the LF before a line. */
		uint64_t at = ahead->clear_to ? ahead->clear_to - 1 : 0;
		ssize_t n = io_pread_full(fd, data, LOOK + LINE_MAX_SEEN, (off_t)at);
		if (n <= 0) {
			errno = n < 0 ? errno : EAGAIN;
			result = -1;
			break;
		}
		size_t fresh = (size_t)n < LOOK ? (size_t)n : LOOK;
		if (block_is_clear(ahead, at, span_of(data, (size_t)n), fresh))
			ahead->clear_to = at + fresh + ((size_t)n < LOOK);
	}
	int error = errno;
	free(data);
	errno = error;
	return result;
}

/* 1: none in [from, to); 0: one; -1. */
static int clear_of_dated(int fd, struct mbox_ahead *ahead, uint64_t from, uint64_t to)
{
	if (from < ahead->clear_from || from > ahead->clear_to)
		*ahead = (struct mbox_ahead){ .clear_from = from, .clear_to = from };
	if (look_ahead(fd, ahead, to) < 0)
		return -1;
	return ahead->clear_to >= to;
}

/* Does a boundary stand at p + 3: an empty line behind a LF, and "From " or the end
 * behind that? The empty line may also be the claim's last. */
static bool is_boundary(const unsigned char *p, size_t n)
{
	struct span s = span_of(p, n);
	size_t at = 3;
	if (s.n <= at && s.p[s.n - 1] == '\n')
		return true;
	bool empty = s.p[2] == '\n' &&
		     (s.p[1] == '\n' || (s.p[1] == '\r' && s.p[0] == '\n'));
	if (!empty && s.p[2] == '\n') {
		at += at < s.n && s.p[at] == '\r';
		empty = at < s.n && s.p[at] == '\n';
		at++;
	}
	return empty && (at >= s.n || span_is(span_head(span_tail(s, at), 5), "From "));
}

int mbox_length_holds(
	int fd, struct mbox_ahead *ahead, uint64_t from, uint64_t claim, uint64_t end)
{
	unsigned char p[3 + 7];
	uint64_t left = end - claim + 3;
	size_t want = left < sizeof(p) ? (size_t)left : sizeof(p);
	ssize_t n = io_pread_full(fd, p, want, (off_t)(claim - 3));

	if (n < 0)
		return -1;
	if ((size_t)n < want || !is_boundary(p, want))
		return 0;
	return clear_of_dated(fd, ahead, from, claim);
}
