/*
 * msg: the fields of a message. Trusts nothing about its input: a length that
 * points past the end, a value out of range or an octet left over all end in
 * msg_done() < 0.
 */
#include "ipc/msg.h"

#include <errno.h>

static void put_integer(struct buf *message, uint64_t value, int octets)
{
	for (int i = 0; i < octets; i++)
		buf_putc(message, (unsigned char)(value >> 8 * i));
}

void msg_begin(struct buf *message, enum message_type type)
{
	msg_put_u8(message, POSTERN_ABI);
	msg_put_u8(message, (uint8_t)type);
}

void msg_put_u8(struct buf *message, uint8_t value)
{
	put_integer(message, value, 1);
}

void msg_put_u16(struct buf *message, uint16_t value)
{
	put_integer(message, value, 2);
}

void msg_put_u32(struct buf *message, uint32_t value)
{
	put_integer(message, value, 4);
}

void msg_put_u64(struct buf *message, uint64_t value)
{
	put_integer(message, value, 8);
}

void msg_put_octets(struct buf *message, struct span octets, size_t max)
{
	if (octets.n > max || octets.n > UINT16_MAX) {
		message->failed = true;
		return;
	}
	msg_put_u16(message, (uint16_t)octets.n);
	buf_put_span(message, octets);
}

static struct span take(struct msg_in *in, size_t n)
{
	if (in->bad || in->rest.n < n) {
		in->bad = true;
		return span_of(NULL, 0);
	}
	struct span taken = span_head(in->rest, n);
	in->rest = span_tail(in->rest, n);
	return taken;
}

static uint64_t get_integer(struct msg_in *in, size_t octets)
{
	uint64_t value = 0;
	struct span s = take(in, octets);
	for (size_t i = 0; i < s.n; i++)
		value |= (uint64_t)s.p[i] << 8 * i;
	return value;
}

static uint64_t bounded(struct msg_in *in, uint64_t value, uint64_t max)
{
	if (value > max)
		in->bad = true;
	return in->bad ? 0 : value;
}

enum message_type msg_type(struct span message)
{
	if (message.n < 2 || message.n > MESSAGE_MAX || message.p[0] != POSTERN_ABI)
		return 0;
	return (enum message_type)message.p[1];
}

struct msg_in msg_open(struct span message, enum message_type type)
{
	return (struct msg_in){
		.rest = span_tail(message, 2),
		.bad = msg_type(message) != type,
	};
}

uint8_t msg_get_u8(struct msg_in *in, uint8_t max)
{
	return (uint8_t)bounded(in, get_integer(in, 1), max);
}

bool msg_get_bool(struct msg_in *in)
{
	return msg_get_u8(in, 1) == 1;
}

uint16_t msg_get_u16(struct msg_in *in)
{
	return (uint16_t)get_integer(in, 2);
}

uint32_t msg_get_u32(struct msg_in *in, uint32_t max)
{
	return (uint32_t)bounded(in, get_integer(in, 4), max);
}

uint64_t msg_get_u64(struct msg_in *in)
{
	return get_integer(in, 8);
}

struct span msg_get_octets(struct msg_in *in, size_t min, size_t max)
{
	size_t n = msg_get_u16(in);
	if (n < min || n > max)
		in->bad = true;
	return take(in, n);
}

void msg_get_exactly(struct msg_in *in, unsigned char *to, size_t n)
{
	struct span octets = msg_get_octets(in, n, n);
	if (octets.p && octets.n == n)
		memcpy(to, octets.p, n);
}

void msg_get_text(struct msg_in *in, size_t min, size_t max, char *text)
{
	if (span_to_text(msg_get_octets(in, min, max), text, max + 1) < 0)
		in->bad = true;
}

int msg_done(const struct msg_in *in)
{
	if (!in->bad && in->rest.n == 0)
		return 0;
	errno = EBADMSG;
	return -1;
}
