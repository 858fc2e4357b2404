/*
 * kill: see kill.h.
 */
#include "fault/kill.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "FAIL kill: %s (%s)\n", what, strerror(errno));
	exit(1);
}

/* The child, stopped in front of act(self). */
static pid_t born(void (*act)(void *self), void *self)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		raise(SIGSTOP);
		act(self);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("fork");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("skipped: ptrace(2) is not allowed here\n");
		exit(77);
	}
	return pid;
}

long kill_at(void (*act)(void *self), void *self, long n)
{
	int status;
	pid_t pid = born(act, self);
	for (long i = 1; n == 0 || i <= n; i++) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 ||
			waitpid(pid, &status, 0) != pid)
			fail("ptrace");
		if (WIFEXITED(status)) {
			if (WEXITSTATUS(status) != 0)
				fail("the process failed by itself");
			return i - 1;
		}
		if (!WIFSTOPPED(status))
			fail("the process died by itself");
	}
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		fail("kill");
	return n;
}

static uint64_t clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Has the child ended by itself? */
static bool ended(pid_t pid, int options)
{
	int status;
	pid_t got = waitpid(pid, &status, options);
	if (got < 0)
		fail("waitpid");
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		fail("the process failed by itself");
	return got == pid;
}

uint64_t kill_after(void (*act)(void *self), void *self, uint64_t nanoseconds)
{
	uint64_t began = clock_now();
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		act(self);
		_exit(0);
	}
	if (nanoseconds == UINT64_MAX)
		return ended(pid, 0) ? clock_now() - began : 0;
	while (clock_now() - began < nanoseconds)
		if (ended(pid, WNOHANG))
			return clock_now() - began;
	kill(pid, SIGKILL);
	ended(pid, 0);
	return clock_now() - began;
}
