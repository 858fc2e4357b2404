/*
 * vigil: a process forked from the auth child once a system account has been accepted.
 * Runs as root, as what opens a PAM session must; holds PAM's handle, one end of a pipe
 * and the log, and reads nothing. The other end of the pipe, the lifeline, goes
 * with the identity into the mail session; whoever holds it says by living that the
 * session goes on, and can say nothing else.
 *
 * Trusts: PAM's modules. Fails: a session that does not open is our fault. If the
 * auth child dies before the identity went off, the lifeline dies with it and the
 * session is closed. SIGTERM is ignored: mail sessions end on it, and then this.
 */
#include "auth/vigil.h"

#include "base/die.h"
#include "base/fdtab.h"
#include "base/io.h"
#include "base/log.h"
#include "postern/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { FD_LIFE = FD_LOG + 1, FD_TOLD };

static void forget_password(const struct talk *talk)
{
	struct span password = talk->conversation.password;
	if (password.n)
		explicit_bzero((void *)(uintptr_t)password.p, password.n);
}

static _Noreturn void keep(struct talk *talk, int life, int told)
{
	const int fds[] = { life, told };
	unsigned char opened;
	if (fdtab_place(FD_LIFE, fds, 2) < 0 || signal(SIGTERM, SIG_IGN) == SIG_ERR ||
		signal(SIGHUP, SIG_IGN) == SIG_ERR ||
		signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die(EXIT_TEMPORARY, "the keeper of a PAM session");
	forget_password(talk);
	opened = talk_session_open(talk) == RESULT_ACCEPTED;
	/* When nobody listens any more, nobody holds the lifeline either. */
	ssize_t ignored = write(FD_TOLD, &opened, 1);
	(void)ignored;
	close(FD_TOLD);
	while (opened && io_read(FD_LIFE, &(char){ 0 }, 1) > 0)
		;
	if (opened)
		talk_session_close(talk);
	talk_close(talk, RESULT_ACCEPTED);
	_exit(EXIT_DONE);
}

static enum source_result fault(const struct claim *claim, const char *what)
{
	log_line("connection=%llu PAM session: %s: %s",
		(unsigned long long)claim->facts->connection, what, strerror(errno));
	return RESULT_FAULT;
}

enum source_result vigil_begin(struct talk *talk, struct claim *claim)
{
	int life[2], told[2];
	unsigned char opened = 0;
	if (pipe2(life, O_CLOEXEC) < 0 || pipe2(told, O_CLOEXEC) < 0)
		return fault(claim, "pipe");
	claim->soiled = true;
	pid_t pid = fork();
	if (pid < 0)
		return fault(claim, "fork");
	if (pid == 0)
		keep(talk, life[0], told[1]);
	close(life[0]);
	close(told[1]);
	ssize_t n = io_read(told[0], &opened, 1);
	close(told[0]);
	if (n != 1 || !opened) {
		close(life[1]);
		return RESULT_FAULT;
	}
	claim->lifeline = life[1];
	return RESULT_ACCEPTED;
}
