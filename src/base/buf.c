/*
 * buf: owned bytes with a hard maximum and a sticky error. Grows by doubling,
 * moves what is held to the front before it grows. No peer can make it pass
 * the maximum that its owner gave it.
 */
#include "base/buf.h"

#include "base/num.h"

#include <stdarg.h>

enum { BUF_FIRST_SIZE = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fixed(struct buf *b, void *storage, size_t size)
{
	*b = (struct buf){ .data = storage, .size = size, .max = size, .fixed = true };
}

void buf_free(struct buf *b)
{
	if (!b->fixed)
		free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->head = b->tail = 0;
	b->failed = false;
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->size);
	buf_reset(b);
}

static void to_front(struct buf *b)
{
	size_t held = b->tail - b->head;
	if (b->data && b->head && held)
		memmove(b->data, b->data + b->head, held);
	b->head = 0;
	b->tail = held;
}

static int grow(struct buf *b, size_t need)
{
	size_t size = b->size ? b->size : BUF_FIRST_SIZE;
	while (size < need)
		size = size > b->max / 2 ? b->max : size * 2;
	if (size > b->max)
		size = b->max;
	unsigned char *data = realloc(b->data, size);
	if (!data)
		return -1;
	b->data = data;
	b->size = size;
	return 0;
}

unsigned char *buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (b->data && n <= b->size - b->tail)
		return b->data + b->tail;
	to_front(b);
	if (n > b->max - b->tail) {
		b->failed = true;
		return NULL;
	}
	if ((!b->data || n > b->size - b->tail) &&
		(b->fixed || grow(b, b->tail + n) < 0)) {
		b->failed = true;
		return NULL;
	}
	return b->data + b->tail;
}

void buf_commit(struct buf *b, size_t n)
{
	b->tail += n;
}

size_t buf_room(const struct buf *b)
{
	return b->failed ? 0 : b->max - (b->tail - b->head);
}

void buf_consume(struct buf *b, size_t n)
{
	size_t held = b->tail - b->head;
	b->head += n < held ? n : held;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	unsigned char *to = buf_reserve(b, n);
	if (!to || !n)
		return;
	memcpy(to, p, n);
	buf_commit(b, n);
}

void buf_put_span(struct buf *b, struct span s)
{
	buf_put(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, unsigned char c)
{
	buf_put(b, &c, 1);
}

void buf_put_decimal(struct buf *b, uint64_t number)
{
	char digits[NUM_DECIMAL_MAX];
	buf_put(b, digits, num_format(number, digits));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int need = vsnprintf(NULL, 0, format, args);
	va_end(args);
	unsigned char *to = need < 0 ? NULL : buf_reserve(b, (size_t)need + 1);
	if (!to) {
		b->failed = true;
		return;
	}
	va_start(args, format);
	vsnprintf((char *)to, (size_t)need + 1, format, args);
	va_end(args);
	buf_commit(b, (size_t)need);
}
