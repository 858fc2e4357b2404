/*
 * request: what the client asks, line by line. Runs as the mailbox owner, on a
 * stranger's octets; holds 4 KiB of them and no more, whatever is sent.
 */
#include "session/request.h"

#include "base/io.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

void request_begin(struct request_stream *requests, int peer)
{
	requests->peer = peer;
	requests->pace = (struct pace){ 0 };
	requests->reader = (struct line_reader){ 0 };
	requests->used = 0;
	buf_fixed(&requests->held, requests->storage, sizeof(requests->storage));
}

enum request_event request_next(struct request_stream *requests, struct span *line)
{
	buf_consume(&requests->held, requests->used);
	switch (line_next(&requests->reader, buf_span(&requests->held),
		LINE_COMMAND_MAX, line, &requests->used)) {
	case LINE_COMPLETE:
		return REQUEST_LINE;
	case LINE_TOO_LONG:
		return REQUEST_TOO_LONG;
	case LINE_PARTIAL:
		break;
	}
	buf_consume(&requests->held, requests->used);
	requests->used = 0;
	return REQUEST_NONE;
}

enum request_wait request_receive(struct request_stream *requests)
{
	/* A line that is held in part is shorter than a line may be: there is room. */
	size_t room = buf_room(&requests->held);
	unsigned char *to = buf_reserve(&requests->held, room);
	struct pace *pace = &requests->pace;
	ssize_t n;

	pace_begin(pace);
	do
		n = recv(requests->peer, to, room, pace->brisk ? MSG_DONTWAIT : 0);
	while (n < 0 && (errno == EINTR || (errno == EAGAIN && pace_look_on(pace))));
	pace_end(pace);
	if (n > 0) {
		buf_commit(&requests->held, (size_t)n);
		return REQUEST_CAME;
	}
	return n < 0 && errno == EAGAIN ? REQUEST_QUIET : REQUEST_END;
}

enum request_wait request_await(struct request_stream *requests, int64_t deadline)
{
	int ready = io_wait(requests->peer, POLLIN, deadline);

	if (ready < 0)
		return REQUEST_END;
	return ready ? REQUEST_CAME : REQUEST_IDLE;
}
