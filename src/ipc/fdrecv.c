/*
 * fdrecv: recvmsg(2) with SCM_RIGHTS. Used by the warm parents only: neither
 * the master (it would be receiving from below) nor a gate child, an attempt
 * or a session ever takes a descriptor.
 */
#include "ipc/fdpass.h"

#include "postern/abi.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

/* Moves the descriptors that came into fds (those past n are closed) and
 * returns how many there were. */
static size_t collect(struct msghdr *head, int *fds, size_t n)
{
	size_t came = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (came < n)
				fds[came] = fd;
			else
				close(fd);
			came++;
		}
	}
	return came;
}

ssize_t fdpass_recv(
	int socket, void *p, size_t size, int *fds, size_t n, size_t *got, int flags)
{
	union control control;
	struct iovec part = { .iov_base = p, .iov_len = size };
	struct msghdr head = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	ssize_t octets;
	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	do
		octets = recvmsg(socket, &head, flags | MSG_CMSG_CLOEXEC);
	while (octets < 0 && errno == EINTR);
	if (octets < 0)
		return -1;
	size_t came = collect(&head, fds, n);
	bool cut = head.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	if (got)
		*got = came;
	if (!cut && (octets == 0 || (got ? came <= n : came == n)))
		return octets;
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	errno = EBADMSG;
	return -1;
}
