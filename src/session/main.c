/*
 * pop3-session: TRANSACTION and UPDATE of POP3 (RFC 1939).
 *
 * Runs as: a warm parent, root (or the one user there is), which reads nothing but
 * messages from the master and from auth; one child per login, which takes the
 * maildrop's lock, opens its state directory and becomes the mailbox owner.
 * Links: libc only, statically.
 * Trusts: the identity, which auth decided. The client and everything that
 * is stored in the maildrop are hostile, and met by the owner's process alone.
 * Order, in the child: descriptors, state directory, lock, drop, sandbox, maildrop,
 * verdict, baton, service. Before the drop no octet is read that the owner wrote.
 * Fails: with a verdict, PERM when it will fail again, else TEMP, and a log line
 * that says which path and why. Without the baton it ends silently.
 */
#include "base/die.h"
#include "base/fdtab.h"
#include "base/io.h"
#include "base/log.h"
#include "maildrop/lock.h"
#include "maildrop/reach.h"
#include "maildrop/state.h"
#include "postern/fds.h"
#include "postern/verdict.h"
#include "sandbox/sandbox.h"
#include "session/session.h"
#include "warm/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the directories stand while the child lays its table. The number
 * FD_SESSION_LOCK is free when the lock is taken, so that it gets it: a record lock
 * would not outlive the close of a second descriptor. */
enum { FD_LOCKS = FD_SESSION_CHILD_LAST + 1, FD_STATES };

struct parent {
	struct session_setup setup;
	struct identity identity; /* of the child to come */
};

/* A handler can be passed nothing. parent_pid: whose SIGTERM ends the server. */
static struct session_signals signals;
static pid_t parent_pid;

static void on_sigterm(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)number, (void)context;
	signals.told = info->si_pid == parent_pid ? EVENT_STOP : EVENT_TAKEOVER;
	if (!signals.updating)
		shutdown(FD_SESSION_PEER, SHUT_RDWR);
	errno = saved;
}

static void catch_sigterm(void)
{
	struct sigaction action = { .sa_sigaction = on_sigterm,
		.sa_flags = SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGTERM, &action, NULL) < 0 ||
		signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die(EXIT_TEMPORARY, "sigaction");
}

static void send_verdict(const struct verdict *verdict)
{
	unsigned char storage[64];
	struct buf message;

	buf_fixed(&message, storage, sizeof(storage));
	verdict_encode(&message, verdict);
	if (!buf_ok(&message))
		bug("a verdict that does not fit");
	/* A gate that is gone is no fault: its baton will not come. Not sendmsg(2),
	 * which the sandbox has taken away. */
	(void)send(FD_SESSION_VERDICT, buf_span(&message).p, buf_len(&message),
		MSG_NOSIGNAL);
}

/* Would the next attempt fail as well? See maildrop_open(). */
static bool is_permanent(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case ELOOP:
	case ENOTDIR:
	case EISDIR:
	case EINVAL:
		return true;
	default:
		return false;
	}
}

static _Noreturn void refuse(
	const struct identity *identity, const struct maildrop_fault *fault, int error)
{
	session_log_fault(identity, fault);
	send_verdict(&(struct verdict){
		.kind = is_permanent(error) ? VERDICT_PERM : VERDICT_TEMP });
	exit(EXIT_DONE);
}

static _Noreturn void refuse_for(const struct identity *identity, const char *what)
{
	int error = errno;
	struct maildrop_fault fault;

	snprintf(fault.text, sizeof(fault.text), "%s: %s", what, strerror(error));
	refuse(identity, &fault, error);
}

static void lay_table(const int *fds)
{
	bool lifeline = fds[2] >= 0;
	const int table[] = { fds[1], fds[0], FD_SESSION_LOCKS, FD_SESSION_STATES,
		lifeline ? fds[2] : FD_SESSION_LOCKS, FD_SESSION_LOCKS,
		FD_SESSION_STATES };

	if (fdtab_place(FD_SESSION_PEER, table, sizeof(table) / sizeof(table[0])) < 0)
		die(EXIT_TEMPORARY, "descriptors");
	if (!lifeline)
		close(FD_SESSION_LIFELINE);
}

/* The state directory at its number, or nothing there: a maildrop works without. */
static void place_state(const struct identity *identity)
{
	int state = maildrop_state_open(FD_STATES, identity->maildrop,
		identity->path_name, identity->uid, identity->gid);

	close(FD_STATES);
	if (state < 0) {
		log_line("no state directory for %s: %s", identity->path_name,
			strerror(errno));
		close(FD_SESSION_STATE);
		return;
	}
	if (dup3(state, FD_SESSION_STATE, O_CLOEXEC) < 0)
		die(EXIT_TEMPORARY, "dup3");
	close(state);
}

static _Noreturn void refuse_in_use(const struct identity *identity, uint64_t seconds)
{
	char source[NETADDR_TEXT_MAX];
	unsigned char storage[LOG_LINE_MAX];
	struct buf line;

	netaddr_text(&identity->peer, source);
	buf_fixed(&line, storage, sizeof(storage));
	buf_printf(&line, "v1 in-use connection=%llu",
		(unsigned long long)identity->connection);
	log_value(&line, "account", span_str(identity->account));
	buf_printf(&line, " source=%s held=%llu", source, (unsigned long long)seconds);
	log_text(buf_span(&line));
	send_verdict(
		&(struct verdict){ .kind = VERDICT_IN_USE, .held_seconds = seconds });
	exit(EXIT_IN_USE);
}

static void place_lock(const struct parent *p)
{
	struct lock_holder holder = { 0 };

	close(FD_SESSION_LOCK);
	int lock = lock_take(FD_LOCKS, p->identity.maildrop, p->identity.path_name,
		p->setup.takeover_seconds, &holder);
	if (lock < 0 && errno == EWOULDBLOCK)
		refuse_in_use(&p->identity, holder.held_seconds);
	if (lock < 0)
		refuse_for(&p->identity, "lock");
	if (lock != FD_SESSION_LOCK)
		bug("the lock is descriptor %d", lock);
	close(FD_LOCKS);
}

/* Reads wait for REQUEST_NAP_MS, writes for as long as a client may be idle. */
static void set_waits(const struct session_setup *setup)
{
	struct timeval nap = { .tv_usec = REQUEST_NAP_MS * 1000 };
	struct timeval idle = { .tv_sec = setup->idle_seconds };

	if (setsockopt(FD_SESSION_PEER, SOL_SOCKET, SO_RCVTIMEO, &nap, sizeof(nap)) <
			0 ||
		setsockopt(FD_SESSION_PEER, SOL_SOCKET, SO_SNDTIMEO, &idle,
			sizeof(idle)) < 0)
		die(EXIT_TEMPORARY, "setsockopt");
}

static void become_owner(const struct identity *identity, bool state)
{
	umask(077);
	/* A limit is an error of the write that meets it, and leaves no half commit. */
	signal(SIGXFSZ, SIG_IGN);
	if (drop_to(identity->uid, identity->gid, identity->groups,
		    identity->groups_n) < 0)
		refuse_for(identity, "becoming the owner");
	struct maildrop_fault fault;
	if (maildrop_reach(identity->path_name, &fault) < 0)
		refuse(identity, &fault, errno);
	if (sandbox_session(identity->maildrop, identity->path_name,
		    state ? FD_SESSION_STATE : -1) < 0)
		refuse_for(identity, "sandbox");
}

static struct maildrop *open_maildrop(const struct parent *p, bool state)
{
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = {
		.kind = p->identity.maildrop,
		.path = p->identity.path_name,
		.state = state ? FD_SESSION_STATE : -1,
		.undo_seconds = p->setup.undo_seconds,
	};

	if (maildrop_open(&drop, &place, &fault) < 0)
		refuse(&p->identity, &fault, errno);
	if (maildrop_remark(drop)) {
		snprintf(fault.text, sizeof(fault.text), "%s", maildrop_remark(drop));
		session_log_fault(&p->identity, &fault);
	}
	return drop;
}

/* Only a gate that has told its client gives it away. It has a deadline of its own,
 * which began with the connection: one that takes longer is no gate of ours. */
static void await_baton(const struct session_setup *setup)
{
	unsigned char message[16];
	int64_t deadline = io_now() + (int64_t)setup->login_seconds * 1000;

	if (io_wait(FD_SESSION_VERDICT, POLLIN, deadline) <= 0)
		exit(EXIT_DONE);
	ssize_t n = io_read(FD_SESSION_VERDICT, message, sizeof(message));
	if (n <= 0)
		exit(EXIT_DONE);
	if (baton_decode(span_of(message, (size_t)n)) < 0)
		die(EXIT_MALFORMED, "that is no baton");
	close(FD_SESSION_VERDICT);
}

/* The gate had the socket non-blocking, and is done with it. */
static void take_over_peer(void)
{
	int flags = fcntl(FD_SESSION_PEER, F_GETFL);

	if (flags < 0 || fcntl(FD_SESSION_PEER, F_SETFL, flags & ~O_NONBLOCK) < 0)
		die(EXIT_TEMPORARY, "fcntl");
}

static int child(void *self, const int *fds)
{
	const struct parent *p = self;
	struct session session = { .setup = &p->setup,
		.identity = &p->identity,
		.signals = &signals,
		.lock = FD_SESSION_LOCK };

	lay_table(fds);
	place_state(&p->identity);
	place_lock(p);
	set_waits(&p->setup);
	bool state = fcntl(FD_SESSION_STATE, F_GETFD) >= 0;
	become_owner(&p->identity, state);
	session.drop = open_maildrop(p, state);
	session_begin(&session, FD_SESSION_PEER);
	send_verdict(&(struct verdict){ .kind = VERDICT_READY,
		.messages = session.messages,
		.octets = session.octets });
	await_baton(&p->setup);
	catch_sigterm();
	take_over_peer();
	session_serve(&session);
	/* The client is served; what was learned of sizes is kept for the next. */
	maildrop_close(session.drop);
	exit(EXIT_DONE);
}

static uint64_t decode(void *self, struct span message)
{
	struct parent *p = self;
	return identity_decode(message, &p->identity) < 0 ? 0 : p->identity.connection;
}

int main(void)
{
	static struct parent parent;
	struct buf message;

	buf_init(&message, MESSAGE_MAX + 1);
	warm_begin("pop3-session", FD_SESSION_LAST, &message);
	if (session_setup_decode(buf_span(&message), &parent.setup) < 0)
		die(EXIT_MALFORMED, "the set-up cannot be understood");
	buf_free(&message);
	parent_pid = getpid();
	if (sandbox_session_parent() < 0)
		die(EXIT_TEMPORARY, "sandbox");
	warm_ready();
	const struct warm_work work = {
		.intake = FD_SESSION_AUTH,
		.descriptors = IDENTITY_DESCRIPTORS,
		.optional = IDENTITY_OPTIONAL,
		.decode = decode,
		.child = child,
		.self = &parent,
	};
	warm_run(&work);
}
