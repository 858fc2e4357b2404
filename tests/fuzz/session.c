/*
 * session: a whole session, from its first command to its end, over a socketpair, on a
 * maildrop that other programs change meanwhile. What it says must be POP3, and what
 * becomes of the mail must be what it said (session_replies.h).
 *
 * The input is lines. The first one's first octet chooses the maildrop; of each other
 * the first octet says what happens before the session receives the next time:
 *   >text   the client sends text and CRLF; a | in it is a CRLF
 *   -text   the client sends text as it is
 *   +       mail is delivered
 *   ~n      another program removes message n
 *   !n      another program notes message n as read
 *   #       the client resets the connection: what is sent to it fails from now on
 * Behind the last line the client ends its side of the connection.
 */
#include "session_replies.h"
#include "session_world.h"

#include "session/session.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS_MAX = 64, PEER_BUFFER = 4 << 20 };

static struct {
	struct span script;
	struct world world;
	struct buf sent, received;
	int client, peer;
	int steps;
	bool reset;
} run;

/* What the linker puts in the place of the session's own calls. */
ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
int __real_ioctl(int fd, unsigned long request, void *value);
int __wrap_ioctl(int fd, unsigned long request, void *value);
void __wrap_log_text(struct span text);
void __wrap_log_line(const char *format, ...);

void __wrap_log_text(struct span text)
{
	FUZZ_CHECK(text.n && !memchr(text.p, '\n', text.n));
}

void __wrap_log_line(const char *format, ...)
{
	(void)format;
}

/* So that the session never waits for its client to read. */
static void take_replies(void)
{
	char block[4096];
	ssize_t n;

	while (!run.reset &&
		(n = __real_recv(run.client, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_put(&run.received, block, (size_t)n);
}

static void say(const void *p, size_t n)
{
	if (run.reset)
		return;
	buf_put(&run.sent, p, n);
	FUZZ_CHECK(send(run.client, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n);
}

static void say_lines(struct span text)
{
	for (bool more = true; more;) {
		more = memchr(text.p, '|', text.n) != NULL;
		struct span line = span_cut(&text, '|');
		say(line.p, line.n);
		say("\r\n", 2);
	}
}

/* A socketpair has no reset: nothing that is written any more arrives, and everything
 * that was is gone. */
static void reset(void)
{
	take_replies();
	run.reset = true;
	close(run.client);
	run.client = -1;
}

static size_t number_of(struct span line)
{
	return line.n ? (size_t)(line.p[0] - '0') : 0;
}

/* The next thing that happens; false: nothing more. */
static bool step(void)
{
	if (!run.script.n || run.steps++ >= STEPS_MAX || run.reset)
		return false;
	struct span line = span_cut(&run.script, '\n');
	unsigned what = fuzz_octet(&line);

	switch (what) {
	case '>':
		say_lines(line);
		break;
	case '-':
		say(line.p, line.n);
		break;
	case '+':
		world_deliver(&run.world);
		break;
	case '~':
		world_remove(&run.world, number_of(line));
		break;
	case '!':
		world_note(&run.world, number_of(line));
		break;
	case '#':
		reset();
		break;
	default:
		break;
	}
	return true;
}

/* The session waits for its client: the world goes on until there is something. */
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	if (fd != run.peer)
		return __real_recv(fd, p, n, flags);
	take_replies();
	for (;;) {
		ssize_t got = __real_recv(fd, p, n, flags | MSG_DONTWAIT);
		if (got >= 0)
			return got;
		if (!step() && run.client >= 0)
			shutdown(run.client, SHUT_WR);
	}
}

/* The session asks how much its client has not taken. */
int __wrap_ioctl(int fd, unsigned long request, void *value)
{
	take_replies();
	return __real_ioctl(fd, request, value);
}

static void connect_client(void)
{
	int pair[2], size = PEER_BUFFER;

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	run.client = pair[0];
	run.peer = pair[1];
	setsockopt(run.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(run.client, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static enum event serve(bool read_only)
{
	static const struct session_setup setup = {
		.idle_seconds = 600, .bad_commands = 10, .takeover_seconds = 60
	};
	struct session_signals signals = { 0 };
	struct identity identity = { .path = PATH_DIRECT,
		.maildrop = run.world.kind,
		.read_only = read_only,
		.peer = { .family = 4 },
		.account = "fuzz" };
	struct session session = { .setup = &setup,
		.identity = &identity,
		.signals = &signals,
		.drop = world_open(&run.world),
		.lock = -1 };

	session_begin(&session, run.peer);
	enum event event = session_serve(&session);
	maildrop_close(session.drop);
	ahead_drop(&session);
	free(session.block);
	buf_free(&session.replies.out);
	return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&run, 0, sizeof(run));
	run.script = span_of(data, size);
	struct span first = span_cut(&run.script, '\n');
	unsigned choice = fuzz_octet(&first);

	buf_init(&run.sent, 1 << 20);
	buf_init(&run.received, 8 << 20);
	world_begin(&run.world, choice & 1 ? MAILDROP_MBOX : MAILDROP_MAILDIR,
		(choice >> 1) % (WORLD_BEGIN_MAX + 1));
	connect_client();
	enum event event = serve(choice & 16);
	take_replies();
	if (run.client >= 0)
		close(run.client);
	close(run.peer);
	FUZZ_CHECK(buf_ok(&run.sent) && buf_ok(&run.received));
	replies_check(&run.world, buf_span(&run.sent), buf_span(&run.received), event,
		run.reset);
	buf_free(&run.sent);
	buf_free(&run.received);
	fuzz_clear();
	return 0;
}
