/*
 * warm: the loop of every warm parent.
 *
 * Runs as: what the program runs as; libc only (pop3-session links it statically).
 * Trusts: the master, and what comes on the intake (the session's comes from
 * auth, root to root); a message that cannot be understood there costs a log line.
 * A peer's octet never comes near it.
 *
 * Reports are blocking writes: the master never blocks on our channel, so it always
 * comes back to read them; when it is gone the write fails and reporting ends.
 * What becomes of work is told in give.c.
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
#include "warm/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { LOG_PATIENCE_MS = 250 };

/* A signal handler can be passed nothing, so these two are global. They are
 * written only while ppoll(2) lets signals in. */
static volatile sig_atomic_t child_ended, told_to_end;

enum { TAKE_MOST = 1024 }; /* from the intake before a KILL: more than it holds */

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

void loop_default_signals(void)
{
	sigset_t none;
	handle_with(SIGCHLD, SIG_DFL);
	handle_with(SIGTERM, SIG_DFL);
	handle_with(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		die(EXIT_TEMPORARY, "sigprocmask");
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
	log_to_logger(LOG_PATIENCE_MS);
	harden();
	sigset_t blocked = loop_signals();
	if (sigprocmask(SIG_SETMASK, &blocked, NULL) < 0)
		die(EXIT_TEMPORARY, "sigprocmask");
	handle_with(SIGCHLD, on_signal);
	handle_with(SIGTERM, on_signal);
	handle_with(SIGHUP, SIG_IGN);
	receive_setup(message);
}

_Noreturn void warm_unheard(void)
{
	/* It has given up, because of another program; and said so. */
	if (errno == EPIPE || errno == ECONNRESET)
		exit(EXIT_TEMPORARY);
	die(EXIT_TEMPORARY, "the master does not listen");
}

void warm_ready(void)
{
	if (loop_report(&(struct report){ .kind = REPORT_READY }) < 0)
		warm_unheard();
}

static bool hear(struct warm *w, int channel);

static void obey_kill(struct warm *w, struct span message)
{
	uint64_t connection;
	if (kill_decode(message, &connection) < 0) {
		log_line("an order that cannot be understood");
		return;
	}
	/* Whom it means may wait on the intake. */
	for (int most = TAKE_MOST; most > 0 && w->intake != w->control && !w->ending &&
				   hear(w, w->intake);)
		most--;
	/* Not reaped yet, so the pid is still this child's. */
	pid_t pid = children_find(&w->children, connection);
	if (pid > 0)
		kill(pid, SIGKILL);
	loop_tell(w,
		&(struct report){
			.kind = REPORT_OBEYED, .connection = connection, .pid = pid });
}

static void take_work(struct warm *w, struct span message, int *fds, size_t came)
{
	uint64_t connection =
		loop_is_complete(w, came) ? w->work->decode(w->work->self, message) : 0;
	if (connection) {
		loop_start(w, connection, message, fds, came);
		return;
	}
	log_line("work that cannot be understood");
	loop_close(fds, came);
}

/* True: something came. */
static bool hear(struct warm *w, int channel)
{
	/* Not on the stack: the child's whole life goes on below this frame. */
	static unsigned char storage[MESSAGE_MAX + 1];
	int fds[FDPASS_MAX];
	size_t came = 0;
	ssize_t n = fdpass_recv(channel, storage, sizeof(storage), fds, FDPASS_MAX,
		&came, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0 && errno == EBADMSG) {
		log_line("a message that cannot be understood");
		return true;
	}
	if (n <= 0) {
		if (channel == w->control)
			loop_lose_control(w);
		else
			w->intake = -1;
		return false;
	}
	struct span message = span_of(storage, (size_t)n);
	if (channel == w->control && msg_type(message) == MESSAGE_KILL) {
		loop_close(fds, came);
		obey_kill(w, message);
	} else if (channel == w->intake) {
		take_work(w, message, fds, came);
	} else {
		loop_close(fds, came);
	}
	return true;
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
		loop_hear_workers(w, p + 2, busy);
	/* ppoll(2) lets no signal in when a channel is ready already: under load
	 * the children are looked after without one. */
	if (child_ended || (n > 0 && w->children.n > 0)) {
		child_ended = 0;
		loop_reap(w);
	}
	if (told_to_end)
		end_children(w);
	if (n > 0 && p[0].revents)
		(void)hear(w, p[0].fd);
	if (n > 0 && p[1].revents && !w->ending)
		(void)hear(w, p[1].fd);
	tick(w);
}

_Noreturn void warm_run(const struct warm_work *work)
{
	struct warm w = { .work = work, .control = FD_CONTROL, .intake = work->intake };
	if (work->descriptors + work->optional > FDPASS_MAX)
		bug("too many descriptors");
	while (!is_over(&w))
		turn(&w);
	if (work->end)
		work->end(work->self);
	exit(EXIT_DONE);
}
