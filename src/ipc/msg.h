/*
 * msg: the fields of a message (include/postern/abi.h). Writing appends to a
 * buf; reading consumes a span and is sticky: read every field, then ask
 * msg_done() once, before anything is believed.
 */
#ifndef POSTERN_IPC_MSG_H
#define POSTERN_IPC_MSG_H

#include "base/buf.h"
#include "postern/abi.h"

void msg_begin(struct buf *message, enum message_type type);
void msg_put_u8(struct buf *message, uint8_t value);
void msg_put_u16(struct buf *message, uint16_t value);
void msg_put_u32(struct buf *message, uint32_t value);
void msg_put_u64(struct buf *message, uint64_t value);
/* At most max octets (else the buf fails). */
void msg_put_octets(struct buf *message, struct span octets, size_t max);

struct msg_in {
	struct span rest;
	bool bad;
};

/* The type of a message with our ABI number, or 0. */
enum message_type msg_type(struct span message);

/* Bad from the start unless the message is of this ABI and type. */
struct msg_in msg_open(struct span message, enum message_type type);

/* A value above max makes the message bad; 0 is then returned. */
uint8_t msg_get_u8(struct msg_in *in, uint8_t max);
bool msg_get_bool(struct msg_in *in);
uint16_t msg_get_u16(struct msg_in *in);
uint32_t msg_get_u32(struct msg_in *in, uint32_t max);
uint64_t msg_get_u64(struct msg_in *in);
/* min to max octets, borrowed. */
struct span msg_get_octets(struct msg_in *in, size_t min, size_t max);
/* n octets into to[n], which is left alone when there are not as many. */
void msg_get_exactly(struct msg_in *in, unsigned char *to, size_t n);
/* As octets, without a NUL in them, into text[max + 1] with a NUL behind. */
void msg_get_text(struct msg_in *in, size_t min, size_t max, char *text);

/* 0 when every field was good and nothing is left over, else -1 and EBADMSG. */
int msg_done(const struct msg_in *in);

#endif
