/*
 * give: a piece of work becomes a process's, and its end a report. Runs as the warm
 * parent; the children that it forks go on in the domain's own code.
 *
 * Work comes in a fork of its own, or, where the domain lets a child do more than one
 * piece (auth), to a worker. Fails: a fork that fails is reported as a child that ended
 * with EXIT_TEMPORARY.
 */
#include "warm/loop.h"

#include "base/die.h"
#include "base/fdtab.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "ipc/msg.h"
#include "postern/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int loop_report(const struct report *what)
{
	unsigned char storage[64];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	report_encode(&message, what);
	if (!buf_ok(&message))
		bug("a report that does not fit");
	return fdpass_send(FD_CONTROL, buf_span(&message), NULL, 0, 0);
}

/* The master is gone: nobody is left to report to. */
void loop_lose_control(struct warm *w)
{
	if (w->intake == w->control)
		w->intake = -1;
	w->control = -1;
}

void loop_tell(struct warm *w, const struct report *what)
{
	if (w->control >= 0 && loop_report(what) < 0)
		loop_lose_control(w);
}

void loop_close(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static _Noreturn void become_child(struct warm *w, const int *fds)
{
	loop_default_signals();
	_exit(w->work->child(w->work->self, fds));
}

bool loop_is_complete(const struct warm *w, size_t came)
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
	loop_default_signals();
	if (dup3(channel, work->worker, O_CLOEXEC) < 0)
		die(EXIT_TEMPORARY, "a worker's channel");
	const int first = work->worker - (int)work->descriptors;
	close_range_of(first, work->worker);
	if (fdtab_close_from(work->worker + 1) < 0)
		die(EXIT_TEMPORARY, "a worker's descriptors");
	for (;;) {
		ssize_t n = fdpass_recv(work->worker, storage, sizeof(storage), fds,
			FDPASS_MAX, &came, 0);
		if (n <= 0)
			_exit(n == 0 ? EXIT_DONE : EXIT_TEMPORARY);
		if (!loop_is_complete(w, came) ||
			!work->decode(work->self, span_of(storage, (size_t)n)))
			bug("work that the parent could understand");
		fds[work->descriptors + work->optional] = work->worker;
		code = (unsigned char)work->child(work->self, fds);
		close_range_of(first, work->worker);
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

void loop_start(
	struct warm *w, uint64_t connection, struct span message, int *fds, size_t came)
{
	pid_t pid = find_process(w, message, fds, came);
	if (pid < 0)
		log_line("connection=%llu: cannot fork: %s",
			(unsigned long long)connection, strerror(errno));
	loop_close(fds, w->work->descriptors + w->work->optional);
	if (pid < 0) {
		loop_tell(w, &(struct report){ .kind = REPORT_ENDED,
				     .connection = connection,
				     .status = EXIT_TEMPORARY << 8 });
		return;
	}
	children_add(&w->children, pid, connection);
	loop_tell(w,
		&(struct report){
			.kind = REPORT_STARTED, .connection = connection, .pid = pid });
}

static void ended(struct warm *w, pid_t pid, int status)
{
	uint64_t connection = children_remove(&w->children, pid);
	if (connection)
		loop_tell(w, &(struct report){ .kind = REPORT_ENDED,
				     .connection = connection,
				     .pid = pid,
				     .status = status });
}

void loop_reap(struct warm *w)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		workers_remove(&w->workers, pid);
		ended(w, pid, status);
	}
}

/* Before reaping: a worker that has said how it ended and died since has ended so. */
void loop_hear_workers(struct warm *w, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char code;
		pid_t pid =
			p[i].revents ? workers_hear(&w->workers, p[i].fd, &code) : 0;
		if (pid)
			ended(w, pid, code << 8);
	}
}
