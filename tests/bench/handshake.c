/*
 * handshake: TLS handshakes per second, with the private key in the server's own memory
 * and with it in the keeper, in turn, in one run.
 *
 *   handshake KEEPER CERTIFICATE KEY [SECONDS [ROUNDS]]
 *
 * KEEPER is the program postern-keeper. Client and server of a handshake are in one
 * process and talk through memory; a second thread of that process does what the
 * master does for a connection. Prints medians of ROUNDS: handshakes per second, CPU
 * time of one (client's half, keeper and all), and the ratio of CPU times, keeper to
 * own key, with its extremes. On a machine with other work only CPU times mean
 * anything.
 */
#include "gate/remote.h"
#include "ipc/fdpass.h"
#include "postern/abi.h"
#include "postern/fds.h"
#include "postern/keeper.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99, PROCESSES_MAX = 8, CONTROL = 20 };

static _Noreturn void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the keeper, and the master's part ------------------------------------------- */

static pid_t start_keeper(const char *program, const char *certificate, const char *key)
{
	int control[2];
	char name[] = "postern-keeper";
	char *argv[] = { name, NULL }, *environment[] = { NULL };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
		fail("socketpair");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		int files[] = { control[1], open(certificate, O_RDONLY),
			open(key, O_RDONLY) };
		/* Out of the way of the numbers that they get. */
		for (int i = 0; i < 3; i++)
			files[i] = fcntl(files[i], F_DUPFD, 30);
		for (int i = 0; i < 3; i++)
			if (dup2(files[i], FD_CONTROL + i) < 0)
				_exit(1);
		execve(program, argv, environment);
		_exit(1);
	}
	close(control[1]);
	if (dup2(control[0], CONTROL) < 0)
		fail("dup2");
	close(control[0]);

	unsigned char storage[2048];
	struct buf message;
	struct keeper_setup setup = { .workers =
					      (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) };
	buf_fixed(&message, storage, sizeof(storage));
	keeper_setup_encode(&message, &setup);
	if (fdpass_send(CONTROL, buf_span(&message), NULL, 0, 0) < 0 ||
		recv(CONTROL, storage, sizeof(storage), 0) <= 0)
		fail("the keeper did not get ready");
	return pid;
}

/* Takes inner ends from a pipe; passes each on when it turns readable, as the master
 * does. */
static void *master(void *pipe_end)
{
	unsigned char storage[64];
	struct buf message;
	struct pollfd inner = { .events = POLLIN };
	buf_fixed(&message, storage, sizeof(storage));
	keeper_channel_encode(&message, 1);
	while (read(*(int *)pipe_end, &inner.fd, sizeof(int)) == sizeof(int)) {
		if (poll(&inner, 1, -1) == 1 && !(inner.revents & POLLHUP) &&
			fdpass_send(CONTROL, buf_span(&message), &inner.fd, 1, 0) < 0)
			fail("the keeper is gone");
		close(inner.fd);
	}
	return NULL;
}

static void connect_keeper(int pipe_end)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 ||
		dup2(pair[1], FD_GATE_KEEPER) < 0 ||
		write(pipe_end, &pair[0], sizeof(int)) != sizeof(int))
		fail("socketpair");
	close(pair[1]);
}

/* --- handshakes ---------------------------------------------------------------------
 */

static SSL_CTX *server_context(const char *certificate, const char *key, bool remote)
{
	static struct told told;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		fail(certificate);
	if (remote) {
		EVP_PKEY *pkey = remote_key(
			X509_get0_pubkey(SSL_CTX_get0_certificate(ctx)), &told);
		if (!pkey || SSL_CTX_use_PrivateKey(ctx, pkey) != 1)
			fail("remote key");
	} else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		fail(key);
	}
	SSL_CTX_set_num_tickets(ctx, 1);
	return ctx;
}

static void handshake(SSL_CTX *client_ctx, SSL_CTX *server_ctx)
{
	BIO *here, *there;
	SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);
	int c, s;
	BIO_new_bio_pair(&here, 1 << 16, &there, 1 << 16);
	SSL_set_bio(client, here, here);
	SSL_set_bio(server, there, there);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	do {
		c = SSL_do_handshake(client);
		s = SSL_do_handshake(server);
		if (s <= 0 && SSL_get_error(server, s) == SSL_ERROR_SSL)
			fail("handshake");
	} while (c != 1 || s != 1);
	SSL_free(client);
	SSL_free(server);
}

static long work(SSL_CTX *server_ctx, bool remote, double seconds)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	pthread_t thread;
	int ends[2];
	long n = 0;
	/* So that no number of a pair is FD_GATE_KEEPER's. */
	while (remote && dup(CONTROL) <= FD_GATE_KEEPER)
		;
	if (remote && (pipe(ends) < 0 ||
			      pthread_create(&thread, NULL, master, &ends[0]) != 0))
		fail("thread");
	for (double end = now() + seconds; now() < end; n++) {
		if (remote)
			connect_keeper(ends[1]);
		handshake(client_ctx, server_ctx);
	}
	return n;
}

/* CPU seconds that the keeper's workers have used. */
static double keeper_cpu(pid_t keeper)
{
	char path[64];
	long pid;
	double sum = 0;
	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)keeper,
		(long)keeper);
	FILE *children = fopen(path, "r");
	while (children && fscanf(children, "%ld", &pid) == 1) {
		clockid_t clock;
		struct timespec t;
		if (clock_getcpuclockid((pid_t)pid, &clock) != 0 ||
			clock_gettime(clock, &t) < 0)
			fail("the keeper's clock");
		sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	}
	if (!children || sum <= 0)
		fail(path);
	fclose(children);
	return sum;
}

struct result {
	double per_second, cpu_us; /* handshakes; of one */
};

static struct result run(
	SSL_CTX *server_ctx, pid_t keeper, int processes, double seconds)
{
	long *counts = mmap(NULL, sizeof(long) * PROCESSES_MAX, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long sum = 0;
	double cpu = keeper ? -keeper_cpu(keeper) : 0;
	for (int i = 0; i < processes; i++)
		if (fork() == 0) {
			counts[i] = work(server_ctx, keeper != 0, seconds);
			_exit(0);
		}
	for (int i = 0; i < processes; i++) {
		struct rusage used;
		if (wait4(-1, NULL, 0, &used) < 0)
			fail("wait");
		cpu += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	}
	cpu += keeper ? keeper_cpu(keeper) : 0;
	for (int i = 0; i < processes; i++)
		sum += counts[i];
	munmap(counts, sizeof(long) * PROCESSES_MAX);
	if (sum == 0)
		fail("no handshake");
	return (struct result){ (double)sum / seconds, cpu * 1e6 / (double)sum };
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

struct columns {
	double rate[ROUNDS_MAX], cpu[ROUNDS_MAX];
};

static void put(struct columns *c, long i, struct result r)
{
	c->rate[i] = r.per_second;
	c->cpu[i] = r.cpu_us;
}

static double median(double *of, long n)
{
	qsort(of, (size_t)n, sizeof(double), ascending);
	return of[n / 2];
}

int main(int argc, char **argv)
{
	double seconds = argc > 4 ? strtod(argv[4], NULL) : 1;
	long rounds = argc > 5 ? strtol(argv[5], NULL, 10) : 5;
	if (argc < 4 || rounds < 1 || rounds > ROUNDS_MAX || seconds <= 0) {
		fputs("usage: handshake KEEPER CERTIFICATE KEY [SECONDS [ROUNDS]]\n",
			stderr);
		return 2;
	}
	pid_t keeper = start_keeper(argv[1], argv[2], argv[3]);
	SSL_CTX *local = server_context(argv[2], argv[3], false);
	SSL_CTX *remote = server_context(argv[2], argv[3], true);
	printf("processes\tkey\t/s\tCPU us\tratio\tmin\tmax\n");
	fflush(stdout);
	for (int processes = 1; processes <= 4; processes *= 4) {
		struct columns own, kept;
		double ratio[ROUNDS_MAX];
		for (long i = 0; i < rounds; i++) {
			put(&own, i, run(local, 0, processes, seconds));
			put(&kept, i, run(remote, keeper, processes, seconds));
			ratio[i] = kept.cpu[i] / own.cpu[i];
		}
		qsort(ratio, (size_t)rounds, sizeof(double), ascending);
		printf("%d\town\t%.0f\t%.0f\n", processes, median(own.rate, rounds),
			median(own.cpu, rounds));
		printf("%d\tkeeper\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\n", processes,
			median(kept.rate, rounds), median(kept.cpu, rounds),
			ratio[rounds / 2], ratio[0], ratio[rounds - 1]);
		fflush(stdout);
	}
	return 0;
}
