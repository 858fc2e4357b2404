/*
 * master_world: see master_world.h. The linker puts the functions that begin with
 * __wrap_ in the place of the master's.
 */
#include "master_world.h"

#include "fuzz.h"
#include "ipc/fdpass.h"
#include "ipc/msg.h"
#include "postern/abi.h"
#include "postern/keeper.h"
#include "postern/report.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct world world;

/* Identities under way from auth to a session's parent. */
static struct identity_note {
	const struct generation *generation;
	uint64_t connection;
	int verdict, client;
} notes[KIDS];

int64_t __wrap_io_now(void);
int64_t __wrap_io_now(void)
{
	return world.now;
}

ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags)
{
	(void)flags;
	for (size_t i = 0; i < n; i++) {
		world.random =
			world.random * 6364136223846793005U + 1442695040888963407U;
		((unsigned char *)p)[i] = (unsigned char)(world.random >> 56);
	}
	return (ssize_t)n;
}

__attribute__((format(printf, 1, 2))) void __wrap_log_line(const char *format, ...);
void __wrap_log_line(const char *format, ...)
{
	world.lines++;
	if (!getenv("FUZZ_LOG"))
		return;
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "[%lld] ", (long long)world.now);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

__attribute__((format(printf, 1, 2))) void __wrap_log_info(const char *format, ...);
void __wrap_log_info(const char *format, ...)
{
	(void)format;
	world.lines++;
}

void __wrap_log_text(struct span text);
void __wrap_log_text(struct span text)
{
	__wrap_log_line("%.*s", (int)text.n, (const char *)text.p);
}

void world_signal(int number)
{
	unsigned char octet = (unsigned char)number;
	(void)!write(world.signals, &octet, 1);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- parents ---------------------------------------------------------------------- */

int __wrap_domain_start(struct domain *domain, const struct domain_launch *launch);
int __wrap_domain_start(struct domain *domain, const struct domain_launch *launch)
{
	int pair[2], little = 4096;
	struct parent *p = world.parents;
	(void)launch;
	while (p < world.parents + PARENTS && p->pid)
		p++;
	if (world.no_start || p == world.parents + PARENTS) {
		errno = EAGAIN;
		return -1;
	}
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	*p = (struct parent){ .domain = domain,
		.generation = domain->generation,
		.kind = domain->kind,
		.pid = ++world.last_pid,
		.fd = pair[1] };
	domain->pid = p->pid;
	domain->control = pair[0];
	domain->state = DOMAIN_STARTING;
	domain->started = world.now;
	return 0;
}

static void report(struct parent *p, const struct report *what)
{
	unsigned char storage[512];
	struct buf message;
	if (!p || p->fd < 0)
		return;
	buf_fixed(&message, storage, sizeof(storage));
	report_encode(&message, what);
	FUZZ_CHECK(buf_ok(&message));
	(void)fdpass_send(p->fd, buf_span(&message), NULL, 0, MSG_DONTWAIT);
}

static bool has_kids(const struct parent *p)
{
	for (int i = 0; i < KIDS; i++)
		if (world.kids[i].pid && world.kids[i].parent == p)
			return true;
	return false;
}

void parent_die(struct parent *p, int status)
{
	for (int i = 0; i < KIDS; i++)
		if (world.kids[i].pid && world.kids[i].parent == p)
			world.kids[i].parent = NULL;
	close_fd(&p->fd);
	p->zombie = true;
	p->status = status;
	world_signal(SIGCHLD);
}

static void bear(struct parent *p, uint64_t connection, const int *fds, size_t n)
{
	struct kid *kid = world.kids;
	while (kid < world.kids + KIDS && kid->pid)
		kid++;
	if (kid == world.kids + KIDS) {
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
		report(p, &(struct report){ .kind = REPORT_ENDED,
				  .connection = connection,
				  .status = 111 << 8 });
		return;
	}
	*kid = (struct kid){ .kind = p->kind,
		.pid = ++world.last_pid,
		.parent = p,
		.connection = connection,
		.fds = { -1, -1, -1, -1 } };
	memcpy(kid->fds, fds, n * sizeof(int));
	report(p, &(struct report){ .kind = REPORT_STARTED,
			  .connection = connection,
			  .pid = kid->pid });
}

static void obey_kill(struct parent *p, uint64_t connection)
{
	while (p->kind == DOMAIN_SESSION && parent_take_identity(p))
		;
	for (int i = 0; i < KIDS; i++) {
		struct kid *kid = &world.kids[i];
		if (kid->pid && kid->parent == p && kid->connection == connection) {
			report(p, &(struct report){ .kind = REPORT_OBEYED,
					  .connection = connection,
					  .pid = kid->pid });
			kid_die(kid, SIGKILL);
			return;
		}
	}
	report(p, &(struct report){ .kind = REPORT_OBEYED, .connection = connection });
}

static void take(struct parent *p, struct span message, int *fds, size_t n)
{
	struct facts facts;
	uint64_t connection;
	if (msg_type(message) == MESSAGE_KILL && kill_decode(message, &connection) == 0)
		obey_kill(p, connection);
	else if (facts_decode(message, &facts) == 0 && n >= 3)
		bear(p, facts.connection, fds, n);
	else
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
}

bool parent_step(struct parent *p)
{
	unsigned char storage[MESSAGE_MAX + 1];
	int fds[FDPASS_MAX];
	size_t got = 0;
	if (!p->ready) {
		p->ready = true;
		report(p, &(struct report){ .kind = REPORT_READY });
		return true;
	}
	ssize_t n = p->fd < 0 ? 0
			      : fdpass_recv(p->fd, storage, sizeof(storage), fds,
					FDPASS_MAX, &got, MSG_DONTWAIT);
	if (n > 0) {
		take(p, span_of(storage, (size_t)n), fds, got);
		return true;
	}
	if (n == 0) {
		close_fd(&p->fd);
		p->ending = true;
	}
	if (!p->ending || has_kids(p))
		return false;
	parent_die(p, 0);
	return true;
}

bool parent_take_identity(struct parent *p)
{
	for (int i = 0; i < KIDS; i++) {
		if (!notes[i].connection || notes[i].generation != p->generation)
			continue;
		int fds[2] = { notes[i].verdict, notes[i].client };
		uint64_t connection = notes[i].connection;
		notes[i].connection = 0;
		bear(p, connection, fds, 2);
		return true;
	}
	return false;
}

struct parent *world_parent(unsigned n, enum domain_kind kind)
{
	for (unsigned i = 0; i < PARENTS; i++) {
		struct parent *p = &world.parents[(n + i) % PARENTS];
		if (p->pid && !p->zombie && p->kind == kind)
			return p;
	}
	return NULL;
}

/* --- their children --------------------------------------------------------------- */

struct kid *world_kid(unsigned n, enum domain_kind kind)
{
	for (unsigned i = 0; i < KIDS; i++) {
		struct kid *kid = &world.kids[(n + i) % KIDS];
		if (kid->pid && !kid->zombie && kid->kind == kind)
			return kid;
	}
	return NULL;
}

void kid_hang_up(struct kid *kid, int which)
{
	close_fd(&kid->fds[which]);
}

void kid_die(struct kid *kid, int status)
{
	for (int i = 0; i < 4; i++)
		close_fd(&kid->fds[i]);
	kid->status = status;
	if (!kid->parent) {
		kid->zombie = true;
		world_signal(SIGCHLD);
		return;
	}
	report(kid->parent, &(struct report){ .kind = REPORT_ENDED,
				    .connection = kid->connection,
				    .pid = kid->pid,
				    .status = status });
	kid->pid = 0;
}

void kid_accept(struct kid *auth)
{
	unsigned char storage[64];
	struct identity_note *note = notes;
	while (note < notes + KIDS && note->connection)
		note++;
	if (note == notes + KIDS || auth->fds[1] < 0 || !auth->parent)
		return;
	/* The claim, read as auth does. */
	(void)!recv(auth->fds[1], storage, sizeof(storage), MSG_DONTWAIT);
	*note = (struct identity_note){ auth->parent->generation, auth->connection,
		dup(auth->fds[1]), dup(auth->fds[0]) };
	report(auth->parent, &(struct report){ .kind = REPORT_ACCEPTED,
				     .connection = auth->connection,
				     .account = span_str("joe") });
}

/* --- what the master asks of the kernel ------------------------------------------- */

int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number)
{
	for (int i = 0; i < KIDS; i++) {
		struct kid *kid = &world.kids[i];
		bool group = pid < 0 && kid->parent && kid->parent->pid == -pid;
		if (kid->pid && !kid->zombie && (kid->pid == pid || group))
			kid_die(kid, number);
	}
	for (int i = 0; i < PARENTS; i++) {
		struct parent *p = &world.parents[i];
		if (!p->pid || p->zombie || p->pid != pid)
			continue;
		if (number == SIGKILL) {
			parent_die(p, SIGKILL);
			continue;
		}
		p->ending = true;
		for (int k = 0; k < KIDS; k++)
			if (world.kids[k].pid && world.kids[k].parent == p)
				kid_die(&world.kids[k], number);
	}
	return 0;
}

/* 1: a zombie of that pid, or of any (0), is in *pid; 0: it lives; -1: not ours. */
static int find_child(pid_t *pid, int *status, bool reap)
{
	int found = -1;
	for (int i = 0; i < PARENTS + KIDS; i++) {
		struct parent *p = i < PARENTS ? &world.parents[i] : NULL;
		struct kid *kid = p ? NULL : &world.kids[i - PARENTS];
		pid_t its = p ? p->pid : kid->parent ? 0 : kid->pid;
		if (!its || (*pid && its != *pid))
			continue;
		found = found > 0 ? found : 0;
		if (!(p ? p->zombie : kid->zombie))
			continue;
		*pid = its;
		*status = p ? p->status : kid->status;
		if (reap && p)
			p->pid = 0;
		else if (reap)
			kid->pid = 0;
		return 1;
	}
	return found;
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	pid_t pid = type == P_ALL ? 0 : (pid_t)id;
	int status, found = find_child(&pid, &status, false);
	(void)options;
	info->si_pid = found > 0 ? pid : 0;
	return found < 0 ? -1 : 0;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	(void)options;
	return find_child(&pid, status, true) > 0 ? pid : 0;
}

/* --- clients ---------------------------------------------------------------------- */

int __wrap_listeners_open(struct listeners *listeners, const struct config *config,
	struct listeners *old);
int __wrap_listeners_open(
	struct listeners *listeners, const struct config *config, struct listeners *old)
{
	(void)old;
	*listeners = (struct listeners){ .n = 1 };
	listeners->of[0].wanted = config->listeners[0];
	listeners->of[0].watch.fd = -1;
	listeners->of[0].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
	return listeners->of[0].fd < 0 ? -1 : 0;
}

static struct listener *listener;

int __wrap_listener_accept(
	const struct listener *l, struct netaddr *peer, struct netaddr *local);
int __wrap_listener_accept(
	const struct listener *l, struct netaddr *peer, struct netaddr *local)
{
	uint64_t one;
	int pair[2], client = 0;
	if (read(l->fd, &one, sizeof(one)) != sizeof(one))
		return -1;
	while (client < CLIENTS && world.clients[client] >= 0)
		client++;
	errno = ECONNABORTED;
	if (client == CLIENTS)
		return -1;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			   pair) == 0);
	world.clients[client] = pair[0];
	*peer = (struct netaddr){ .family = 4, .octets = { 198, 51, 100 } };
	peer->octets[2] = world.coming_source >> 2;
	peer->octets[3] = world.coming_source;
	*local = (struct netaddr){ .family = 4, .octets = { 192, 0, 2, 1 } };
	return pair[1];
}

void world_connect(unsigned source)
{
	uint64_t one = 1;
	world.coming_source = (unsigned char)source;
	if (listener->fd >= 0)
		(void)!write(listener->fd, &one, sizeof(one));
}

void world_leave(int client)
{
	close_fd(&world.clients[client]);
}

void world_begin(int signals)
{
	extern struct master master;
	world = (struct world){
		.now = 1000, .last_pid = FIRST_PID, .signals = signals
	};
	listener = &master.listeners.of[0];
	memset(world.clients, 0xff, sizeof(world.clients));
}

void world_end(void)
{
	for (int i = 0; i < CLIENTS; i++)
		close_fd(&world.clients[i]);
	for (int i = 0; i < KIDS; i++) {
		if (!notes[i].connection)
			continue;
		close(notes[i].verdict);
		close(notes[i].client);
		notes[i].connection = 0;
	}
	for (int i = 0; i < KIDS; i++)
		for (int k = 0; world.kids[i].pid && k < 4; k++)
			close_fd(&world.kids[i].fds[k]);
	for (int i = 0; i < PARENTS; i++)
		if (world.parents[i].pid)
			close_fd(&world.parents[i].fd);
}
