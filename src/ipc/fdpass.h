/*
 * fdpass: one message, with the descriptors that go with it (SCM_RIGHTS).
 */
#ifndef POSTERN_IPC_FDPASS_H
#define POSTERN_IPC_FDPASS_H

#include "base/span.h"

#include <sys/types.h>

enum { FDPASS_MAX = 4 };

/*
 * Sends one datagram with n descriptors (they stay open here). flags as for
 * sendmsg(2); SIGPIPE is never raised. Returns 0, or -1 with errno.
 */
int fdpass_send(int socket, struct span message, const int *fds, size_t n, int flags);

/*
 * Receives one datagram of at most size octets into p and exactly n descriptors
 * (close-on-exec) into fds. flags as for recvmsg(2). Returns the octets; 0 at
 * the end of the channel; -1 with errno. EBADMSG: the datagram was longer than
 * size, or another number of descriptors came with it; those are closed.
 * Any n means 0 to n when *got is given: fds[*got..] are then -1.
 */
ssize_t fdpass_recv(
	int socket, void *p, size_t size, int *fds, size_t n, size_t *got, int flags);

#endif
