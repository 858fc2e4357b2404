/*
 * listen: see listen.h. Runs in the master; reads no octet of a connection.
 */
#include "master/listen.h"

#include "base/io.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

static const char *kind_name(enum listener_kind kind)
{
	return kind == LISTENER_POP3S ? "pop3s" : "pop3";
}

/* family 4 or 6; host "*" is the wildcard. Returns the length, or 0. */
static socklen_t make_address(
	union address *a, const char *host, int family, uint16_t port)
{
	bool any = strcmp(host, "*") == 0;
	memset(a, 0, sizeof(*a));
	if (family == 4) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		if (!any && inet_pton(AF_INET, host, &a->in.sin_addr) != 1)
			return 0;
		return sizeof(a->in);
	}
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	if (!any && inet_pton(AF_INET6, host, &a->in6.sin6_addr) != 1)
		return 0;
	return sizeof(a->in6);
}

static int set(int fd, int level, int option)
{
	int on = 1;
	return setsockopt(fd, level, option, &on, sizeof(on));
}

static int open_socket(union address *a, socklen_t size)
{
	int fd =
		socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (set(fd, SOL_SOCKET, SO_REUSEADDR) == 0 &&
		(a->any.sa_family == AF_INET ||
			set(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0) &&
		bind(fd, &a->any, size) == 0 && listen(fd, BACKLOG) == 0 &&
		getsockname(fd, &a->any, &size) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int open_one(struct listener *l, const struct config_listener *wanted,
	int family, uint16_t port)
{
	union address a;
	*l = (struct listener){
		.wanted = *wanted, .fd = -1, .any = true, .watch = { .fd = -1 }
	};
	socklen_t size = make_address(&a, wanted->host, family, port);
	if (!size) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	l->fd = open_socket(&a, size);
	if (l->fd < 0 || netaddr_from(&l->local, &a.any) < 0)
		return -1;
	for (int i = 0; i < 16; i++)
		if (l->local.octets[i])
			l->any = false;
	return 0;
}

static bool same(const struct config_listener *a, const struct config_listener *b)
{
	return a->kind == b->kind && a->port == b->port &&
	       strcmp(a->host, b->host) == 0;
}

/* Moves old's sockets for this statement over. How many there were. */
static size_t take_over(struct listeners *listeners,
	const struct config_listener *wanted, struct listeners *old)
{
	size_t taken = 0;
	for (size_t i = 0; old && i < old->n; i++) {
		if (old->of[i].fd < 0 || !same(&old->of[i].wanted, wanted))
			continue;
		listeners->of[listeners->n++] = old->of[i];
		old->of[i].fd = -1;
		taken++;
	}
	return taken;
}

static void log_failure(const struct config_listener *wanted)
{
	log_line("cannot listen on %s %s port %u: %s", kind_name(wanted->kind),
		wanted->host, wanted->port, strerror(errno));
}

/* All addresses, both families; a host without IPv6 has IPv4 alone. */
static int open_any(struct listeners *listeners, const struct config_listener *wanted)
{
	struct listener *four = &listeners->of[listeners->n];
	if (open_one(four, wanted, 4, wanted->port) < 0)
		return -1;
	listeners->n++;
	struct listener *six = &listeners->of[listeners->n];
	if (open_one(six, wanted, 6, four->local.port) == 0)
		listeners->n++;
	else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
		return -1;
	return 0;
}

static int open_new(struct listeners *listeners, const struct config_listener *wanted)
{
	if (strcmp(wanted->host, "*") == 0)
		return open_any(listeners, wanted);
	int family = strchr(wanted->host, ':') ? 6 : 4;
	if (open_one(&listeners->of[listeners->n], wanted, family, wanted->port) < 0)
		return -1;
	listeners->n++;
	return 0;
}

static void give_back(struct listeners *old, const struct listener *l)
{
	for (size_t i = 0; i < old->n; i++)
		if (old->of[i].fd < 0 && same(&old->of[i].wanted, &l->wanted) &&
			old->of[i].local.family == l->local.family) {
			old->of[i] = *l;
			return;
		}
}

int listeners_open(
	struct listeners *listeners, const struct config *config, struct listeners *old)
{
	bool failed = false;
	size_t first_new[CONFIG_LISTENERS_MAX] = { 0 };
	listeners->n = 0;
	for (size_t i = 0; i < config->listeners_n; i++)
		first_new[i] = take_over(listeners, &config->listeners[i], old);
	size_t kept = listeners->n;
	for (size_t i = 0; i < config->listeners_n; i++)
		if (!first_new[i] && open_new(listeners, &config->listeners[i]) < 0) {
			log_failure(&config->listeners[i]);
			failed = true;
		}
	if (!failed)
		return 0;
	for (size_t i = 0; i < kept; i++)
		give_back(old, &listeners->of[i]);
	for (size_t i = kept; i < listeners->n; i++)
		io_close(&listeners->of[i].fd);
	listeners->n = 0;
	return -1;
}

void listeners_log(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		const struct listener *l = &listeners->of[i];
		bool six = strchr(l->wanted.host, ':') != NULL;
		/* The second socket of `*` has the port of the first. */
		if (i && strcmp(l->wanted.host, "*") == 0 && l->local.family == 6)
			continue;
		log_info("listening on %s %s%s%s:%u", kind_name(l->wanted.kind),
			six ? "[" : "", l->wanted.host, six ? "]" : "", l->local.port);
	}
}

void listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++)
		io_close(&listeners->of[i].fd);
	listeners->n = 0;
}

int listener_accept(
	const struct listener *listener, struct netaddr *peer, struct netaddr *local)
{
	union address a;
	socklen_t size = sizeof(a);
	int fd = accept4(listener->fd, &a.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return -1;
	size = sizeof(a);
	*local = listener->local;
	if (netaddr_from(peer, &a.any) == 0 && set(fd, IPPROTO_TCP, TCP_NODELAY) == 0 &&
		(!listener->any || (getsockname(fd, &a.any, &size) == 0 &&
					   netaddr_from(local, &a.any) == 0)))
		return fd;
	/* Gone again before we looked. */
	close(fd);
	errno = ECONNABORTED;
	return -1;
}
