/*
 * mbox_scan: one pass over an mbox in blocks of 256 KB: boundaries, wire octets
 * and the hash for the unique-id together, in memory that does not depend on what
 * is read. Runs as the owner, who also owns the file and every octet in it.
 *
 * A message begins at a "From " line that is the file's first or stands behind an
 * empty line (LF or CRLF), and ends before the empty line that precedes the next
 * one. Quoting (">From ", mboxo and mboxrd alike) is left as it is stored. Lines are
 * not unquoted and nothing in the header is believed, with one exception: a
 * Content-Length may say that a "From " line *without a date* is text (mbox_length.c
 * says when it is believed, and why it can't be abused). One without a date is text,
 * too, in a message that has no MESSAGE_LEAST octets yet: no mail is that short, and a
 * file of nothing but such lines would cost ten octets of memory for each of its own.
 *
 * Fails with -1 and errno. A file that shrinks while it is read is EAGAIN.
 */
#include "maildrop/mbox_scan.h"

#include "base/io.h"
#include "base/num.h"
#include "maildrop/mbox.h"
#include "maildrop/mbox_internal.h"
#include "maildrop/octets.h"

#include <errno.h>

enum {
	BEHIND = 16, /* octets before the cursor that stay visible */
	AHEAD = 512, /* octets from the cursor on that a look at a line may need */
	MESSAGE_LEAST = 32,
};

struct scan {
	int fd;
	uint64_t end;
	enum mbox_form form;
	unsigned char *data; /* [0, have) is the file from base on */
	size_t have, pos;
	uint64_t base;
	/* Within a message: how far its octets went into what it is hashed to and
	 * counted as. Never beyond what may still turn out to be its end. */
	bool inside, body, skipping;
	size_t counted, hashed;
	struct octets octets;
	struct mbox_id id;
	uint64_t claim; /* where Content-Length says that it ends; 0: nowhere */
	bool claims;	/* there was one already */
	struct mbox_ahead ahead;
	struct mbox_internal internal;
	bool first;			    /* of the file: it may be internal */
	unsigned char head[MBOX_HEAD_SEEN]; /* the message's beginning */
	size_t head_n;
	struct mbox_found found;
};

_Static_assert((int)AHEAD >= (int)MBOX_HEAD_SEEN, "the beginning is visible");

/* Takes the message's octets before index to into account. */
static void account(struct scan *s, size_t to)
{
	if (!s->inside)
		return;
	if (to > s->counted) {
		octets_add(&s->octets, span_of(s->data + s->counted, to - s->counted));
		s->counted = to;
	}
	if (to > s->hashed) {
		struct span span = span_of(s->data + s->hashed, to - s->hashed);
		if (s->body)
			mbox_id_body(&s->id, span);
		else if (!s->skipping)
			mbox_id_header(&s->id, span);
		s->hashed = to;
	}
}

/* Lets go of what is behind the cursor. hashed may be ahead of it by an empty line. */
static void slide(struct scan *s)
{
	size_t drop = s->pos > BEHIND ? s->pos - BEHIND : 0;
	account(s, drop);
	memmove(s->data, s->data + drop, s->have - drop);
	s->base += drop;
	s->have -= drop;
	s->pos -= drop;
	if (s->inside) {
		s->counted -= drop;
		s->hashed -= drop;
	}
}

/* Makes more octets visible: 1; 0 at the end; -1. */
static int more(struct scan *s)
{
	slide(s);
	uint64_t left = s->end - s->base - s->have;
	size_t room = MBOX_BLOCK - s->have;
	size_t want = left < room ? (size_t)left : room;
	if (want == 0)
		return 0;
	ssize_t n = io_pread_full(
		s->fd, s->data + s->have, want, (off_t)(s->base + s->have));
	if (n < 0)
		return -1;
	if ((size_t)n < want) {
		errno = EAGAIN;
		return -1;
	}
	s->have += want;
	return 1;
}

/* Are AHEAD octets visible, or all there are? 0, or -1. */
static int look(struct scan *s)
{
	if (s->have - s->pos >= AHEAD)
		return 0;
	return more(s) < 0 ? -1 : 0;
}

static struct span rest(const struct scan *s)
{
	return span_of(s->data + s->pos, s->have - s->pos);
}

/* Octets of the empty line that s begins with; 0: it does not. */
static size_t empty_line(struct span s)
{
	if (s.n >= 1 && s.p[0] == '\n')
		return 1;
	return s.n >= 2 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 0;
}

/* Moves the cursor behind the next LF, or to the end. 0, or -1. */
static int skip_line(struct scan *s)
{
	for (;;) {
		struct span span = rest(s);
		size_t lf = span_find(span, '\n');
		if (lf < span.n) {
			s->pos += lf + 1;
			return 0;
		}
		s->pos = s->have;
		int got = more(s);
		if (got <= 0)
			return got;
	}
}

static int read_from_line(struct scan *s)
{
	if (look(s) < 0)
		return -1;
	struct span head = span_head(rest(s), MBOX_HEAD_SEEN);
	s->found = (struct mbox_found){ .from = s->base + s->pos };
	memcpy(s->head, head.p, head.n);
	s->head_n = head.n;
	s->internal = (struct mbox_internal){ 0 };
	if (s->first)
		mbox_internal_begin(&s->internal, head);
	s->first = false;
	if (skip_line(s) < 0)
		return -1;
	s->found.at = s->base + s->pos;
	s->inside = true;
	s->body = s->skipping = s->claims = false;
	s->counted = s->hashed = s->pos;
	s->octets = (struct octets){ 0 };
	s->claim = 0;
	mbox_id_begin(&s->id, s->form);
	return 0;
}

/* A header line's value, when it is Content-Length, for later; two are no claim. */
static void note_length(struct scan *s, struct span line, uint64_t *length)
{
	static const char name[] = "content-length:";
	enum { NAME = sizeof(name) - 1 };

	if (!span_is_nocase(span_head(line, NAME), name))
		return;
	struct span value = span_tail(line, NAME);
	while (value.n && (value.p[0] == ' ' || value.p[0] == '\t'))
		value = span_tail(value, 1);
	value = span_head(value, span_find(value, '\n'));
	while (value.n && memchr(" \t\r", value.p[value.n - 1], 3))
		value.n--;
	uint64_t number;
	if (s->claims || num_parse(value, s->end, &number) < 0)
		number = UINT64_MAX;
	s->claims = true;
	*length = number;
}

static void begin_line(struct scan *s, struct span line, uint64_t *length)
{
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return; /* continues the one before */
	mbox_internal_line(&s->internal, line);
	bool skip = mbox_id_is_status(line, s->form);
	if (skip != s->skipping) {
		account(s, s->pos);
		s->skipping = skip;
	}
	if (skip)
		note_length(s, line, length);
}

static void begin_body(struct scan *s, size_t empty, uint64_t length)
{
	account(s, s->pos);
	s->pos += empty;
	s->hashed = s->pos; /* the empty line is no part of what is hashed */
	s->body = true;
	uint64_t here = s->base + s->pos;
	if (s->claims && length <= s->end - here)
		s->claim = here + length;
}

/* 1: the body follows; 0: the file ended; -1. */
static int read_header(struct scan *s)
{
	uint64_t length = UINT64_MAX;
	for (;;) {
		if (look(s) < 0)
			return -1;
		struct span line = rest(s);
		if (line.n == 0)
			return 0;
		size_t empty = empty_line(line);
		if (empty) {
			begin_body(s, empty, length);
			return 1;
		}
		begin_line(s, line, &length);
		if (skip_line(s) < 0)
			return -1;
	}
}

/* Index of the empty line that ends with the LF at index lf, or lf + 1. */
static size_t empty_before(const struct scan *s, size_t lf)
{
	if (s->data[lf - 1] == '\n')
		return lf;
	if (s->data[lf - 1] == '\r' && s->data[lf - 2] == '\n')
		return lf - 1;
	return lf + 1;
}

/* Is the "From " line at the cursor text? 1, 0, -1. */
static int spared(struct scan *s)
{
	uint64_t here = s->base + s->pos;
	bool early = here - s->found.from < MESSAGE_LEAST;
	if (here >= s->claim && !early)
		return 0;
	if (look(s) < 0)
		return -1;
	struct span line = rest(s);
	if (mbox_from_is_dated(span_head(line, span_find(line, '\n'))))
		return 0;
	if (early)
		return 1;
	int holds = mbox_length_holds(s->fd, &s->ahead, here, s->claim, s->end);
	if (holds == 0)
		s->claim = 0;
	return holds;
}

static int end_message(struct scan *s, size_t end,
	int (*found)(void *, const struct mbox_found *), void *self)
{
	account(s, end);
	s->inside = false;
	s->found.stored = s->base + end - s->found.at;
	s->found.size = octets_total(&s->octets);
	s->found.internal = mbox_internal_is(&s->internal);
	uint64_t all = s->found.at + s->found.stored - s->found.from;
	s->found.sum = mbox_sum_of(
		span_of(s->head, all < s->head_n ? (size_t)all : s->head_n));
	mbox_id_end(&s->id, s->found.id);
	return found(self, &s->found);
}

/*
 * Moves the cursor to the message's end: that of the empty line before the next
 * "From " line, or of the file. Returns the octets of the empty line before
 * the cursor (0 to 2), or -1.
 */
static int find_end(struct scan *s)
{
	size_t empty = 0;
	for (;;) {
		/* The LF before the cursor may be the one. */
		struct span span = span_of(s->data + s->pos - 1, s->have - s->pos + 1);
		size_t lf = mbox_find_from(span);
		if (lf == span.n) {
			/* A "\nFrom " that is cut here begins in the last 5 octets. */
			if (span.n > 6)
				s->pos = s->have - 5;
			int got = more(s);
			if (got > 0)
				continue;
			s->pos = s->have;
			if (got == 0 && s->data[s->have - 1] == '\n')
				empty = s->have - empty_before(s, s->have - 1);
			return got < 0 ? -1 : (int)empty;
		}
		s->pos += lf; /* behind the LF */
		empty = s->pos - empty_before(s, s->pos - 1);
		int text = empty ? spared(s) : 1;
		if (text <= 0)
			return text < 0 ? -1 : (int)empty;
		empty = 0;
		s->pos++;
	}
}

static int read_message(
	struct scan *s, int (*found)(void *, const struct mbox_found *), void *self)
{
	if (read_from_line(s) < 0)
		return -1;
	int body = read_header(s);
	if (body < 0)
		return -1;
	int empty = body ? find_end(s) : 0;
	if (empty < 0)
		return -1;
	return end_message(s, s->pos - (size_t)empty, found, self);
}

/* Empty lines before the first message are nobody's. */
static int skip_empty_lines(struct scan *s)
{
	for (;;) {
		if (look(s) < 0)
			return -1;
		size_t empty = empty_line(rest(s));
		if (empty == 0)
			return 0;
		s->pos += empty;
	}
}

static int scan_all(
	struct scan *s, int (*found)(void *, const struct mbox_found *), void *self)
{
	if (skip_empty_lines(s) < 0)
		return -1;
	if (s->pos < s->have && !span_is(span_head(rest(s), 5), "From ")) {
		errno = EINVAL;
		return -1;
	}
	while (s->base + s->pos < s->end)
		if (read_message(s, found, self) < 0)
			return -1;
	return 0;
}

int mbox_scan(const struct mbox_extent *extent,
	int (*found)(void *self, const struct mbox_found *found), void *self)
{
	struct scan s = { .fd = extent->fd,
		.base = extent->start,
		.end = extent->end,
		.form = extent->form,
		.first = extent->start == 0 };

	s.data = malloc(MBOX_BLOCK);
	if (!s.data)
		return -1;
	int result = scan_all(&s, found, self);
	int error = errno;
	free(s.data);
	errno = error;
	return result;
}
