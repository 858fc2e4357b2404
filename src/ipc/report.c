/*
 * report: encoders and decoders of MESSAGE_REPORT and MESSAGE_KILL.
 */
#include "postern/report.h"

#include "ipc/msg.h"

static bool has_pid(enum report_kind kind)
{
	return kind == REPORT_STARTED || kind == REPORT_ENDED || kind == REPORT_OBEYED;
}

void report_encode(struct buf *message, const struct report *report)
{
	msg_begin(message, MESSAGE_REPORT);
	msg_put_u8(message, (uint8_t)report->kind);
	msg_put_u64(message, report->connection);
	if (has_pid(report->kind))
		msg_put_u32(message, (uint32_t)report->pid);
	if (report->kind == REPORT_ENDED)
		msg_put_u32(message, (uint32_t)report->status);
	if (report->kind == REPORT_ACCEPTED)
		msg_put_octets(message, report->account, LOGIN_NAME_MAX);
	if (report->kind == REPORT_OFFER)
		msg_put_u32(message, report->mechanisms);
	if (report->kind == REPORT_REFUSED || report->kind == REPORT_BEGUN)
		msg_put_u64(message, report->credential);
}

int report_decode(struct span message, struct report *report)
{
	struct msg_in in = msg_open(message, MESSAGE_REPORT);
	*report = (struct report){ 0 };
	report->kind = (enum report_kind)msg_get_u8(&in, REPORT_LAST);
	report->connection = msg_get_u64(&in);
	bool general = report->kind == REPORT_READY || report->kind == REPORT_OFFER;
	if (report->kind == 0 || general != (report->connection == 0))
		in.bad = true;
	if (has_pid(report->kind))
		report->pid = (int32_t)msg_get_u32(&in, INT32_MAX);
	if (report->kind == REPORT_ENDED)
		report->status = (int32_t)msg_get_u32(&in, INT32_MAX);
	if (report->kind == REPORT_ACCEPTED)
		report->account = msg_get_octets(&in, 1, LOGIN_NAME_MAX);
	if (report->kind == REPORT_OFFER)
		report->mechanisms = msg_get_u32(&in, LOGIN_MECHANISMS_ALL);
	if (report->kind == REPORT_REFUSED || report->kind == REPORT_BEGUN)
		report->credential = msg_get_u64(&in);
	return msg_done(&in);
}

void kill_encode(struct buf *message, uint64_t connection)
{
	msg_begin(message, MESSAGE_KILL);
	msg_put_u64(message, connection);
}

int kill_decode(struct span message, uint64_t *connection)
{
	struct msg_in in = msg_open(message, MESSAGE_KILL);
	*connection = msg_get_u64(&in);
	return msg_done(&in);
}
