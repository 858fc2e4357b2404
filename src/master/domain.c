/*
 * domain: see domain.h. Everything between fork and execve of a warm parent
 * stands in become(): the gate's is no longer root before the program's first
 * instruction.
 *
 * Distrusts: reports. One that cannot be understood is logged and left out; what it
 * would have told comes by other ways (hang-ups, deadlines).
 */
#include "master/domain.h"

#include "base/die.h"
#include "base/drop.h"
#include "base/io.h"
#include "base/log.h"
#include "ipc/fdpass.h"
#include "master/child.h"
#include "postern/fds.h"
#include "postern/setup.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const programs[DOMAINS] = {
	[DOMAIN_GATE] = "pop3-gate",
	[DOMAIN_AUTH] = "postern-auth",
	[DOMAIN_SESSION] = "pop3-session",
	[DOMAIN_KEEPER] = "postern-keeper",
};

const char *domain_program(enum domain_kind kind)
{
	return programs[kind];
}

static int lay_table(int control, const struct domain_launch *launch)
{
	int fds[FDTAB_MAX] = { control };
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || launch->fds_n >= FDTAB_MAX)
		return -1;
	for (int i = 0; i < launch->fds_n; i++)
		fds[i + 1] = launch->fds[i] < 0 ? null : launch->fds[i];
	/* 0 and 1 first: fdtab_place() closes the number that null has. */
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(launch->log, FD_LOG) < 0)
		return -1;
	return fdtab_place_for_exec(FD_CONTROL, fds, launch->fds_n + 1);
}

static _Noreturn void become(
	const char *name, int control, const struct domain_launch *launch)
{
	char path[SETUP_PATH_MAX + 64];
	char *argv[] = { (char *)(uintptr_t)name, NULL };
	char *environment[] = { NULL };
	int n = snprintf(path, sizeof(path), "%s/%s", launch->programs, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		die(EXIT_TEMPORARY, "the path of %s is too long", name);
	if (setsid() < 0)
		die(EXIT_TEMPORARY, "%s", name);
	if (lay_table(control, launch) < 0)
		die(EXIT_TEMPORARY, "descriptors for %s", name);
	if (launch->drop && (sandbox_before_drop() < 0 ||
				    drop_to(launch->uid, launch->gid, NULL, 0) < 0))
		die(EXIT_TEMPORARY, "cannot become the user of %s", name);
	execve(path, argv, environment);
	die(EXIT_TEMPORARY, "cannot start %s", path);
}

/* A few messages, each with its descriptors, may be under way; the others wait in the
 * master, which knows whose turn it is. For the kernel this is a hint about octets. */
static void narrow(int control)
{
	const int octets = 8192;
	(void)setsockopt(control, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
}

int domain_start(struct domain *domain, const struct domain_launch *launch)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pid_t pid = child_fork();
	if (pid == 0)
		become(domain_program(domain->kind), pair[1], launch);
	close(pair[1]);
	if (pid < 0) {
		int error = errno;
		close(pair[0]);
		errno = error;
		return -1;
	}
	domain->pid = pid;
	domain->control = pair[0];
	domain->state = DOMAIN_STARTING;
	domain->started = io_now();
	/* A program that is gone already is found when it is reaped. */
	(void)fdpass_send(pair[0], launch->setup, NULL, 0, MSG_DONTWAIT);
	narrow(pair[0]);
	return 0;
}

int domain_hear(
	struct domain *domain, struct report *report, void *storage, size_t size)
{
	for (;;) {
		/* recv(2) has no place for descriptors: none comes from below. */
		ssize_t n =
			recv(domain->control, storage, size, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		if ((size_t)n <= size &&
			report_decode(span_of(storage, (size_t)n), report) == 0)
			return 1;
		log_line("%s[%ld] sent a report that cannot be understood",
			domain_program(domain->kind), (long)domain->pid);
	}
}
