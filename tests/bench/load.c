/*
 * load: what a POP3 server is measured with. One action a run, on loopback, bounded
 * in count and time; prints one line of JSON. Every answer is checked.
 *
 *   load ACTION HOST PORT plain|pop3s|stls|resumed CLIENTS COUNT FILE
 *
 * FILE has a line "user password" for each account; client i takes line i modulo
 * their number. Actions:
 *   login     COUNT logins (connect, USER, PASS, STAT, QUIT), CLIENTS at a time
 *   retr      one session: RETR of COUNT messages (from the first on, and again), one
 *             at a time, until it has taken long enough (RETRIEVE_SECONDS)
 *   download  the same, however long it takes
 *   pipeline  the same with up to CLIENTS commands under way
 *   open      one login; the time to PASS, STAT, UIDL, LIST
 *   quit      one login; DELE of every second message (pipelined); the time of QUIT, to
 *             its answer and to the end of the connection: some answer first
 *   idle      COUNT connections that say nothing, until standard input ends
 *   sessions  COUNT logged-in sessions that say nothing, until standard input ends
 *   slow      COUNT connections that each say an octet every 10 seconds, never a line,
 *             until standard input ends
 *
 * Client i comes from an address of its own, 127.1.0.1 on, because servers limit the
 * connections of one source.
 */
#include "peer.h"

#include <err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ACCOUNTS_MAX = 4096,
	CLIENTS_MAX = 256,
	COUNT_MAX = 1000000,
};

/* Seconds. A log-in is there at once or never; a QUIT may rewrite a large mbox. */
enum {
	LOGIN_PATIENCE = 20,
	PATIENCE = 300,
	RETRIEVE_SECONDS = 20, /* what a server sends in them tells how fast it is */
};

struct account {
	char user[128], password[128];
};

static struct account accounts[ACCOUNTS_MAX];
static size_t accounts_n;
static struct peer_target target;
static unsigned clients, count;
static atomic_uint next_login, resumed;
static double *latencies;
static double retrieve_seconds = RETRIEVE_SECONDS;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_accounts(const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f)
		err(1, "%s", path);
	while (accounts_n < ACCOUNTS_MAX &&
		fscanf(f, "%127s %127s", accounts[accounts_n].user,
			accounts[accounts_n].password) == 2)
		accounts_n++;
	fclose(f);
	if (accounts_n == 0)
		errx(1, "%s has no account", path);
}

static struct peer *new_peer(void)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer)
		err(1, "malloc");
	return peer;
}

static void *login_client(void *argument)
{
	unsigned client = (unsigned)(uintptr_t)argument;
	const struct account *account = &accounts[client % accounts_n];
	struct peer *peer = new_peer();
	SSL_SESSION *session = NULL;
	peer->source = client + 1;
	for (;;) {
		unsigned i = atomic_fetch_add(&next_login, 1);
		if (i >= count)
			break;
		double start = now();
		peer_open(peer, &target, &session);
		peer_login(peer, account->user, account->password);
		peer_command(peer, "STAT");
		peer_ok(peer);
		peer_command(peer, "QUIT");
		peer_ok(peer);
		latencies[i] = now() - start;
		if (peer->ssl && SSL_session_reused(peer->ssl))
			atomic_fetch_add(&resumed, 1);
		peer_close(peer);
	}
	SSL_SESSION_free(session);
	free(peer);
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void login(void)
{
	pthread_t threads[CLIENTS_MAX];
	latencies = calloc(count, sizeof(*latencies));
	if (!latencies)
		err(1, "calloc");
	double start = now();
	for (unsigned i = 0; i < clients; i++)
		if (pthread_create(
			    &threads[i], NULL, login_client, (void *)(uintptr_t)i) != 0)
			errx(1, "pthread_create");
	for (unsigned i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	double seconds = now() - start;
	qsort(latencies, count, sizeof(*latencies), by_size);
	printf("{\"logins\": %u, \"seconds\": %.6f, \"per_second\": %.3f, "
	       "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"resumed\": %u}\n",
		count, seconds, count / seconds, latencies[count / 2] * 1e3,
		latencies[(size_t)((double)(count - 1) * 0.99)] * 1e3,
		atomic_load(&resumed));
}

static unsigned begin(struct peer *peer)
{
	char *line;
	unsigned messages = 0;
	peer_open(peer, &target, NULL);
	peer_login(peer, accounts[0].user, accounts[0].password);
	peer_command(peer, "STAT");
	peer_line(peer, &line);
	if (sscanf(line, "+OK %u", &messages) != 1)
		errx(1, "STAT: %s", line);
	return messages;
}

static void end(struct peer *peer)
{
	peer_command(peer, "QUIT");
	peer_ok(peer);
	peer_close(peer);
}

/* Keeps up to `window` RETRs under way; a window's commands go in one write. Ends at
 * count, or, of a server that is slow at it, when it has taken long enough. */
static uint64_t retrieve(
	struct peer *peer, unsigned messages, unsigned window, unsigned *done)
{
	uint64_t octets = 0;
	unsigned i = 0;
	double end = now() + retrieve_seconds;
	char commands[32 * CLIENTS_MAX];
	while (i < count && now() < end) {
		size_t n = 0;
		unsigned first = i;
		for (; i < count && i - first < window; i++)
			n += (size_t)snprintf(commands + n, sizeof(commands) - n,
				"RETR %u\r\n", i % messages + 1);
		peer_send(peer, commands, n);
		for (unsigned k = first; k < i; k++)
			octets += peer_multiline(peer);
	}
	*done = i;
	return octets;
}

static void retr(unsigned window)
{
	struct peer *peer = new_peer();
	unsigned messages = begin(peer);
	if (messages == 0)
		errx(1, "there is no message");
	unsigned done;
	double start = now();
	uint64_t octets = retrieve(peer, messages, window, &done);
	double seconds = now() - start;
	end(peer);
	free(peer);
	printf("{\"messages\": %llu, \"octets\": %llu, \"seconds\": %.6f, "
	       "\"mb_per_second\": %.3f, \"messages_per_second\": %.1f}\n",
		(unsigned long long)done, (unsigned long long)octets, seconds,
		(double)octets / 1e6 / seconds, done / seconds);
}

static double timed(struct peer *peer, const char *command, bool multiline)
{
	double start = now();
	peer_command(peer, "%s", command);
	if (multiline)
		peer_multiline(peer);
	else
		peer_ok(peer);
	return (now() - start) * 1e3;
}

static void open_maildrop(void)
{
	struct peer *peer = new_peer();
	peer_open(peer, &target, NULL);
	peer_command(peer, "USER %s", accounts[0].user);
	peer_ok(peer);
	double start = now();
	peer_command(peer, "PASS %s", accounts[0].password);
	peer_ok(peer);
	double pass = (now() - start) * 1e3;
	double stat = timed(peer, "STAT", false);
	double uidl = timed(peer, "UIDL", true);
	double list = timed(peer, "LIST", true);
	end(peer);
	free(peer);
	printf("{\"pass_ms\": %.3f, \"stat_ms\": %.3f, \"uidl_ms\": %.3f, "
	       "\"list_ms\": %.3f, \"all_ms\": %.3f}\n",
		pass, stat, uidl, list, pass + stat + uidl + list);
}

static void quit(void)
{
	struct peer *peer = new_peer();
	unsigned messages = begin(peer);
	unsigned deleted = 0;
	for (unsigned i = 1; i <= messages; i += 2 * 100) {
		unsigned k = 0;
		char commands[32 * 100];
		size_t n = 0;
		for (; k < 100 && i + 2 * k <= messages; k++)
			n += (size_t)snprintf(commands + n, sizeof(commands) - n,
				"DELE %u\r\n", i + 2 * k);
		peer_send(peer, commands, n);
		for (unsigned j = 0; j < k; j++)
			peer_ok(peer);
		deleted += k;
	}
	double start = now();
	double ms = timed(peer, "QUIT", false);
	peer_end(peer);
	double closed = (now() - start) * 1e3;
	peer_close(peer);
	free(peer);
	printf("{\"deleted\": %u, \"quit_ms\": %.3f, \"closed_ms\": %.3f}\n", deleted,
		ms, closed);
}

/* Until standard input ends, an octet every 10 seconds on each (n may be 0). */
static void wait_for_end(const int *fds, unsigned n)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	char octet;
	printf("{\"held\": %u}\n", count);
	fflush(stdout);
	for (;;) {
		int ready = poll(&input, 1, 10000);
		if (ready > 0 && read(0, &octet, 1) <= 0)
			return;
		for (unsigned i = 0; ready == 0 && i < n; i++)
			if (write(fds[i], "U", 1) < 0)
				continue; /* the server has had enough of it */
	}
}

static void hold(bool logged_in, bool slow)
{
	struct peer *peer = new_peer();
	int *fds = calloc(count, sizeof(*fds));
	SSL **ssls = calloc(count, sizeof(*ssls));
	if (!fds || !ssls)
		err(1, "calloc");
	for (unsigned i = 0; i < count; i++) {
		const struct account *account = &accounts[i % accounts_n];
		peer->source = i + 1;
		peer_open(peer, &target, NULL);
		if (logged_in)
			peer_login(peer, account->user, account->password);
		fds[i] = peer->fd;
		ssls[i] = peer->ssl;
	}
	wait_for_end(fds, slow ? count : 0);
	/* The connections end with the process. */
	free(ssls);
	free(fds);
	free(peer);
}

static unsigned number(const char *text, unsigned max)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 10);
	if (*rest || value < 1 || value > max)
		errx(2, "%s is no number from 1 to %u", text, max);
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	if (argc != 8)
		errx(2, "usage: load ACTION HOST PORT plain|pop3s|stls|resumed CLIENTS "
			"COUNT FILE");
	const char *action = argv[1], *tls = argv[4];
	target.host = argv[2];
	target.port = (uint16_t)number(argv[3], 65535);
	target.tls = strcmp(tls, "plain") == 0	? PEER_PLAIN
		     : strcmp(tls, "stls") == 0 ? PEER_STLS
						: PEER_IMPLICIT;
	target.resume = strcmp(tls, "resumed") == 0;
	if (target.tls != PEER_PLAIN)
		target.context = peer_context();
	target.patience = strcmp(action, "login") == 0 ? LOGIN_PATIENCE : PATIENCE;
	clients = number(argv[5], CLIENTS_MAX);
	count = number(argv[6], COUNT_MAX);
	read_accounts(argv[7]);
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(action, "login") == 0)
		login();
	else if (strcmp(action, "retr") == 0)
		retr(1);
	else if (strcmp(action, "download") == 0)
		retrieve_seconds = 1e9, retr(1);
	else if (strcmp(action, "pipeline") == 0)
		retr(clients);
	else if (strcmp(action, "open") == 0)
		open_maildrop();
	else if (strcmp(action, "quit") == 0)
		quit();
	else if (strcmp(action, "idle") == 0)
		hold(false, false);
	else if (strcmp(action, "sessions") == 0)
		hold(true, false);
	else if (strcmp(action, "slow") == 0)
		hold(false, true);
	else
		errx(2, "%s is no action", action);
	return 0;
}
