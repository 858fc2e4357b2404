/*
 * logger: reads lines from a pipe, writes them to syslog(3).
 *
 * Runs as: the gate's user, after it has opened the log; no descriptor but the
 * pipe. Distrusts: the lines; they are text to it, never a format.
 * Fails: ends; the master starts it again. Ends when every writer is gone.
 */
#include "master/logger.h"

#include "base/drop.h"
#include "base/io.h"
#include "base/log.h"
#include "master/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>

int logger_open(int *reading)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	/* A log that is full costs the line, not the service. */
	if (io_nonblock(pair[1]) < 0 || dup2(pair[1], STDERR_FILENO) < 0)
		return -1;
	close(pair[1]);
	*reading = pair[0];
	return 0;
}

static void write_lines(struct buf *lines)
{
	for (;;) {
		struct span all = buf_span(lines);
		size_t n = span_find(all, '\n');
		if (n == all.n && all.n < LOG_LINE_MAX)
			return;
		syslog(LOG_INFO, "%.*s", (int)n, (const char *)all.p);
		buf_consume(lines, n < all.n ? n + 1 : n);
	}
}

static _Noreturn void serve(int reading)
{
	struct buf lines;
	buf_init(&lines, 64 * LOG_LINE_MAX);
	for (;;) {
		unsigned char *room = buf_reserve(&lines, LOG_LINE_MAX);
		ssize_t n = room ? io_read(reading, room, LOG_LINE_MAX) : -1;
		if (n <= 0)
			_exit(n < 0);
		buf_commit(&lines, (size_t)n);
		write_lines(&lines);
	}
}

static int drop(const char *name)
{
	if (geteuid() != 0)
		return 0;
	const struct passwd *user = getpwnam(name);
	return user ? drop_to(user->pw_uid, user->pw_gid, NULL, 0) : -1;
}

static _Noreturn void become(const struct config *config, int reading)
{
	/* It outlives the master, to take its last line. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	int null = open("/dev/null", O_RDWR);
	if (dup2(reading, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(1);
	closefrom(3);
	openlog("postern", LOG_NDELAY, LOG_MAIL);
	if (drop(config->user) < 0)
		_exit(1);
	serve(0);
}

pid_t logger_start(const struct config *config, int reading)
{
	pid_t pid = child_fork();
	if (pid == 0)
		become(config, reading);
	return pid < 0 ? 0 : pid;
}
