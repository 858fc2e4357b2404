/*
 * standin: plays pop3-gate, postern-auth or pop3-session, by the name that it is
 * called by, so that the master can be tested alone. It obeys the contracts of
 * include/postern and nothing more; the secret of a login says what happens:
 *
 *   good    the session serves: it sends back each line that it gets
 *   bad     auth refuses
 *   temp    auth fails        crash   auth aborts       hang   auth never ends
 *   late    good, but auth aborts when it has handed the identity on
 *   slow    good, but auth stays when it has handed the identity on
 *   inuse   the session says IN-USE     dead   the session aborts before its verdict
 * The gate speaks a line "LOGIN name secret"; "LEAVE": it ends; "STAY": it closes its
 * verdict channel and stays; "CRASH": it aborts.
 */
#include "base/die.h"
#include "base/fdtab.h"
#include "base/io.h"
#include "ipc/fdpass.h"
#include "postern/fds.h"
#include "postern/identity.h"
#include "postern/login.h"
#include "postern/report.h"
#include "postern/verdict.h"
#include "warm/warm.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct facts facts;
static struct identity identity;

static uint64_t decode_facts(void *self, struct span message)
{
	(void)self;
	return facts_decode(message, &facts) < 0 ? 0 : facts.connection;
}

static uint64_t decode_identity(void *self, struct span message)
{
	(void)self;
	return identity_decode(message, &identity) < 0 ? 0 : identity.connection;
}

static void say(int fd, const char *text)
{
	if (io_write_all(fd, span_str(text), IO_FOREVER) < 0)
		exit(0);
}

/* One line without its line end; the peer's end is ours. */
static void read_line(int fd, char line[256])
{
	size_t n = 0;
	while (n < 255) {
		if (io_wait(fd, POLLIN, IO_FOREVER) < 0 ||
			io_read(fd, line + n, 1) <= 0)
			exit(0);
		if (line[n] == '\n')
			break;
		if (line[n] != '\r')
			n++;
	}
	line[n] = '\0';
}

static struct buf *message_new(void)
{
	static unsigned char storage[MESSAGE_MAX + 1];
	static struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	return &message;
}

static void send_message(int fd, const struct buf *message)
{
	if (!buf_ok(message) || fdpass_send(fd, buf_span(message), NULL, 0, 0) < 0)
		exit(0);
}

static struct span receive(int fd)
{
	static unsigned char storage[MESSAGE_MAX + 1];
	ssize_t n = fdpass_recv(fd, storage, sizeof(storage), NULL, 0, NULL, 0);
	if (n <= 0)
		exit(0);
	return span_of(storage, (size_t)n);
}

static void gate_login(char *name)
{
	struct verdict verdict;
	struct buf *message = message_new();
	char *secret = strchr(name, ' ');
	*secret++ = '\0';
	login_encode(message, &(struct login){ .mechanism = LOGIN_USER,
				      .path = PATH_DIRECT,
				      .name = span_str(name),
				      .secret = span_str(secret) });
	send_message(FD_GATE_VERDICT, message);
	if (verdict_decode(receive(FD_GATE_VERDICT), &verdict) < 0)
		die(EXIT_MALFORMED, "verdict");
	static const char *const words[] = { "", "+OK ready\r\n", "-ERR fail\r\n",
		"-ERR in use\r\n", "-ERR temp\r\n", "-ERR perm\r\n", "+ more\r\n" };
	say(FD_GATE_CLIENT, words[verdict.kind]);
	if (verdict.kind != VERDICT_READY)
		return;
	message = message_new();
	baton_encode(message);
	send_message(FD_GATE_VERDICT, message);
	exit(0);
}

static int gate(void *self, const int *fds)
{
	char line[256];
	(void)self;
	fdtab_place(FD_GATE_CLIENT, fds, 3);
	snprintf(line, sizeof(line), "+OK %llu %s plaintext=%d tls=%d\r\n",
		(unsigned long long)facts.connection, facts.challenge, facts.plaintext,
		facts.tls);
	if (!facts.greeted)
		say(FD_GATE_CLIENT, line);
	for (;;) {
		read_line(FD_GATE_CLIENT, line);
		if (strcmp(line, "LEAVE") == 0)
			exit(0);
		if (strcmp(line, "CRASH") == 0)
			abort();
		if (strcmp(line, "STAY") == 0) {
			close(FD_GATE_VERDICT);
			say(FD_GATE_CLIENT, "staying\r\n");
		}
		if (strncmp(line, "LOGIN ", 6) == 0 && strchr(line + 6, ' '))
			gate_login(line + 6);
	}
}

static void auth_accept(const struct login *login)
{
	struct buf *message = message_new();
	identity = (struct identity){ .connection = facts.connection,
		.peer = facts.peer,
		.listener = facts.listener,
		.mechanisms = facts.mechanisms,
		.mechanism = login->mechanism,
		.path = login->path,
		.uid = 1,
		.gid = 1,
		.maildrop = MAILDROP_MAILDIR };
	span_to_text(login->name, identity.account, sizeof(identity.account));
	/* The secret tells the session what to do. */
	int n = snprintf(identity.path_name, sizeof(identity.path_name), "/%.*s",
		(int)login->secret.n, (const char *)login->secret.p);
	if (n < 0)
		exit(EXIT_TEMPORARY);
	identity_encode(message, &identity);
	if (!buf_ok(message))
		bug("identity");
	int fds[] = { FD_AUTH_VERDICT, FD_AUTH_CLIENT };
	if (fdpass_send(FD_AUTH_SESSION, buf_span(message), fds, 2, 0) < 0)
		exit(EXIT_TEMPORARY);
	message = message_new();
	report_encode(message, &(struct report){ .kind = REPORT_ACCEPTED,
				       .connection = facts.connection,
				       .account = login->name });
	send_message(FD_CONTROL, message);
	if (span_is(login->secret, "late"))
		abort();
	while (span_is(login->secret, "slow"))
		pause();
	exit(EXIT_DONE);
}

/* The first of several claims: the name is what the exchange is told by. */
static _Noreturn void auth_more(const struct login *login)
{
	struct buf *message = message_new();
	report_encode(message, &(struct report){ .kind = REPORT_BEGUN,
				       .connection = facts.connection,
				       .credential = 1 + login->name.p[0] });
	send_message(FD_CONTROL, message);
	message = message_new();
	verdict_encode(message, &(struct verdict){ .kind = VERDICT_MORE,
					.text = span_str("challenge"),
					.state = span_str("state") });
	send_message(FD_AUTH_VERDICT, message);
	exit(EXIT_MORE);
}

static int auth(void *self, const int *fds)
{
	struct login login;
	(void)self;
	int table[] = { FD_CONTROL, FD_AUTH_SESSION, fds[0], fds[1], fds[2] };
	fdtab_place(FD_CONTROL, table, 5);
	if (login_decode(receive(FD_AUTH_VERDICT), &login) < 0)
		die(EXIT_MALFORMED, "login");
	if (span_is(login.secret, "bad"))
		exit(EXIT_REFUSED);
	if (span_is(login.secret, "begin"))
		auth_more(&login);
	if (span_is(login.secret, "temp"))
		exit(EXIT_TEMPORARY);
	if (span_is(login.secret, "crash"))
		abort();
	while (span_is(login.secret, "hang"))
		pause();
	auth_accept(&login);
	exit(EXIT_TEMPORARY);
}

static void session_say(enum verdict_kind kind)
{
	struct buf *message = message_new();
	verdict_encode(message, &(struct verdict){ .kind = kind });
	send_message(FD_SESSION_VERDICT, message);
}

static int session(void *self, const int *fds)
{
	char line[256];
	(void)self;
	int table[] = { fds[1], fds[0] };
	fdtab_place(FD_SESSION_PEER, table, 2);
	if (strcmp(identity.path_name, "/dead") == 0)
		abort();
	if (strcmp(identity.path_name, "/inuse") == 0) {
		session_say(VERDICT_IN_USE);
		exit(0);
	}
	session_say(VERDICT_READY);
	if (baton_decode(receive(FD_SESSION_VERDICT)) < 0)
		exit(0);
	close(FD_SESSION_VERDICT);
	for (;;) {
		read_line(FD_SESSION_PEER, line);
		say(FD_SESSION_PEER, line);
		say(FD_SESSION_PEER, "\r\n");
	}
}

static void offer(void)
{
	struct buf *message = message_new();
	report_encode(
		message, &(struct report){ .kind = REPORT_OFFER,
				 .mechanisms = 1 << LOGIN_USER | 1 << LOGIN_APOP });
	send_message(FD_CONTROL, message);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int last;
		struct warm_work work;
	} parts[] = {
		{ "pop3-gate", FD_GATE_LAST,
			{ .intake = FD_CONTROL,
				.descriptors = 3,
				.decode = decode_facts,
				.child = gate } },
		{ "postern-auth", FD_AUTH_LAST,
			{ .intake = FD_CONTROL,
				.descriptors = 3,
				.decode = decode_facts,
				.child = auth } },
		{ "pop3-session", FD_SESSION_LAST,
			{ .intake = FD_SESSION_AUTH,
				.descriptors = 2,
				.decode = decode_identity,
				.child = session } },
	};
	struct buf setup;
	(void)argc;
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(argv[0], parts[i].name) != 0)
			continue;
		buf_init(&setup, MESSAGE_MAX + 1);
		warm_begin(parts[i].name, parts[i].last, &setup);
		if (i == 1)
			offer();
		warm_ready();
		warm_run(&parts[i].work);
	}
	fputs("standin: called by none of its names\n", stderr);
	return 2;
}
