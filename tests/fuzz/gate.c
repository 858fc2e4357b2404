/*
 * gate: the AUTHORIZATION state from the greeting to the baton, over socketpairs: the
 * target is the client and whoever answers claims. TLS is not in it.
 *
 * The input is lines. The first one's first octet chooses the facts; of each other the
 * first octet says what happens the next time that the gate waits:
 *   >text   the client sends text and CRLF; a | in it is a CRLF
 *   -text   the client sends text as it is
 *   =x      the next claim is answered by verdict x: R(eady) F(ail) I(n use) T(emp)
 *           P(erm) M(ore) or by octets that are no verdict
 *   #       the client ends its side
 * A claim without a verdict left is refused.
 */
#include "fuzz.h"

#include "base/io.h"
#include "gate/authorization.h"
#include "gate/gate.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS_MAX = 64, VERDICTS_MAX = 32, LOOKS_MAX = 200 };

static struct {
	struct span script;
	struct facts facts;
	struct gate gate;
	int client, auth; /* the target's ends */
	int steps;
	unsigned char verdicts[VERDICTS_MAX];
	int verdicts_n, verdicts_used;
	bool ended;
	unsigned claims, mores;
	struct buf sent, received;
} run;

int __real_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout);
void __wrap_log_line(const char *format, ...);

void __wrap_log_line(const char *format, ...)
{
	(void)format;
}

static void take_replies(void)
{
	char block[4096];
	ssize_t n;

	while ((n = recv(run.client, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_put(&run.received, block, (size_t)n);
}

static void say(const void *p, size_t n)
{
	/* A full socket is a client that waits: what it would have said is lost. */
	ssize_t put =
		run.ended ? 0 : send(run.client, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (put > 0)
		buf_put(&run.sent, p, (size_t)put);
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

static void end_client(void)
{
	if (!run.ended)
		shutdown(run.client, SHUT_WR);
	run.ended = true;
}

/* The next thing that happens; false: nothing more. */
static bool step(void)
{
	if (!run.script.n || run.steps++ >= STEPS_MAX)
		return false;
	struct span line = span_cut(&run.script, '\n');
	switch (fuzz_octet(&line)) {
	case '>':
		say_lines(line);
		break;
	case '-':
		say(line.p, line.n);
		break;
	case '=':
		if (run.verdicts_n < VERDICTS_MAX)
			run.verdicts[run.verdicts_n++] = line.n ? line.p[0] : 0;
		break;
	case '#':
		end_client();
		break;
	default:
		break;
	}
	return true;
}

/* --- claims */

/* No claim of a mechanism that is not offered, none with a form that auth refuses. */
static void check_claim(struct span message)
{
	struct login login;

	FUZZ_CHECK(login_decode(message, &login) == 0);
	FUZZ_CHECK(run.facts.mechanisms & 1U << login.mechanism);
	FUZZ_CHECK(run.facts.plaintext || login.mechanism == LOGIN_APOP);
	FUZZ_CHECK(login.path == PATH_DIRECT && login.tls.n == 0);
	FUZZ_CHECK(!login.state.n || run.mores);
	run.claims++;
	FUZZ_CHECK(run.claims <= run.gate.setup->attempts + run.mores);
}

static void put_verdict(unsigned what)
{
	static const char letters[] = "?RFITPM";
	const char *letter = what ? strchr(letters, (int)what) : NULL;
	unsigned char storage[256];
	struct verdict verdict = { .messages = 3, .octets = 4711, .held_seconds = 1 };
	struct buf message;

	buf_fixed(&message, storage, sizeof(storage));
	if (letter && letter > letters) {
		verdict.kind = (enum verdict_kind)(letter - letters);
		if (verdict.kind == VERDICT_MORE) {
			verdict.text = span_str("r=a,s=YQ==,i=4096");
			verdict.state = span_str("sealed");
			run.mores++;
		}
		verdict_encode(&message, &verdict);
	} else {
		buf_puts(&message, "no verdict");
	}
	FUZZ_CHECK(buf_ok(&message));
	(void)send(run.auth, buf_span(&message).p, buf_len(&message), MSG_NOSIGNAL);
}

static void answer_claim(void)
{
	static unsigned char storage[MESSAGE_MAX + 1];
	ssize_t n = recv(run.auth, storage, sizeof(storage), MSG_DONTWAIT);

	FUZZ_CHECK(n > 0);
	check_claim(span_of(storage, (size_t)n));
	while (run.verdicts_used == run.verdicts_n && step())
		;
	put_verdict(run.verdicts_used < run.verdicts_n
			    ? run.verdicts[run.verdicts_used++]
			    : 'F');
}

/* The gate waits: the world goes on until there is something to wake it. */
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout)
{
	(void)timeout;
	for (int look = 0; look < LOOKS_MAX; look++) {
		int ready = __real_poll(p, n, 0);
		if (ready)
			return ready;
		take_replies();
		bool claim = p[0].fd == run.gate.claim.verdict;
		if (claim)
			answer_claim();
		else if (!step())
			end_client();
	}
	return 0;
}

/* --- what was said */

static bool next_line(struct span *rest, struct span *line)
{
	const unsigned char *end = memmem(rest->p, rest->n, "\r\n", 2);

	if (!end)
		return false;
	*line = span_of(rest->p, (size_t)(end - rest->p));
	*rest = span_tail(*rest, line->n + 2);
	return true;
}

/* Only the lists of CAPA and AUTH have lines that are no status. */
static bool is_listed(struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] < ' ' || line.p[i] > '~')
			return false;
	return line.n > 0;
}

static void check_replies(void)
{
	struct span rest = buf_span(&run.received), sent = buf_span(&run.sent), line;
	size_t replies = 0, lines = 0;
	bool listing = false;

	for (size_t i = 0; i < sent.n; i++)
		lines += sent.p[i] == '\n';
	while (next_line(&rest, &line)) {
		bool status = span_is(span_head(line, 3), "+OK") ||
			      span_is(span_head(line, 4), "-ERR") ||
			      span_is(span_head(line, 2), "+ ");
		if (!status) {
			FUZZ_CHECK(is_listed(line));
			listing = !span_is(line, ".");
			continue;
		}
		FUZZ_CHECK(!listing);
		FUZZ_CHECK(line.n + 2 <= 512);
		replies++;
	}
	FUZZ_CHECK(rest.n == 0 && !listing);
	FUZZ_CHECK(replies <= lines + !run.facts.greeted);
}

/* What came behind the login is still in the kernel, from a line's beginning on. */
static void check_rest(int peer)
{
	static unsigned char rest[1 << 16];
	ssize_t n = recv(peer, rest, sizeof(rest), MSG_DONTWAIT);
	struct span sent = buf_span(&run.sent);

	if (n <= 0)
		n = 0;
	FUZZ_CHECK((size_t)n < sent.n);
	struct span before = span_head(sent, sent.n - (size_t)n);
	FUZZ_CHECK(before.p[before.n - 1] == '\n');
	FUZZ_CHECK(memcmp(before.p + before.n, rest, (size_t)n) == 0);
}

static void check_baton(void)
{
	unsigned char storage[64];
	ssize_t n = recv(run.auth, storage, sizeof(storage), MSG_DONTWAIT);

	FUZZ_CHECK(n > 0 && baton_decode(span_of(storage, (size_t)n)) == 0);
	FUZZ_CHECK(recv(run.auth, storage, sizeof(storage), MSG_DONTWAIT) == 0);
}

/* --- a run */

static void choose(unsigned choice)
{
	run.facts = (struct facts){ .connection = 1,
		.listener = LISTENER_POP3,
		.plaintext = !(choice & 1),
		.greeted = choice & 2,
		.tls = choice & 4,
		.peer = { .family = 4 },
		.mechanisms = choice & 8 ? 1U << LOGIN_USER | 1U << LOGIN_PLAIN
					 : (unsigned)LOGIN_MECHANISMS_ALL };
	snprintf(run.facts.challenge, sizeof(run.facts.challenge), "<1@fuzz>");
}

static enum event serve(int peer, int verdict)
{
	static const struct gate_setup setup = { .hostname = "fuzz",
		.login_seconds = 60,
		.attempts = 5,
		.bad_commands = 10 };
	static const struct tls none;
	struct gate *g = &run.gate;

	g->setup = &setup;
	g->facts = &run.facts;
	g->tls = &none;
	g->claim.verdict = verdict;
	g->deadline = io_now() + 60 * 1000;
	FUZZ_CHECK(io_nonblock(peer) == 0);
	stream_init(&g->stream, peer);
	return authorization_run(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int client[2], verdict[2];

	memset(&run, 0, sizeof(run));
	run.script = span_of(data, size);
	struct span first = span_cut(&run.script, '\n');
	choose(fuzz_octet(&first));
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, verdict) == 0);
	run.client = client[0];
	run.auth = verdict[0];
	buf_init(&run.sent, 4 << 20);
	buf_init(&run.received, 4 << 20);
	enum event event = serve(client[1], verdict[1]);
	take_replies();
	check_replies();
	if (event == EVENT_READY) {
		check_baton();
		check_rest(client[1]);
		close(client[1]);
	} else if (run.gate.claim.verdict >= 0) {
		close(run.gate.claim.verdict);
	}
	close(run.client);
	close(run.auth);
	buf_free(&run.sent);
	buf_free(&run.received);
	return 0;
}
