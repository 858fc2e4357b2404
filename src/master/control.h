/*
 * control: the administrator's socket. It is local, of mode 0600, and the peer's user
 * is asked of the kernel: whoever gets through is the administrator. The orders
 * are fixed small messages all the same.
 */
#ifndef POSTERN_MASTER_CONTROL_H
#define POSTERN_MASTER_CONTROL_H

#include "base/buf.h"
#include "master/poller.h"

enum { CONTROL_CLIENTS = 8 };

struct master;

struct control_client {
	struct master *master;
	int fd; /* -1: none */
	struct watch watch;
	struct buf
		out; /* messages not sent yet, each behind its length in two octets */
	bool reloading; /* waits for what becomes of the reload */
	bool ended;	/* its END is in out */
};

struct control_socket {
	int fd; /* -1: none */
	struct watch watch;
	struct control_client clients[CONTROL_CLIENTS];
};

/* Makes the socket in the runtime directory and listens. 0, or -1 after a log line. */
int control_open(struct master *m, const char *runtime);

/* At a reload: what was removed together with its directory is made again, so that
 * commands find the server. */
void control_restore(struct master *m, const char *runtime);

/* Tells those who wait what became of the reload. */
void control_reloaded(struct master *m, bool done);

/* Closes the socket and every client. */
void control_close(struct master *m);

#endif
