/*
 * child: see child.h. Signals are blocked from before the fork until the child has put
 * its own actions in place.
 */
#include "master/child.h"

#include "base/die.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

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
