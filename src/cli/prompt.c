/*
 * prompt: passwords from a terminal without echo, or from standard input. Whatever ends
 * the wait, the terminal is left as it was found: signals are taken through a
 * signalfd while the echo is off, and raised again afterwards.
 */
#include "cli/prompt.h"

#include "accounts/name.h"
#include "base/io.h"
#include "postern/login.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* One line without its line end (LF or CRLF). 0; or -1 when there is none or it
 * does not fit. */
static int take_line(struct secret *line, const char *text, size_t n)
{
	const char *lf = memchr(text, '\n', n);
	size_t length = lf ? (size_t)(lf - text) : n;
	if (lf && length && text[length - 1] == '\r')
		length--;
	return n ? secret_set(line, span_of(text, length)) : -1;
}

/* Reads until a line feed, the end, or a full buffer; whoever is signalled stops. */
static ssize_t read_line(int fd, int signals, char *text, size_t size)
{
	size_t n = 0;
	while (n < size && !memchr(text, '\n', n)) {
		struct pollfd wait[2] = { { .fd = fd, .events = POLLIN },
			{ .fd = signals, .events = POLLIN } };
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (wait[1].revents)
			return -1;
		if (!wait[0].revents)
			continue;
		ssize_t got = io_read(fd, text + n, size - n);
		if (got <= 0)
			return got < 0 ? -1 : (ssize_t)n;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int get_line(int fd, int signals, struct secret *line)
{
	char text[SECRET_MAX + 2];
	ssize_t n = read_line(fd, signals, text, sizeof(text));
	int result = n < 0 ? -1 : take_line(line, text, (size_t)n);
	explicit_bzero(text, sizeof(text));
	return result;
}

static int ask_without_echo(
	int tty, int signals, const char *question, struct secret *line)
{
	struct termios before, silent;
	if (tcgetattr(tty, &before) < 0)
		return -1;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return -1;
	int result = io_write_all(tty, span_str(question), IO_FOREVER);
	if (result == 0)
		result = get_line(tty, signals, line);
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	(void)io_write_all(tty, span_str("\n"), IO_FOREVER);
	return result;
}

/* With the signals that end or stop a process held back while the echo is off. */
static int ask(int tty, const char *question, struct secret *line)
{
	sigset_t held, old;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigaddset(&held, SIGTSTP);
	if (sigprocmask(SIG_BLOCK, &held, &old) < 0)
		return -1;
	int signals = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
	int result = signals < 0 ? -1 : ask_without_echo(tty, signals, question, line);
	io_close(&signals);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return result;
}

static int from_terminal(
	const struct cli *cli, const char *name, struct secret *password)
{
	char question[64 + ACCOUNT_NAME_MAX];
	struct secret again = { 0 };
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return cli_misuse(cli, "there is no terminal; use --stdin");
	snprintf(question, sizeof(question), "Password for %s: ", name);
	int result = 0;
	if (ask(tty, question, password) < 0 ||
		ask(tty, "The same again: ", &again) < 0)
		result = cli_error("no password was given");
	else if (!secret_eq(secret_span(password), secret_span(&again)))
		result = cli_error("the two passwords are not the same");
	secret_wipe(&again);
	close(tty);
	return result;
}

static int check(struct span password)
{
	if (!password.n)
		return cli_error("the password is empty");
	if (password.n > LOGIN_PASSWORD_MAX)
		return cli_error("the password is longer than %d octets",
			(int)LOGIN_PASSWORD_MAX);
	if (!utf8_valid(password))
		return cli_error("the password is not valid UTF-8");
	for (size_t i = 0; i < password.n; i++) {
		if (password.p[i] < 0x20 || password.p[i] == 0x7f)
			return cli_error("the password holds a control character");
	}
	return 0;
}

int prompt_password(const struct cli *cli, const char *name, struct secret *password)
{
	int result = 0;
	secret_wipe(password);
	if (!cli_flag(cli, "stdin"))
		result = from_terminal(cli, name, password);
	else if (get_line(STDIN_FILENO, -1, password) < 0)
		result = cli_error("no password on standard input");
	if (result == 0)
		result = check(secret_span(password));
	if (result)
		secret_wipe(password);
	return result;
}
