/*
 * posternd: the master. This file: the command line, becoming a daemon, signals,
 * the pid file. See master.c for what it is and whom it trusts.
 *
 * Exit codes: 0 it was told to end (with -n: all is well), 1 it could not
 * start, 2 it was called wrongly.
 */
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "config/config.h"
#include "master/child.h"
#include "master/logger.h"
#include "master/master.h"
#include "master/place.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: posternd [-c FILE] [-F] [-n] [-v] [-h]\n"
	"\n"
	"  -c FILE  the configuration; default " POSTERN_SYSCONFDIR "/postern.conf\n"
	"  -F       stay in the foreground and log to standard error\n"
	"  -n       check the configuration, the certificate and the programs, print\n"
	"           the effective configuration, and end\n"
	"  -v       print the version (also --version)\n"
	"  -h       print this (also --help)\n"
	"\n"
	"posternd(8) and postern.conf(5) explain the rest.\n";

struct options {
	const char *config;
	bool foreground, check;
};

/* Where signal handlers write; the master reads the other end. */
static int signal_pipe = -1;

static void on_signal(int number)
{
	int error = errno;
	unsigned char octet = (unsigned char)number;
	/* A full pipe has enough to wake the master already. */
	(void)!write(signal_pipe, &octet, 1);
	errno = error;
}

/* -1, or an exit code. */
static int read_options(int argc, char **argv, struct options *options)
{
	*options = (struct options){ .config = POSTERN_SYSCONFDIR "/postern.conf" };
	static const struct option words[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	for (int option;
		(option = getopt_long(argc, argv, "c:Fnvh", words, NULL)) >= 0;)
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'F':
			options->foreground = true;
			break;
		case 'n':
			options->check = true;
			break;
		case 'v':
			printf("posternd %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	if (optind == argc)
		return -1;
	fputs(usage, stderr);
	return 2;
}

static int catch_signals(void)
{
	static const int ours[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	int pair[2];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	signal_pipe = pair[1];
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (sigaction(ours[i], &action, NULL) < 0)
			return -1;
	action.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, &action, NULL) < 0)
		return -1;
	return pair[0];
}

/* Mistakes and warnings go to standard error, as they are. */
static int load(const struct options *options, struct config *config)
{
	struct buf errors;
	buf_init(&errors, 65536);
	int result = config_load(config, options->config, &errors);
	(void)io_write_all(STDERR_FILENO, buf_span(&errors), IO_FOREVER);
	buf_free(&errors);
	return result;
}

static int check(struct master *m, const struct config *config)
{
	if (logger_start(m->logger, config, true, -1) < 0)
		die(EXIT_REFUSED, "start");
	int code = master_check(m, config);
	struct buf out;
	buf_init(&out, 65536);
	config_print(config, &out);
	if (code == 0 && (!buf_ok(&out) || io_write_all(STDOUT_FILENO, buf_span(&out),
						   IO_FOREVER) < 0))
		code = 1;
	buf_free(&out);
	return code;
}

/* The path as it will be after the daemon has left our directory. */
static const char *absolute(const char *path)
{
	char *real = realpath(path, NULL);
	return real ? real : path;
}

static int null_standard(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	if (null > STDERR_FILENO)
		close(null);
	return 0;
}

/* Descriptors 0 to 2 exist, whoever started us; nothing else is open. */
static int clean_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	closefrom(STDERR_FILENO + 1);
	return 0;
}

/* What the daemon logs until it is ready, for the terminal; then a NUL. The exit code.
 */
static int wait_for_daemon(int daemon)
{
	unsigned char octets[LOG_LINE_MAX];
	ssize_t n;
	while ((n = io_read(daemon, octets, sizeof(octets))) > 0) {
		struct span all = span_of(octets, (size_t)n);
		size_t lines = span_find(all, '\0');
		(void)io_write_all(STDERR_FILENO, span_head(all, lines), IO_FOREVER);
		if (lines < all.n)
			return 0;
	}
	return 1;
}

/*
 * The parent waits until the daemon is ready or has failed, so that its exit
 * code tells; until then the daemon logs to the terminal as well. Returns in the
 * daemon: where to write lines, and a NUL when it is ready; or -1.
 */
static int go_to_background(void)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid > 0) {
		close(pair[1]);
		_exit(wait_for_daemon(pair[0]));
	}
	close(pair[0]);
	if (setsid() < 0 || chdir("/") < 0)
		return -1;
	return pair[1];
}

struct daemon {
	struct master *master;
	const struct config *config;
	int parent; /* -1: in the foreground */
};

static void became_ready(void *context)
{
	struct daemon *d = context;
	if (d->parent < 0)
		return;
	(void)!write(d->parent, "", 1);
	io_close(&d->parent);
	io_close(&d->master->logger->starter);
}

static int serve(struct master *m, const struct config *config, bool foreground)
{
	struct daemon daemon = { .master = m, .config = config, .parent = -1 };
	if (!foreground && (daemon.parent = go_to_background()) < 0)
		die(EXIT_REFUSED, "cannot become a daemon");
	int lock = place_lock_pid(config->runtime);
	if (lock < 0)
		return 1;
	int starter = foreground ? -1 : fcntl(daemon.parent, F_DUPFD_CLOEXEC, 3);
	if (null_standard() < 0 ||
		logger_start(m->logger, config, foreground, starter) < 0)
		die(EXIT_REFUSED, "start");
	int code = master_serve(m, config, became_ready, &daemon);
	place_unlock_pid(lock, config->runtime);
	io_close(&daemon.parent);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	static struct config config;
	static struct master master;
	static struct logger logger;
	if (clean_descriptors() < 0)
		return 1;
	int code = read_options(argc, argv, &options);
	if (code >= 0)
		return code;
	log_open("posternd");
	umask(022);
	if (load(&options, &config) < 0)
		return 1;
	options.config = absolute(options.config);
	unsigned forbidden = sandbox_forbidden();
	if (forbidden) {
		log_put(LEVEL_ERROR, span_str("cannot start: the unit or the container "
					      "forbids what the walls between the "
					      "processes need; allow seccomp(2) and "
					      "landlock_create_ruleset(2)"));
		return 1;
	}
	if (sandbox_master() < 0)
		die(EXIT_REFUSED, "sandbox");
	if (child_adopt() < 0)
		log_line("orphans go to another process: %s", strerror(errno));
	int signals = catch_signals();
	if (signals < 0)
		die(EXIT_REFUSED, "signals");
	if (master_init(&master, options.config, signals, &logger) < 0)
		return 1;
	code = options.check ? check(&master, &config)
			     : serve(&master, &config, options.foreground);
	master_free(&master);
	logger_finish(&logger);
	return code;
}
