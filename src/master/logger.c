/*
 * logger: reads lines from the domains' pipes, writes them to syslog(3) or to the
 * descriptor that posternd was started with.
 *
 * Runs as: the gate's user, walled in, after it has opened the log; no descriptor but
 * the pipes and where it writes. Distrusts: the lines (line.c). Fails: ends; the master
 * starts it again. Ends when every writer is gone.
 *
 * The pipes are packet pipes: what one write(2) wrote is read as one, so nobody's half
 * line begins another's. A full pipe costs its own domain's lines. Of a domain that is
 * not root so many lines are taken in a second, and in each round a few of each.
 */
#include "master/logger.h"

#include "base/drop.h"
#include "base/fdtab.h"
#include "base/io.h"
#include "master/child.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ (-1)
#endif

enum {
	PIPE_OCTETS = 1 << 20, /* a page for each line */
	PACKET_MAX = 4096,     /* PIPE_BUF */
	ROUND_LINES = 32,      /* of a domain, in a round */
	SECOND_LINES = 8192,   /* of a domain that is not root */
	BATCH_MAX = PIPE_OCTETS + PACKET_MAX,
	FINISH_MS = 3000,
	OUT_MS = 10000,
	BIRTH_MS = 1000, /* who ends sooner died at birth, and */
	DEATHS_MOST = 3, /* so often it is tried again */
	NOBODY = 65534,
	FD_READING = 3, /* the logger's table: SPEAKERS of them, and */
	FD_OUT = FD_READING + SPEAKERS,
	FD_STARTER,
};

/* In the order in which they are read; what was read is written in the other. Auth says
 * `login` before the session can say anything: whoever has the later line has, when
 * auth's pipe is emptied after it, the earlier one as well. */
static const unsigned order[SPEAKERS] = { DOMAIN_SESSION, DOMAIN_GATE, DOMAIN_KEEPER,
	SPEAKER_MASTER, DOMAIN_AUTH };

struct pump {
	bool open[SPEAKERS];
	unsigned taken[SPEAKERS];   /* lines in this second */
	int64_t second;		    /* its end */
	struct buf batch[SPEAKERS]; /* packets, each behind its size */
	bool foreground, starter, levels;
};

/* --- where lines go ------------------------------------------------------------------
 */

/* Is it a stream of journald's, which understands "<N>"? */
static bool is_journal(int fd)
{
	char name[64];
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(stream, name) == 0;
}

static void put(struct pump *pump, enum log_level level, struct span text)
{
	char storage[LOG_LINE_MAX + 8];
	struct buf line;
	if (!pump->foreground) {
		syslog((int)level, "%.*s", (int)text.n, (const char *)text.p);
		if (!pump->starter)
			return;
	}
	buf_fixed(&line, storage, sizeof(storage));
	if (pump->levels)
		buf_printf(&line, "<%d>", level);
	buf_put_span(&line, span_head(text, LOG_LINE_MAX));
	buf_putc(&line, '\n');
	if (pump->foreground)
		(void)io_write_all(FD_OUT, buf_span(&line), io_now() + OUT_MS);
	else if (io_write_all(FD_STARTER, buf_span(&line), io_now() + OUT_MS) < 0)
		pump->starter = false;
}

static void put_packet(struct pump *pump, unsigned who, struct span packet)
{
	char storage[2 * LOG_LINE_MAX];
	struct buf line;
	while (packet.n) {
		if (packet.p[0] == '\n') {
			span_cut(&packet, '\n');
			continue;
		}
		buf_fixed(&line, storage, sizeof(storage));
		enum log_level level = line_take(who, &packet, &line);
		put(pump, level, buf_span(&line));
	}
}

/* --- the pipes -----------------------------------------------------------------------
 */

static bool is_capped(const struct pump *pump, unsigned who)
{
	return who != DOMAIN_AUTH && who != SPEAKER_MASTER &&
	       pump->taken[who] >= SECOND_LINES;
}

/* A packet into the batch. False: there is none now, or never. */
static bool read_packet(struct pump *pump, unsigned who)
{
	unsigned char packet[PACKET_MAX];
	ssize_t n = io_read(FD_READING + (int)who, packet, sizeof(packet));
	if (n <= 0) {
		pump->open[who] = n < 0 && errno == EAGAIN;
		return false;
	}
	buf_put(&pump->batch[who], &n, sizeof(n));
	buf_put(&pump->batch[who], packet, (size_t)n);
	pump->taken[who]++;
	return true;
}

static void read_speaker(struct pump *pump, unsigned who)
{
	int most = who == DOMAIN_AUTH ? PIPE_OCTETS / PACKET_MAX : ROUND_LINES;
	while (pump->open[who] && !is_capped(pump, who) && most-- > 0)
		if (!read_packet(pump, who))
			return;
}

static void write_speaker(struct pump *pump, unsigned who)
{
	struct span rest = buf_span(&pump->batch[who]);
	while (rest.n) {
		ssize_t n;
		memcpy(&n, rest.p, sizeof(n));
		struct span packet = span_of(rest.p + sizeof(n), (size_t)n);
		put_packet(pump, who, packet);
		rest = span_of(packet.p + packet.n, rest.n - sizeof(n) - packet.n);
	}
	buf_reset(&pump->batch[who]);
}

static bool is_any_open(const struct pump *pump)
{
	for (int i = 0; i < SPEAKERS; i++)
		if (pump->open[i])
			return true;
	return false;
}

/* A domain that has used up its second is not waited for until the next. */
static void await(struct pump *pump)
{
	struct pollfd p[SPEAKERS];
	bool capped = false;
	for (int i = 0; i < SPEAKERS; i++) {
		bool wanted = pump->open[i] && !is_capped(pump, (unsigned)i);
		capped = capped || (pump->open[i] && !wanted);
		p[i] = (struct pollfd){ .fd = wanted ? FD_READING + i : -1,
			.events = POLLIN };
	}
	int64_t left = pump->second - io_now();
	(void)poll(p, SPEAKERS, !capped ? -1 : left > 0 ? (int)left : 0);
	if (io_now() < pump->second)
		return;
	pump->second = io_now() + 1000;
	memset(pump->taken, 0, sizeof(pump->taken));
}

static _Noreturn void serve(struct pump *pump)
{
	while (is_any_open(pump)) {
		await(pump);
		for (int i = 0; i < SPEAKERS; i++)
			read_speaker(pump, order[i]);
		for (int i = SPEAKERS; i > 0; i--)
			write_speaker(pump, order[i - 1]);
	}
	_exit(0);
}

/* --- the process ---------------------------------------------------------------------
 */

/* A name that cannot be used is a mistake of the configuration, which is told through
 * us: as nobody, then. */
static int drop(const char *name)
{
	if (geteuid() != 0)
		return 0;
	const struct passwd *user = getpwnam(name);
	bool good = user && user->pw_uid && user->pw_gid;
	if (sandbox_before_drop() < 0)
		return -1;
	return drop_to(
		good ? user->pw_uid : NOBODY, good ? user->pw_gid : NOBODY, NULL, 0);
}

static int lay_table(const struct logger *logger)
{
	int fds[SPEAKERS + 2], n = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return -1;
	while (n < SPEAKERS)
		fds[n] = logger->reading[n], n++;
	fds[n++] = logger->foreground >= 0 ? logger->foreground : null;
	fds[n++] = logger->starter >= 0 ? logger->starter : null;
	return fdtab_place(FD_READING, fds, n);
}

/* It outlives the master, to take its last line. */
static void ignore_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		(void)signal(numbers[i], SIG_IGN);
}

static _Noreturn void become(const struct logger *logger)
{
	struct pump pump = { .foreground = logger->foreground >= 0,
		.starter = logger->starter >= 0 };
	ignore_signals();
	if (setsid() < 0 || lay_table(logger) < 0)
		_exit(1);
#ifdef __linux__
	(void)prctl(PR_SET_NAME, "postern-logger", 0, 0, 0);
#endif
	pump.levels = pump.foreground && is_journal(FD_OUT);
	/* Named, the zone is read once, and not for each line. */
	if (!pump.foreground && setenv("TZ", ":/etc/localtime", 0) == 0) {
		tzset();
		openlog("postern", LOG_NDELAY, LOG_MAIL);
	}
	if (drop(logger->config->user) < 0 || sandbox_logger() < 0)
		_exit(1);
	for (int i = 0; i < SPEAKERS; i++) {
		pump.open[i] = true;
		buf_init(&pump.batch[i], BATCH_MAX);
	}
	serve(&pump);
}

static int make_pipe(int *reading, int *writing)
{
	int pair[2];
#ifdef O_DIRECT
	const int flags = O_CLOEXEC | O_NONBLOCK | O_DIRECT;
#else
	const int flags = O_CLOEXEC | O_NONBLOCK;
#endif
	if (pipe2(pair, flags) < 0)
		return -1;
	/* As large as it may be. */
	(void)fcntl(pair[1], F_SETPIPE_SZ, PIPE_OCTETS);
	*reading = pair[0];
	*writing = pair[1];
	return 0;
}

int logger_start(struct logger *logger, const struct config *config, bool foreground,
	int starter)
{
	*logger = (struct logger){
		.config = config, .foreground = -1, .starter = starter
	};
	for (int i = 0; i < SPEAKERS; i++)
		if (make_pipe(&logger->reading[i], &logger->writing[i]) < 0)
			return -1;
	if (foreground)
		logger->foreground = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (foreground && logger->foreground < 0)
		return -1;
	logger_again(logger);
	if (dup2(logger->writing[SPEAKER_MASTER], STDERR_FILENO) < 0)
		return -1;
	io_close(&logger->writing[SPEAKER_MASTER]);
	log_to_logger(0);
	return 0;
}

void logger_again(struct logger *logger)
{
	bool at_birth = logger->pid && io_now() - logger->born < BIRTH_MS;
	logger->pid = 0;
	logger->deaths = at_birth ? logger->deaths + 1 : 0;
	if (logger->deaths > DEATHS_MOST)
		return;
	logger->born = io_now();
	pid_t pid = child_fork();
	if (pid == 0)
		become(logger);
	logger->pid = pid < 0 ? 0 : pid;
}

void logger_finish(struct logger *logger)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (logger->pid == 0 || null < 0 || dup2(null, STDERR_FILENO) < 0)
		return;
	for (int i = 0; i < SPEAKERS; i++) {
		io_close(&logger->reading[i]);
		io_close(&logger->writing[i]);
	}
	for (int64_t deadline = io_now() + FINISH_MS; io_now() < deadline;) {
		if (waitpid(logger->pid, NULL, WNOHANG) != 0)
			break;
		(void)poll(NULL, 0, 1);
	}
	close(null);
}
