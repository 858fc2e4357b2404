/*
 * warm: the loop of every warm parent.
 *
 * Runs as: what the program runs as; libc only (pop3-session links it statically).
 * Trusts: the master, and what comes on the intake (the session's comes from
 * auth, root to root); a message that cannot be understood there costs a log line.
 * A peer's octet never comes near it.
 *
 * Work comes in a fork of its own, or, where the domain lets a child do more than one
 * piece (auth), to a worker.
 *
 * Reports are blocking writes: the master never blocks on our channel, so it always
 * comes back to read them; when it is gone the write fails and reporting ends.
 *
 * Fails: a fork that fails is reported as a child that ended with EXIT_TEMPORARY.
 */
#include "warm/warm.h"

#include "base/die.h"
#include "base/fdtab.h"
#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "ipc/msg.h"
#include "postern/fds.h"
#include "postern/report.h"
#include "warm/children.h"
#include "warm/workers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/* A signal handler can be passed nothing, so these two are global. They are
 * written only while ppoll(2) lets signals in. */
static volatile sig_atomic_t child_ended, told_to_end;

struct warm {
	const struct warm_work *work;
	struct children children;
	int control; /* -1 once it was closed from above */
	int intake;  /* may be the same descriptor */
	bool ending; /* SIGTERM came: no more work */
	int64_t next_tick;
	struct workers workers;
};

static void on_signal(int number)
{
	if (number == SIGCHLD)
		child_ended = 1;
	else
		told_to_end = 1;
}

static void handle_with(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };
	sigemptyset(&action.sa_mask);
	if (sigaction(number, &action, NULL) < 0)
		die(EXIT_TEMPORARY, "sigaction");
}

static sigset_t loop_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	return set;
}

static void harden(void)
{
	struct rlimit none = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		die(EXIT_TEMPORARY, "setrlimit");
#ifdef __linux__
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		die(EXIT_TEMPORARY, "prctl");
#endif
	umask(077);
	/* A session of our own: an interrupt from the terminal is the master's
	 * affair. Fails only when we lead one already. */
	(void)setsid();
}

/* Does descriptor fd lead to a master? */
static bool is_channel(int fd)
{
	int type;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_SEQPACKET;
}

static void receive_setup(struct buf *message)
{
	unsigned char *room = buf_reserve(message, MESSAGE_MAX + 1);
	if (!room)
		die(EXIT_TEMPORARY, "set-up");
	ssize_t n = fdpass_recv(FD_CONTROL, room, MESSAGE_MAX + 1, NULL, 0, NULL, 0);
	if (n == 0)
		errno = 0;
	if (n <= 0)
		die(EXIT_MALFORMED, "no set-up message came");
	buf_commit(message, (size_t)n);
}

void warm_begin(const char *program, int last, struct buf *message)
{
	log_open(program);
	if (fdtab_exactly(last) < 0 || !is_channel(FD_CONTROL)) {
		errno = 0;
		die(EXIT_MALFORMED, "is a part of Postern, to be started by posternd");
	}
	harden();
	sigset_t blocked = loop_signals();
	if (sigprocmask(SIG_SETMASK, &blocked, NULL) < 0)
		die(EXIT_TEMPORARY, "sigprocmask");
	handle_with(SIGCHLD, on_signal);
	handle_with(SIGTERM, on_signal);
	handle_with(SIGHUP, SIG_IGN);
	receive_setup(message);
}

static int report(const struct report *what)
{
	unsigned char storage[64];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	report_encode(&message, what);
	if (!buf_ok(&message))
		bug("a report that does not fit");
	return fdpass_send(FD_CONTROL, buf_span(&message), NULL, 0, 0);
}

void warm_ready(void)
{
	if (report(&(struct report){ .kind = REPORT_READY }) < 0)
		die(EXIT_TEMPORARY, "the master does not listen");
}

/* The master is gone: nobody is left to report to. */
static void lose_control(struct warm *w)
{
	if (w->intake == w->control)
		w->intake = -1;
	w->control = -1;
}

static void tell(struct warm *w, const struct report *what)
{
	if (w->control >= 0 && report(what) < 0)
		lose_control(w);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void default_signals(void)
{
	sigset_t none;
	handle_with(SIGCHLD, SIG_DFL);
	handle_with(SIGTERM, SIG_DFL);
	handle_with(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		die(EXIT_TEMPORARY, "sigprocmask");
}

static _Noreturn void become_child(struct warm *w, const int *fds)
{
	default_signals();
	_exit(w->work->child(w->work->self, fds));
}

static bool is_complete(const struct warm *w, size_t came)
{
	return came >= w->work->descriptors &&
	       came <= w->work->descriptors + w->work->optional;
}

static void close_range_of(int first, int behind)
{
	for (int fd = first; fd < behind; fd++)
		close(fd);
}

/* A worker's life: work, and an octet that says how it ended. It ends when its parent
 * lets go of it, or when the child's code says that it has served long enough. */
static void run_worker(void *self, int channel)
{
	const struct warm *w = self;
	const struct warm_work *work = w->work;
	unsigned char storage[MESSAGE_MAX + 1], code;
	int fds[FDPASS_MAX + 1];
	size_t came = 0;
	default_signals();
	if (dup2(channel, work->worker) < 0)
		die(EXIT_TEMPORARY, "a worker's channel");
	for (;;) {
		close_range_of(work->worker - (int)work->descriptors, work->worker);
		ssize_t n = fdpass_recv(work->worker, storage, sizeof(storage), fds,
			FDPASS_MAX, &came, 0);
		if (n <= 0)
			_exit(n == 0 ? EXIT_DONE : EXIT_TEMPORARY);
		if (!is_complete(w, came) ||
			!work->decode(work->self, span_of(storage, (size_t)n)))
			bug("work that the parent could understand");
		fds[work->descriptors + work->optional] = work->worker;
		code = (unsigned char)work->child(work->self, fds);
		if (send(work->worker, &code, 1, MSG_NOSIGNAL) != 1)
			_exit(code);
	}
}

/* A process for this work: a worker, or one of its own. -1: none can be had. */
static pid_t find_process(struct warm *w, struct span message, int *fds, size_t came)
{
	const struct warm_work *work = w->work;
	pid_t pid = 0;
	if (children_reserve(&w->children) < 0)
		return -1;
	if (work->worker && work->may_share(work->self))
		pid = workers_give(&w->workers, message, fds, came, run_worker, w);
	if (pid == 0)
		pid = fork();
	if (pid == 0)
		become_child(w, fds);
	return pid;
}

static void start(
	struct warm *w, uint64_t connection, struct span message, int *fds, size_t came)
{
	pid_t pid = find_process(w, message, fds, came);
	if (pid < 0)
		log_line("connection=%llu: cannot fork: %s",
			(unsigned long long)connection, strerror(errno));
	close_all(fds, w->work->descriptors + w->work->optional);
	if (pid < 0) {
		tell(w, &(struct report){ .kind = REPORT_ENDED,
				.connection = connection,
				.status = EXIT_TEMPORARY << 8 });
		return;
	}
	children_add(&w->children, pid, connection);
	tell(w, &(struct report){
			.kind = REPORT_STARTED, .connection = connection, .pid = pid });
}

static void ended(struct warm *w, pid_t pid, int status)
{
	uint64_t connection = children_remove(&w->children, pid);
	if (connection)
		tell(w, &(struct report){ .kind = REPORT_ENDED,
				.connection = connection,
				.pid = pid,
				.status = status });
}

static void reap(struct warm *w)
{
	int status;
	pid_t pid;
	child_ended = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		workers_remove(&w->workers, pid);
		ended(w, pid, status);
	}
}

/* Before reaping: a worker that has said how it ended and died since has ended so. */
static void hear_workers(struct warm *w, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char code;
		pid_t pid =
			p[i].revents ? workers_hear(&w->workers, p[i].fd, &code) : 0;
		if (pid)
			ended(w, pid, code << 8);
	}
}

static void obey_kill(struct warm *w, struct span message)
{
	uint64_t connection;
	if (kill_decode(message, &connection) < 0) {
		log_line("an order that cannot be understood");
		return;
	}
	/* Not reaped yet, so the pid is still this child's. */
	pid_t pid = children_find(&w->children, connection);
	if (pid > 0)
		kill(pid, SIGKILL);
}

static void take_work(struct warm *w, struct span message, int *fds, size_t came)
{
	uint64_t connection =
		is_complete(w, came) ? w->work->decode(w->work->self, message) : 0;
	if (connection) {
		start(w, connection, message, fds, came);
		return;
	}
	log_line("work that cannot be understood");
	close_all(fds, came);
}

static void hear(struct warm *w, int channel)
{
	unsigned char storage[MESSAGE_MAX + 1];
	int fds[FDPASS_MAX];
	size_t came = 0;
	ssize_t n = fdpass_recv(channel, storage, sizeof(storage), fds, FDPASS_MAX,
		&came, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 && errno == EBADMSG) {
		log_line("a message that cannot be understood");
		return;
	}
	if (n <= 0) {
		if (channel == w->control)
			lose_control(w);
		else
			w->intake = -1;
		return;
	}
	struct span message = span_of(storage, (size_t)n);
	if (channel == w->control && msg_type(message) == MESSAGE_KILL) {
		close_all(fds, came);
		obey_kill(w, message);
	} else if (channel == w->intake) {
		take_work(w, message, fds, came);
	} else {
		close_all(fds, came);
	}
}

static void end_children(struct warm *w)
{
	told_to_end = 0;
	w->ending = true;
	workers_dismiss(&w->workers);
	for (uint32_t i = 0; i < w->children.n; i++)
		kill(w->children.entries[i].pid, SIGTERM);
}

static bool is_over(const struct warm *w)
{
	return w->children.n == 0 && (w->ending || (w->control < 0 && w->intake < 0));
}

/* How long to wait: to the next tick, or for ever. */
static const struct timespec *patience(const struct warm *w, struct timespec *wait)
{
	int64_t left = w->next_tick - io_now();
	if (!w->work->tick)
		return NULL;
	if (left < 0)
		left = 0;
	*wait = (struct timespec){ .tv_sec = left / 1000,
		.tv_nsec = left % 1000 * 1000000 };
	return wait;
}

/* A busy channel must not keep the tick from coming. */
static void tick(struct warm *w)
{
	if (!w->work->tick || io_now() < w->next_tick)
		return;
	w->next_tick = io_now() + w->work->tick_ms;
	w->work->tick(w->work->self);
}

static void turn(struct warm *w)
{
	struct timespec wait;
	struct pollfd p[2 + WORKERS_MAX] = {
		{ .fd = w->control, .events = POLLIN },
		{ .fd = w->intake == w->control ? -1 : w->intake, .events = POLLIN },
	};
	size_t busy = workers_poll(&w->workers, p + 2);
	sigset_t none;
	sigemptyset(&none);
	if (w->ending) {
		/* KILL may still come, work may not. */
		p[1].fd = -1;
		if (w->intake == w->control)
			w->intake = -1;
	}
	int n = ppoll(p, 2 + busy, patience(w, &wait), &none);
	if (n < 0 && errno != EINTR)
		die(EXIT_TEMPORARY, "ppoll");
	if (n > 0)
		hear_workers(w, p + 2, busy);
	/* ppoll(2) lets no signal in when a channel is ready already: under load
	 * the children are looked after without one. */
	if (child_ended || (n > 0 && w->children.n > 0))
		reap(w);
	if (told_to_end)
		end_children(w);
	if (n > 0 && p[0].revents)
		hear(w, p[0].fd);
	if (n > 0 && p[1].revents && !w->ending)
		hear(w, p[1].fd);
	tick(w);
}

_Noreturn void warm_run(const struct warm_work *work)
{
	struct warm w = { .work = work, .control = FD_CONTROL, .intake = work->intake };
	if (work->descriptors + work->optional > FDPASS_MAX)
		bug("too many descriptors");
	while (!is_over(&w))
		turn(&w);
	exit(EXIT_DONE);
}
