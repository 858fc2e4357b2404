/*
 * control: see control.h. Law 2 says that the master reads no octet of a network peer;
 * this is the one socket that it does read, and it is the administrator's.
 * Fails: a client that does not read its answer loses it, and nothing waits for it.
 */
#include "master/control.h"

#include "base/io.h"
#include "base/log.h"
#include "master/attempt.h"
#include "master/master.h"
#include "master/place.h"
#include "postern/abi.h"
#include "postern/control.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OUT_MAX = 16 << 20, MESSAGE_LITTLE = 1024 };

static void drop(struct control_client *c)
{
	poller_forget(c->master->poller, &c->watch);
	io_close(&c->fd);
	buf_free(&c->out);
	c->reloading = c->ended = false;
}

/* Sends what is there, as far as it goes. */
static void flush(struct control_client *c)
{
	while (buf_len(&c->out)) {
		struct span all = buf_span(&c->out);
		size_t n = (size_t)all.p[0] | (size_t)all.p[1] << 8;
		if (send(c->fd, all.p + 2, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN && poller_watch(c->master->poller,
						       &c->watch, c->fd, POLLOUT) == 0)
				return;
			drop(c);
			return;
		}
		buf_consume(&c->out, n + 2);
	}
	/* A stop keeps it open: it closes with the server. */
	if (c->ended && !c->master->stopping)
		drop(c);
}

static void put(struct control_client *c, const struct buf *message)
{
	size_t n = buf_len(message);
	buf_putc(&c->out, (unsigned char)n);
	buf_putc(&c->out, (unsigned char)(n >> 8));
	buf_put_span(&c->out, buf_span(message));
}

static void put_end(struct control_client *c, bool done, uint64_t count)
{
	unsigned char storage[MESSAGE_LITTLE];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	control_end_encode(
		&message, &(struct control_end){ .done = done, .count = count });
	put(c, &message);
	c->ended = true;
}

/* --- the orders ------------------------------------------------------------------- */

static void put_row(void *context, struct row *row)
{
	struct control_client *c = context;
	unsigned char storage[MESSAGE_LITTLE];
	struct buf message;
	struct control_row out = {
		.connection = row->facts.connection,
		.peer = row->facts.peer,
		.listener = row->facts.listener,
		.seconds = (uint64_t)(io_now() - row->since) / 1000,
		.pid = row_is_session(row) ? (uint32_t)row->session_pid : 0,
	};
	const char *state =
		row_is_session(row) ? "session" : row_state_name(row->state);
	snprintf(out.state, sizeof(out.state), "%s", state);
	if (row->account)
		snprintf(out.account, sizeof(out.account), "%s", row->account);
	buf_fixed(&message, storage, sizeof(storage));
	control_row_encode(&message, &out);
	put(c, &message);
}

static void who(struct control_client *c, const struct control *order)
{
	(void)order;
	rows_each(&c->master->rows, put_row, c);
	put_end(c, true, c->master->rows.n);
}

struct kick {
	const struct control *order;
	uint64_t count;
};

/* No account's name begins with '@': that is a domain. */
static bool is_meant(const struct control *order, const struct row *row)
{
	if (!order->account[0])
		return row->facts.connection == order->connection;
	if (!row->account)
		return false;
	const char *domain =
		order->account[0] == '@' ? strchr(row->account, '@') : NULL;
	return strcmp(domain ? domain : row->account, order->account) == 0;
}

static void kick_row(void *context, struct row *row)
{
	struct kick *kick = context;
	if (!is_meant(kick->order, row))
		return;
	kick->count++;
	log_info("connection=%llu: ended by the administrator",
		(unsigned long long)row->facts.connection);
	attempt_end(row);
}

static void kick(struct control_client *c, const struct control *order)
{
	struct kick kick = { .order = order };
	rows_each(&c->master->rows, kick_row, &kick);
	put_end(c, kick.count > 0, kick.count);
}

static void count_session(void *context, struct row *row)
{
	if (row_is_session(row))
		++*(uint64_t *)context;
}

static void stats(struct control_client *c, const struct control *order)
{
	struct master *m = c->master;
	unsigned char storage[MESSAGE_LITTLE];
	struct buf message;
	struct control_stats now = m->stats;
	(void)order;
	now.seconds = (uint64_t)(io_now() - m->started) / 1000;
	now.connections = m->rows.n;
	now.waiting = m->queue.waiting;
	now.sources = m->sources.n;
	rows_each(&m->rows, count_session, &now.sessions);
	buf_fixed(&message, storage, sizeof(storage));
	control_stats_encode(&message, &now);
	put(c, &message);
	put_end(c, true, 0);
}

static void reload(struct control_client *c, const struct control *order)
{
	(void)order;
	c->reloading = true;
	master_reload(c->master);
}

static void stop(struct control_client *c, const struct control *order)
{
	(void)order;
	put_end(c, true, 0);
	master_stop(c->master);
}

static void obey(struct control_client *c, struct span message)
{
	static void (*const orders[CONTROL_LAST + 1])(
		struct control_client * c, const struct control *order) = {
		[CONTROL_WHO] = who,
		[CONTROL_KICK] = kick,
		[CONTROL_STATS] = stats,
		[CONTROL_RELOAD] = reload,
		[CONTROL_STOP] = stop,
	};
	struct control order;
	if (control_decode(message, &order) < 0 || c->ended || c->reloading) {
		drop(c);
		return;
	}
	orders[order.order](c, &order);
	if (c->fd >= 0)
		flush(c);
}

static void on_client(void *owner, short events)
{
	struct control_client *c = owner;
	unsigned char storage[MESSAGE_LITTLE];
	if (events & POLLHUP) {
		drop(c);
	} else if (events & POLLOUT) {
		flush(c);
	} else {
		ssize_t n = recv(c->fd, storage, sizeof(storage), MSG_DONTWAIT);
		if (n > 0)
			obey(c, span_of(storage, (size_t)n));
		else if (n == 0 || errno != EAGAIN)
			drop(c);
	}
}

/* --- the socket ------------------------------------------------------------------- */

static bool is_administrator(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void on_connection(void *owner, short events)
{
	struct master *m = owner;
	(void)events;
	int fd = accept4(m->control.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (int i = 0; is_administrator(fd) && i < CONTROL_CLIENTS; i++) {
		struct control_client *c = &m->control.clients[i];
		if (c->fd >= 0)
			continue;
		*c = (struct control_client){ .master = m, .fd = fd };
		c->watch = (struct watch){ .fd = -1, .ready = on_client, .owner = c };
		buf_init(&c->out, OUT_MAX);
		if (poller_watch(m->poller, &c->watch, fd, POLLIN) < 0)
			drop(c);
		return;
	}
	close(fd);
}

static int listen_at(const char *runtime)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int n = snprintf(
		at.sun_path, sizeof(at.sun_path), "%s/%s", runtime, CONTROL_NAME);
	if (n < 0 || (size_t)n >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* The lock of the pid file is ours: what stands here is nobody's. */
	(void)unlink(at.sun_path);
	mode_t mask = umask(0177);
	bool good = bind(fd, (const void *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0;
	int error = errno;
	umask(mask);
	if (good)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

int control_open(struct master *m, const char *runtime)
{
	struct control_socket *s = &m->control;
	s->fd = listen_at(runtime);
	s->watch.ready = on_connection;
	s->watch.owner = m;
	if (s->fd >= 0 && poller_watch(m->poller, &s->watch, s->fd, POLLIN) == 0)
		return 0;
	log_line("%s/%s: %s", runtime, CONTROL_NAME, strerror(errno));
	io_close(&s->fd);
	return -1;
}

void control_restore(struct master *m, const char *runtime)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	int n = snprintf(path, sizeof(path), "%s/%s", runtime, CONTROL_NAME);
	if (n < 0 || (size_t)n >= sizeof(path) || access(path, F_OK) == 0)
		return;
	log_line("%s: it was removed, and is made again", path);
	int locks = place_open(runtime, "locks");
	io_close(&locks);
	if (m->control.fd >= 0)
		poller_forget(m->poller, &m->control.watch);
	io_close(&m->control.fd);
	(void)control_open(m, runtime);
}

void control_reloaded(struct master *m, bool done)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *c = &m->control.clients[i];
		if (c->fd < 0 || !c->reloading)
			continue;
		c->reloading = false;
		put_end(c, done, 0);
		flush(c);
	}
}

void control_close(struct master *m)
{
	if (m->control.fd >= 0)
		poller_forget(m->poller, &m->control.watch);
	io_close(&m->control.fd);
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (m->control.clients[i].fd >= 0)
			drop(&m->control.clients[i]);
}
