/*
 * keeper: encoders and decoders of the messages to and from the keeper. The
 * decoder of SIGN runs beside the private key, on the word of a gate.
 */
#include "postern/keeper.h"

#include "ipc/msg.h"

void keeper_setup_encode(struct buf *message, const struct keeper_setup *setup)
{
	msg_begin(message, MESSAGE_KEEPER_SETUP);
	msg_put_u32(message, setup->workers);
	msg_put_octets(message, span_str(setup->certificate_path), SETUP_PATH_MAX);
	msg_put_octets(message, span_str(setup->key_path), SETUP_PATH_MAX);
}

int keeper_setup_decode(struct span message, struct keeper_setup *setup)
{
	struct msg_in in = msg_open(message, MESSAGE_KEEPER_SETUP);
	setup->workers = msg_get_u32(&in, KEEPER_WORKERS_MAX);
	msg_get_text(&in, 0, SETUP_PATH_MAX, setup->certificate_path);
	msg_get_text(&in, 0, SETUP_PATH_MAX, setup->key_path);
	if (setup->workers == 0)
		in.bad = true;
	return msg_done(&in);
}

void keeper_sign_encode(struct buf *message, const struct keeper_sign *sign)
{
	msg_begin(message, MESSAGE_SIGN);
	msg_put_u16(message, (uint16_t)sign->scheme);
	msg_put_octets(message, sign->octets, KEEPER_SIGNED_MAX);
	if (sign->octets.n == 0)
		message->failed = true;
}

int keeper_sign_decode(struct span message, struct keeper_sign *sign)
{
	struct msg_in in = msg_open(message, MESSAGE_SIGN);
	sign->scheme = (enum keeper_scheme)msg_get_u16(&in);
	sign->octets = msg_get_octets(&in, 1, KEEPER_SIGNED_MAX);
	return msg_done(&in);
}

void keeper_signature_encode(struct buf *message, struct span signature)
{
	msg_begin(message, MESSAGE_SIGNATURE);
	msg_put_octets(message, signature, KEEPER_SIGNATURE_MAX);
	if (signature.n == 0)
		message->failed = true;
}

int keeper_signature_decode(struct span message, struct span *signature)
{
	struct msg_in in = msg_open(message, MESSAGE_SIGNATURE);
	*signature = msg_get_octets(&in, 1, KEEPER_SIGNATURE_MAX);
	return msg_done(&in);
}

void keeper_channel_encode(struct buf *message, uint64_t connection)
{
	msg_begin(message, MESSAGE_CHANNEL);
	msg_put_u64(message, connection);
}

int keeper_channel_decode(struct span message, uint64_t *connection)
{
	struct msg_in in = msg_open(message, MESSAGE_CHANNEL);
	*connection = msg_get_u64(&in);
	if (*connection == 0)
		in.bad = true;
	return msg_done(&in);
}
