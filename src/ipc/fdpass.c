/*
 * fdpass: sendmsg(2) with SCM_RIGHTS. Used by whoever hands on a connection: the
 * master and auth. Apart from fdrecv.c, so that who only sends does not link
 * recvmsg(2).
 */
#include "ipc/fdpass.h"

#include "postern/abi.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

int fdpass_send(int socket, struct span message, const int *fds, size_t n, int flags)
{
	union control control = { 0 };
	struct iovec part = { .iov_base = (void *)(uintptr_t)message.p,
		.iov_len = message.n };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	if (n > FDPASS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (n) {
		head.msg_control = control.space;
		head.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&head);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * n);
	}
	ssize_t sent;
	do
		sent = sendmsg(socket, &head, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}
