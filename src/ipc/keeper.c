/*
 * keeper: encoders and decoders of the messages to and from the keeper. The
 * decoders of SIGN and OPEN run beside the private key, on the word of a gate.
 */
#include "postern/keeper.h"

#include "ipc/msg.h"

void keeper_setup_encode(struct buf *message, const struct keeper_setup *setup)
{
	msg_begin(message, MESSAGE_KEEPER_SETUP);
	msg_put_u32(message, setup->workers);
	msg_put_octets(message, span_str(setup->certificate_path), SETUP_PATH_MAX);
	msg_put_octets(message, span_str(setup->key_path), SETUP_PATH_MAX);
	msg_put_octets(message, span_of(setup->witness_key, WITNESS_KEY), WITNESS_KEY);
}

int keeper_setup_decode(struct span message, struct keeper_setup *setup)
{
	struct msg_in in = msg_open(message, MESSAGE_KEEPER_SETUP);
	setup->workers = msg_get_u32(&in, KEEPER_WORKERS_MAX);
	msg_get_text(&in, 0, SETUP_PATH_MAX, setup->certificate_path);
	msg_get_text(&in, 0, SETUP_PATH_MAX, setup->key_path);
	msg_get_exactly(&in, setup->witness_key, WITNESS_KEY);
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

static void put_ticket(struct buf *message, const struct keeper_ticket *ticket)
{
	msg_put_octets(message, span_of(ticket->name, sizeof(ticket->name)),
		KEEPER_TICKET_NAME);
	msg_put_octets(
		message, span_of(ticket->key, sizeof(ticket->key)), KEEPER_TICKET_KEY);
}

static void get_ticket(struct msg_in *in, struct keeper_ticket *ticket)
{
	msg_get_exactly(in, ticket->name, sizeof(ticket->name));
	msg_get_exactly(in, ticket->key, sizeof(ticket->key));
}

void keeper_signature_encode(
	struct buf *message, const struct keeper_signature *signature)
{
	msg_begin(message, MESSAGE_SIGNATURE);
	msg_put_octets(message, signature->signature, KEEPER_SIGNATURE_MAX);
	put_ticket(message, &signature->fresh);
	msg_put_octets(message, span_of(signature->witness, WITNESS), WITNESS);
	if (signature->signature.n == 0)
		message->failed = true;
}

int keeper_signature_decode(struct span message, struct keeper_signature *signature)
{
	struct msg_in in = msg_open(message, MESSAGE_SIGNATURE);
	signature->signature = msg_get_octets(&in, 1, KEEPER_SIGNATURE_MAX);
	get_ticket(&in, &signature->fresh);
	msg_get_exactly(&in, signature->witness, WITNESS);
	return msg_done(&in);
}

void keeper_open_encode(
	struct buf *message, const unsigned char name[KEEPER_TICKET_NAME])
{
	msg_begin(message, MESSAGE_OPEN);
	msg_put_octets(message, span_of(name, KEEPER_TICKET_NAME), KEEPER_TICKET_NAME);
}

int keeper_open_decode(struct span message, unsigned char name[KEEPER_TICKET_NAME])
{
	struct msg_in in = msg_open(message, MESSAGE_OPEN);
	msg_get_exactly(&in, name, KEEPER_TICKET_NAME);
	return msg_done(&in);
}

void keeper_opened_encode(struct buf *message, const struct keeper_opened *opened)
{
	msg_begin(message, MESSAGE_OPENED);
	msg_put_u8(message, opened->known);
	if (opened->known) {
		put_ticket(message, &opened->shown);
		put_ticket(message, &opened->fresh);
	}
}

int keeper_opened_decode(struct span message, struct keeper_opened *opened)
{
	struct msg_in in = msg_open(message, MESSAGE_OPENED);
	*opened = (struct keeper_opened){ .known = msg_get_bool(&in) };
	if (opened->known) {
		get_ticket(&in, &opened->shown);
		get_ticket(&in, &opened->fresh);
	}
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
