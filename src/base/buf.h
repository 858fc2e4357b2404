/*
 * buf: owned bytes with a hard maximum and a sticky error. Append as often as
 * you like and ask buf_ok() once: after the first append that did not fit (or
 * found no memory) the buffer takes nothing more and stays failed until
 * buf_reset(). Consumed from the front, never indexed from outside.
 */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include "base/span.h"

#include <stdint.h>

struct buf {
	unsigned char *data; /* size octets, of which [head, tail) are held */
	size_t head, tail;
	size_t size;
	size_t max; /* size may grow to this */
	bool fixed; /* data is the caller's and does not grow */
	bool failed;
};

/* An empty heap buffer that may grow to max octets. buf_free() releases it. */
void buf_init(struct buf *b, size_t max);

/* An empty buffer in the caller's storage; nothing to free. */
void buf_fixed(struct buf *b, void *storage, size_t size);

void buf_free(struct buf *b);

/* Empties the buffer and forgives a failure; keeps the memory. */
void buf_reset(struct buf *b);

/* Overwrites the whole storage with zeros, then as buf_reset(). */
void buf_wipe(struct buf *b);

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

static inline size_t buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

/* What is held, borrowed until the next call that changes the buffer. */
static inline struct span buf_span(const struct buf *b)
{
	/* NULL + 0 is undefined in C17. */
	return b->data ? span_of(b->data + b->head, b->tail - b->head) : span_of("", 0);
}

void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_span(struct buf *b, struct span s);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, unsigned char c);
void buf_put_decimal(struct buf *b, uint64_t number);
void buf_printf(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Room for at least n further octets behind what is held; NULL (and the
 * buffer failed) when that would pass the maximum. Fill and buf_commit().
 */
unsigned char *buf_reserve(struct buf *b, size_t n);

/* Takes over n octets that were written to what buf_reserve() returned. */
void buf_commit(struct buf *b, size_t n);

/* Octets that buf_reserve() could still give. */
size_t buf_room(const struct buf *b);

/* Drops n octets (at most what is held) from the front. */
void buf_consume(struct buf *b, size_t n);

#endif
