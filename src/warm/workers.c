/*
 * workers: see workers.h. Runs as the warm parent; libc only.
 *
 * Trusts its workers as little as any child: what one says is one octet, and only about
 * the connection that it was given. Fails: a worker that dies or says nothing sensible
 * is let go of, and its end is reported as any child's.
 */
#include "warm/workers.h"

#include "base/die.h"
#include "base/io.h"
#include "ipc/fdpass.h"

#include <sys/socket.h>
#include <unistd.h>

static void let_go(struct workers *workers, size_t i)
{
	io_close(&workers->entries[i].channel);
	workers->entries[i] = workers->entries[--workers->n];
}

static struct worker *find_idle(struct workers *workers)
{
	for (size_t i = workers->n; i > 0; i--)
		if (!workers->entries[i - 1].busy)
			return &workers->entries[i - 1];
	return NULL;
}

/* The child keeps only its own end: whoever held another's would keep it alive. */
static struct worker *make(
	struct workers *workers, void (*run)(void *self, int channel), void *self)
{
	int ends[2];
	if (workers->n == WORKERS_MAX ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return NULL;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		workers_forget(workers);
		run(self, ends[1]);
		bug("a worker that came back");
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return NULL;
	}
	struct worker *worker = &workers->entries[workers->n++];
	*worker = (struct worker){ .channel = ends[0], .pid = pid };
	return worker;
}

pid_t workers_give(struct workers *workers, struct span message, const int *fds,
	size_t n, void (*run)(void *self, int channel), void *self)
{
	struct worker *worker;
	while ((worker = find_idle(workers)) || (worker = make(workers, run, self))) {
		if (fdpass_send(worker->channel, message, fds, n, MSG_DONTWAIT) == 0) {
			worker->busy = true;
			worker->works++;
			return worker->pid;
		}
		bool fresh = worker->works == 0;
		let_go(workers, (size_t)(worker - workers->entries));
		if (fresh)
			break;
	}
	return 0;
}

size_t workers_poll(const struct workers *workers, struct pollfd *p)
{
	size_t n = 0;
	for (size_t i = 0; i < workers->n; i++)
		if (workers->entries[i].busy)
			p[n++] = (struct pollfd){ .fd = workers->entries[i].channel,
				.events = POLLIN };
	return n;
}

static size_t count_idle(const struct workers *workers)
{
	size_t idle = 0;
	for (size_t i = 0; i < workers->n; i++)
		idle += !workers->entries[i].busy;
	return idle;
}

pid_t workers_hear(struct workers *workers, int channel, unsigned char *code)
{
	size_t i = 0;
	while (i < workers->n && workers->entries[i].channel != channel)
		i++;
	if (i == workers->n)
		return 0;
	struct worker *worker = &workers->entries[i];
	pid_t pid = worker->pid;
	if (recv(channel, code, 1, MSG_DONTWAIT) != 1) {
		let_go(workers, i);
		return 0;
	}
	worker->busy = false;
	if (worker->works >= WORKERS_WORKS || count_idle(workers) > WORKERS_IDLE)
		let_go(workers, i);
	return pid;
}

void workers_remove(struct workers *workers, pid_t pid)
{
	for (size_t i = workers->n; i > 0; i--)
		if (workers->entries[i - 1].pid == pid)
			let_go(workers, i - 1);
}

void workers_dismiss(struct workers *workers)
{
	for (size_t i = workers->n; i > 0; i--)
		if (!workers->entries[i - 1].busy)
			let_go(workers, i - 1);
}

void workers_forget(struct workers *workers)
{
	while (workers->n)
		let_go(workers, workers->n - 1);
}
