/*
 * postern-keeper: the TLS private key, and the keys of session tickets.
 *
 * Runs as: its own user, from before its exec on; never root.
 * Links: libcrypto.
 * Parent: reads certificate and key at its start, then starts the workers and waits for
 * their ends. Workers: hold the control channel and, for the moment of an
 * answer, a gate's channel (a few, while a ticket that did not open waits for its
 * signature). No file, no network, no process.
 * Trusts: the master. Distrusts: every octet of a gate; see form.c for what can be
 * had from it.
 * Fails: a certificate or key that cannot be used ends it with EXIT_REFUSED and a line
 * that names the file, so that the master keeps what it had. A worker that dies is
 * replaced; one that dies at birth ends the keeper, which the master starts again.
 */
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "keeper/worker.h"
#include "postern/abi.h"
#include "postern/fds.h"
#include "sandbox/sandbox.h"
#include "warm/warm.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { BIRTH_MS = 1000 };

struct worker {
	pid_t pid; /* 0: ended, as it should */
	int64_t born;
};

struct keeper {
	struct keeper_setup setup;
	struct key key;
	struct tickets tickets;
	struct worker workers[KEEPER_WORKERS_MAX];
};

static void begin(struct keeper *k)
{
	struct buf message;
	buf_init(&message, MESSAGE_MAX + 1);
	warm_begin("postern-keeper", FD_KEEPER_LAST, &message);
	if (keeper_setup_decode(buf_span(&message), &k->setup) < 0)
		die(EXIT_MALFORMED, "a set-up that cannot be understood");
	buf_free(&message);
	if (key_read(&k->key, &k->setup) < 0)
		_exit(EXIT_REFUSED);
	if (tickets_begin(&k->tickets) < 0)
		die(EXIT_TEMPORARY, "keys for tickets");
	if (sandbox_keeper_parent() < 0)
		die(EXIT_TEMPORARY, "sandbox");
}

static _Noreturn void become_worker(const struct keeper *k, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	if (signal(SIGTERM, SIG_DFL) == SIG_ERR ||
		signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
		sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		die(EXIT_TEMPORARY, "signals");
#ifdef __linux__
	/* Without the parent nobody would end or replace it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		die(EXIT_TEMPORARY, "the keeper is gone");
#else
	(void)parent;
#endif
	worker_run(&k->key, &k->tickets, k->setup.witness_key);
}

static void start(struct keeper *k, struct worker *w)
{
	pid_t parent = getpid();
	w->born = io_now();
	w->pid = fork();
	if (w->pid == 0)
		become_worker(k, parent);
	if (w->pid < 0)
		die(EXIT_TEMPORARY, "fork");
}

static void end_all(struct keeper *k)
{
	for (uint32_t i = 0; i < k->setup.workers; i++)
		if (k->workers[i].pid)
			kill(k->workers[i].pid, SIGTERM);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	_exit(EXIT_DONE);
}

static void ended(struct keeper *k, struct worker *w, int status)
{
	w->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE)
		return;
	log_line("a worker ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	errno = 0;
	if (io_now() - w->born < BIRTH_MS)
		die(EXIT_TEMPORARY, "the worker had just begun");
	start(k, w);
}

/* True while a worker is left. */
static bool reap(struct keeper *k)
{
	int status;
	pid_t pid;
	bool left = false;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (uint32_t i = 0; i < k->setup.workers; i++)
			if (k->workers[i].pid == pid)
				ended(k, &k->workers[i], status);
	for (uint32_t i = 0; i < k->setup.workers; i++)
		left = left || k->workers[i].pid;
	return left;
}

/* The signals are blocked since warm_begin(). */
static int next_signal(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	return sigwaitinfo(&set, NULL);
}

int main(void)
{
	static struct keeper keeper;
	begin(&keeper);
	for (uint32_t i = 0; i < keeper.setup.workers; i++)
		start(&keeper, &keeper.workers[i]);
	warm_ready();
	/* Only the workers listen: the channel ends for them. */
	for (;;) {
		int number = next_signal();
		if (number == SIGTERM)
			end_all(&keeper);
		if (number == SIGCHLD && !reap(&keeper))
			return EXIT_DONE;
	}
}
