/*
 * walls_process: what an attacker may try with processes: to make one, to read or
 * signal another. Which of it works, is refused or kills stands in the table of
 * walls.c.
 */
#include "walls.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

int try_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

int try_thread(void)
{
	return (int)syscall(SYS_clone,
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, 0,
		0, 0);
}

int try_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int clone_with(int flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid((pid_t)pid, NULL, 0);
}

int try_clone_users(void)
{
	return clone_with(CLONE_NEWUSER);
}

int try_clone_mounts(void)
{
	return clone_with(CLONE_NEWNS);
}

int try_clone3(void)
{
	return (int)syscall(SYS_clone3, NULL, 0);
}

int try_exec(void)
{
	char *argv[] = { (char *)(uintptr_t) "true", NULL }, *envp[] = { NULL };
	execve("/bin/true", argv, envp);
	return -1;
}

int try_exec_gone(void)
{
	char *argv[] = { (char *)(uintptr_t) "x", NULL }, *envp[] = { NULL };
	return (int)syscall(SYS_execveat, place.outside_fd, "", argv, envp, 0x1000);
}

/* What a module of PAM may want: a helper program, which then has the same walls. */
int try_helper(void)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		(void)try_exec();
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

int try_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, place.other, 0, 0);
}

int try_vm_read(void)
{
	char octets[8];
	struct iovec mine = { octets, 8 }, theirs = { octets, 8 };
	return (int)process_vm_readv(place.other, &mine, 1, &theirs, 1, 0);
}

int try_kill_other(void)
{
	return kill(place.other, SIGUSR1);
}

int try_kill_all(void)
{
	return kill(-1, SIGCONT);
}

int try_abort_other(void)
{
	return (int)syscall(SYS_tgkill, place.other, place.other, SIGCONT);
}

int try_signal_self(void)
{
	signal(SIGABRT, SIG_IGN);
	return (int)syscall(SYS_tgkill, getpid(), getpid(), SIGABRT);
}

int try_sigio(void)
{
	return fcntl(place.pair[0], F_SETOWN, place.other);
}
