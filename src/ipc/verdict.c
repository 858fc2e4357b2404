/*
 * verdict: encoders and decoders of MESSAGE_VERDICT and MESSAGE_BATON.
 */
#include "postern/verdict.h"

#include "ipc/msg.h"

void verdict_encode(struct buf *message, const struct verdict *verdict)
{
	msg_begin(message, MESSAGE_VERDICT);
	msg_put_u8(message, (uint8_t)verdict->kind);
	if (verdict->kind == VERDICT_READY) {
		msg_put_u64(message, verdict->messages);
		msg_put_u64(message, verdict->octets);
	} else if (verdict->kind == VERDICT_IN_USE) {
		msg_put_u64(message, verdict->held_seconds);
	} else if (verdict->kind == VERDICT_MORE) {
		msg_put_octets(message, verdict->text, VERDICT_TEXT_MAX);
		msg_put_octets(message, verdict->state, LOGIN_STATE_MAX);
		if (verdict->state.n == 0)
			message->failed = true;
	}
}

int verdict_decode(struct span message, struct verdict *verdict)
{
	struct msg_in in = msg_open(message, MESSAGE_VERDICT);
	*verdict = (struct verdict){ 0 };
	verdict->kind = (enum verdict_kind)msg_get_u8(&in, VERDICT_MORE);
	if (verdict->kind == 0)
		in.bad = true;
	if (verdict->kind == VERDICT_READY) {
		verdict->messages = msg_get_u64(&in);
		verdict->octets = msg_get_u64(&in);
	} else if (verdict->kind == VERDICT_IN_USE) {
		verdict->held_seconds = msg_get_u64(&in);
	} else if (verdict->kind == VERDICT_MORE) {
		verdict->text = msg_get_octets(&in, 0, VERDICT_TEXT_MAX);
		verdict->state = msg_get_octets(&in, 1, LOGIN_STATE_MAX);
	}
	return msg_done(&in);
}

void baton_encode(struct buf *message)
{
	msg_begin(message, MESSAGE_BATON);
}

int baton_decode(struct span message)
{
	struct msg_in in = msg_open(message, MESSAGE_BATON);
	return msg_done(&in);
}
