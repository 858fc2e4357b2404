/*
 * control: encoders and decoders of the administrator's messages.
 */
#include "postern/control.h"

#include "ipc/netaddr.h"

void control_encode(struct buf *message, const struct control *control)
{
	msg_begin(message, MESSAGE_CONTROL);
	msg_put_u8(message, (uint8_t)control->order);
	msg_put_u64(message, control->connection);
	msg_put_octets(message, span_str(control->account), LOGIN_NAME_MAX);
}

int control_decode(struct span message, struct control *control)
{
	struct msg_in in = msg_open(message, MESSAGE_CONTROL);
	*control = (struct control){ 0 };
	control->order = (enum control_order)msg_get_u8(&in, CONTROL_LAST);
	control->connection = msg_get_u64(&in);
	msg_get_text(&in, 0, LOGIN_NAME_MAX, control->account);
	if (control->order == 0)
		in.bad = true;
	return msg_done(&in);
}

void control_row_encode(struct buf *message, const struct control_row *row)
{
	msg_begin(message, MESSAGE_CONTROL_ROW);
	msg_put_u64(message, row->connection);
	netaddr_put(message, &row->peer);
	msg_put_u8(message, (uint8_t)row->listener);
	msg_put_u64(message, row->seconds);
	msg_put_u32(message, row->pid);
	msg_put_octets(message, span_str(row->state), CONTROL_STATE_MAX);
	msg_put_octets(message, span_str(row->account), LOGIN_NAME_MAX);
}

int control_row_decode(struct span message, struct control_row *row)
{
	struct msg_in in = msg_open(message, MESSAGE_CONTROL_ROW);
	*row = (struct control_row){ 0 };
	row->connection = msg_get_u64(&in);
	netaddr_get(&in, &row->peer);
	row->listener = listener_get(&in);
	row->seconds = msg_get_u64(&in);
	row->pid = msg_get_u32(&in, INT32_MAX);
	msg_get_text(&in, 1, CONTROL_STATE_MAX, row->state);
	msg_get_text(&in, 0, LOGIN_NAME_MAX, row->account);
	return msg_done(&in);
}

void control_stats_encode(struct buf *message, const struct control_stats *stats)
{
	const uint64_t *counter = &stats->seconds;
	msg_begin(message, MESSAGE_CONTROL_STATS);
	for (int i = 0; i < CONTROL_COUNTERS; i++)
		msg_put_u64(message, counter[i]);
}

int control_stats_decode(struct span message, struct control_stats *stats)
{
	struct msg_in in = msg_open(message, MESSAGE_CONTROL_STATS);
	uint64_t *counter = &stats->seconds;
	for (int i = 0; i < CONTROL_COUNTERS; i++)
		counter[i] = msg_get_u64(&in);
	return msg_done(&in);
}

void control_end_encode(struct buf *message, const struct control_end *end)
{
	msg_begin(message, MESSAGE_CONTROL_END);
	msg_put_u8(message, end->done);
	msg_put_u64(message, end->count);
}

int control_end_decode(struct span message, struct control_end *end)
{
	struct msg_in in = msg_open(message, MESSAGE_CONTROL_END);
	end->done = msg_get_bool(&in);
	end->count = msg_get_u64(&in);
	return msg_done(&in);
}
