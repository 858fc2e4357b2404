/*
 * walls_network: what an attacker may try with sockets and descriptors.
 * Which of it works, is refused or kills stands in the table of walls.c.
 */
#include "walls.h"

#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int try_socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

int try_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0);
}

int try_socketpair(void)
{
	int fds[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

int try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(place.tcp, (struct sockaddr *)&to, sizeof(to));
}

int try_bind(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	return bind(place.tcp, (struct sockaddr *)&to, sizeof(to));
}

int try_fastopen(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return (int)sendto(
		place.tcp, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to));
}

int try_recvmsg(void)
{
	char octet;
	struct iovec part = { &octet, 1 };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	return (int)recvmsg(place.pair[0], &head, MSG_DONTWAIT);
}

int try_sendmsg(void)
{
	char octet = 0;
	struct iovec part = { &octet, 1 };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	return (int)sendmsg(place.pair[0], &head, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int try_send_recv(void)
{
	char octets[4];
	struct pollfd p = { .fd = place.pair[1], .events = POLLIN };
	if (send(place.pair[0], "mail", 4, MSG_NOSIGNAL) != 4 || poll(&p, 1, 1000) != 1)
		return -1;
	if (recv(place.pair[1], octets, 4, MSG_PEEK) != 4)
		return -1;
	return read(place.pair[1], octets, 4) == 4 ? 0 : -1;
}

int try_many_files(void)
{
	for (int i = 0; i < 64; i++)
		if (openat(place.state_fd, ".", O_RDONLY | O_DIRECTORY) < 0)
			return -1;
	return 0;
}

int try_many_descriptors(void)
{
	for (int i = 0; i < 64; i++)
		if (fcntl(0, F_DUPFD_CLOEXEC, 0) < 0)
			return -1;
	return 0;
}

int try_resolver(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : close(fd);
}

int try_isatty(void)
{
	return isatty(0) ? 0 : -1;
}

int try_tiocsti(void)
{
	char c = 'x';
	return ioctl(0, TIOCSTI, &c);
}

/* No connection it is: who may ask is told so. */
int try_kernel_tls(void)
{
	return setsockopt(place.pair[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
}

int try_kernel_keys(void)
{
	return setsockopt(place.pair[0], SOL_TLS, TLS_TX, "", 0);
}

int try_tcp_repair(void)
{
	int one = 1;
	return setsockopt(place.tcp, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one));
}
