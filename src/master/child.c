/*
 * child: see child.h. Signals are blocked from before the fork until the child has put
 * its own actions in place.
 */
#include "master/child.h"

#include "base/die.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static void default_signals(void)
{
	static const int ours[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	sigemptyset(&action.sa_mask);
	sigemptyset(&none);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (sigaction(ours[i], &action, NULL) < 0)
			die(EXIT_TEMPORARY, "sigaction");
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		die(EXIT_TEMPORARY, "sigprocmask");
}

int child_adopt(void)
{
#ifdef PR_SET_CHILD_SUBREAPER
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#else
	return 0;
#endif
}

/* Of another process's child waitid(2) knows nothing, so a number that is somebody
 * else's by now is not taken for ours. */
bool child_is_ours(pid_t pid)
{
	siginfo_t info;
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void child_kill(pid_t pid)
{
	if (child_is_ours(pid))
		kill(pid, SIGKILL);
}

pid_t child_fork(void)
{
	sigset_t all, before;
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		default_signals();
		return 0;
	}
	int error = errno;
	if (sigprocmask(SIG_SETMASK, &before, NULL) < 0)
		bug("sigprocmask");
	errno = error;
	return pid;
}
