/*
 * session: one client's time with one maildrop.
 *
 * Runs as: the mailbox owner, sandboxed, behind the baton.
 * The loop: run every line that is held, send the replies together, receive.
 * While the client is quiet the process keeps no buffer; what it costs then is
 * its snapshot. A signal ends it between two commands or in any wait.
 */
#include "session/session.h"

#include "base/io.h"
#include "base/log.h"
#include "base/pages.h"
#include "maildrop/lock.h"
#include "session/transaction.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { TOUCH_MS = 1000, DRAIN_MAX = 16 };

void session_count(struct session *s)
{
	s->messages = s->octets = 0;
	for (size_t i = 0; i < maildrop_count(s->drop); i++)
		if (!maildrop_marked(s->drop, i)) {
			s->messages++;
			s->octets += maildrop_size(s->drop, i);
		}
}

void session_begin(struct session *s, int peer)
{
	request_begin(&s->requests, peer);
	reply_begin(&s->replies, peer);
	session_count(s);
	s->count = maildrop_count(s->drop);
	s->began = s->touched = io_now();
}

enum event session_lost(const struct session *s)
{
	if (s->signals->told)
		return (enum event)s->signals->told;
	return s->replies.fault == EAGAIN ? EVENT_IDLE : EVENT_DISCONNECT;
}

void session_touch(struct session *s)
{
	int64_t now = io_now();

	if (now - s->touched < TOUCH_MS)
		return;
	s->touched = now;
	lock_touch(s->lock);
}

static void release(struct session *s)
{
	reply_release(&s->replies);
	ahead_drop(s);
	free(s->block);
	s->block = NULL;
#ifdef __GLIBC__ /* others give back by themselves, or cannot be asked */
	malloc_trim(0);
#endif
	pages_release_stack();
}

/* Until octets came: EVENT_NEXT. */
static enum event receive(struct session *s)
{
	int64_t deadline = io_now() + (int64_t)s->setup->idle_seconds * 1000;

	ahead_read(s);
	enum request_wait came = request_receive(&s->requests);

	while (came == REQUEST_QUIET) {
		release(s);
		came = request_await(&s->requests, deadline);
		if (came == REQUEST_CAME)
			came = request_receive(&s->requests);
		/* Of TLS in the kernel, a part of a record came: none is readable. */
		if (came == REQUEST_QUIET && io_now() >= deadline)
			came = REQUEST_IDLE;
	}
	if (s->signals->told)
		return (enum event)s->signals->told;
	if (came == REQUEST_CAME)
		session_touch(s);
	if (came == REQUEST_CAME && s->identity->path == PATH_RELAY)
		reply_believe(&s->replies);
	return came == REQUEST_CAME  ? EVENT_NEXT
	       : came == REQUEST_END ? EVENT_DISCONNECT
				     : EVENT_IDLE;
}

static enum event count_bad(struct session *s)
{
	if (++s->bad < s->setup->bad_commands)
		return EVENT_NEXT;
	reply_flush(&s->replies);
	return EVENT_BAD_COMMANDS;
}

/* Runs what is held, up to the last whole line. */
static enum event run_held(struct session *s)
{
	for (;;) {
		struct span line;
		enum event event = EVENT_BAD;

		switch (request_next(&s->requests, &line)) {
		case REQUEST_NONE:
			return EVENT_NEXT;
		case REQUEST_TOO_LONG:
			reply_line(&s->replies, "-ERR the line is too long");
			break;
		case REQUEST_LINE:
			event = transaction_run(s, line);
			break;
		}
		if (event == EVENT_BAD)
			event = count_bad(s);
		if (event == EVENT_NEXT && s->signals->told)
			event = (enum event)s->signals->told;
		if (event == EVENT_NEXT && reply_spill(&s->replies) < 0)
			event = session_lost(s);
		if (event != EVENT_NEXT)
			return event;
	}
}

/* A socket that is closed with octets unread may take the last reply with it
 * (TCP answers with RST): take what has come. */
static void drain(struct session *s)
{
	char discarded[4096];

	for (int i = 0; i < DRAIN_MAX; i++)
		if (recv(s->requests.peer, discarded, sizeof(discarded),
			    MSG_DONTWAIT) <= 0)
			return;
}

static const char *reason(enum event event)
{
	static const char *const words[] = {
		[EVENT_QUIT] = "quit",
		[EVENT_DISCONNECT] = "disconnect",
		[EVENT_IDLE] = "idle",
		[EVENT_TAKEOVER] = "takeover",
		[EVENT_STOP] = "stop",
		[EVENT_BAD_COMMANDS] = "bad-commands",
		[EVENT_ERROR] = "error",
	};
	return words[event];
}

static void log_end(const struct session *s, enum event event)
{
	char source[NETADDR_TEXT_MAX];
	unsigned char storage[LOG_LINE_MAX];
	struct buf line;

	netaddr_text(&s->identity->peer, source);
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "v1 logout connection=%" PRIu64, s->identity->connection);
	log_value(&line, "account", span_str(s->identity->account));
	buf_printf(&line,
		" source=%s retrieved=%" PRIu64 " octets=%" PRIu64 " deleted=%" PRIu64
		" left=%" PRIu64 " seconds=%" PRIi64 " reason=%s",
		source, s->replies.left.messages, s->replies.left.octets, s->removed,
		s->count - s->removed, (io_now() - s->began) / 1000, reason(event));
	log_text(buf_span(&line));
}

void session_log_fault(
	const struct identity *identity, const struct maildrop_fault *fault)
{
	unsigned char storage[LOG_LINE_MAX];
	struct buf line;

	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "v1 maildrop connection=%" PRIu64, identity->connection);
	log_value(&line, "account", span_str(identity->account));
	log_sentence(&line, "path", span_str(identity->path_name));
	log_sentence(&line, "error", span_str(fault->text));
	log_put(LEVEL_ERROR, buf_span(&line));
}

enum event session_serve(struct session *s)
{
	enum event event;

	do {
		event = run_held(s);
		if (event == EVENT_NEXT && reply_flush(&s->replies) < 0)
			event = session_lost(s);
		if (event == EVENT_NEXT)
			event = receive(s);
	} while (event == EVENT_NEXT);
	if (event == EVENT_QUIT || event == EVENT_BAD_COMMANDS)
		drain(s);
	log_end(s, event);
	return event;
}
