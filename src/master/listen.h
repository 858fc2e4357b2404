/*
 * listen: the listening sockets. One statement of the configuration may mean
 * two of them (`*`: IPv4 and IPv6).
 */
#ifndef POSTERN_MASTER_LISTEN_H
#define POSTERN_MASTER_LISTEN_H

#include "config/config.h"
#include "master/poller.h"

enum { LISTENERS_MAX = 2 * CONFIG_LISTENERS_MAX };

struct listener {
	struct config_listener wanted;
	int fd; /* -1: none */
	struct netaddr local;
	bool any; /* local is a wildcard address */
	struct watch watch;
	void *owner;
};

struct listeners {
	struct listener of[LISTENERS_MAX];
	size_t n;
};

/*
 * Opens what `config` wants into *listeners; a socket that `old` (may be NULL) has for
 * the same statement is taken over, `old` then no longer holds it. Returns 0, or -1
 * after one log line for each that failed; nothing is open and `old` is whole then.
 */
int listeners_open(struct listeners *listeners, const struct config *config,
	struct listeners *old);

/* One line for each statement: "listening on pop3 127.0.0.1:110". */
void listeners_log(const struct listeners *listeners);

/* The watches must be forgotten. */
void listeners_close(struct listeners *listeners);

/*
 * Accepts one connection: non-blocking, close-on-exec, without Nagle's delay.
 * Its descriptor, or -1 with errno (EAGAIN: nobody is waiting).
 */
int listener_accept(
	const struct listener *listener, struct netaddr *peer, struct netaddr *local);

#endif
