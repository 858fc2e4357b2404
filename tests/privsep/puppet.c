/*
 * puppet: one line, one system call, one line back: "ok", "ok HEX" or "errno N". See
 * puppet.h and tests/privsep/hostile_*.py.
 */
#include "puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LINE_OCTETS = 70000, DATA_OCTETS = 32768 };

static char line[LINE_OCTETS];
static unsigned char data[DATA_OCTETS];

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	(void)poll(&p, 1, -1);
}

static void say(int peer, const char *text, size_t n)
{
	while (n) {
		ssize_t put = write(peer, text, n);
		if (put < 0 && errno != EAGAIN)
			return;
		if (put < 0)
			wait_for(peer, POLLOUT);
		else
			text += put, n -= (size_t)put;
	}
}

static void answer(int peer, long result)
{
	char text[64];
	int n = result < 0 ? snprintf(text, sizeof(text), "errno %d\n", errno)
			   : snprintf(text, sizeof(text), "ok %ld\n", result);
	say(peer, text, (size_t)n);
}

static void answer_data(int peer, long n)
{
	static const char digits[] = "0123456789abcdef";
	if (n < 0) {
		answer(peer, n);
		return;
	}
	char *text = line; /* it has been read */
	memcpy(text, "ok ", 3);
	for (long i = 0; i < n; i++) {
		text[3 + 2 * i] = digits[data[i] >> 4];
		text[4 + 2 * i] = digits[data[i] & 15];
	}
	text[3 + 2 * n] = '\n';
	say(peer, text, (size_t)(4 + 2 * n));
}

static bool read_line(int peer)
{
	size_t n = 0;
	while (n < sizeof(line) - 1) {
		ssize_t got = read(peer, line + n, 1);
		if (got < 0 && errno == EAGAIN) {
			wait_for(peer, POLLIN);
			continue;
		}
		if (got <= 0)
			return false;
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	return true;
}

static size_t unhex(const char *text)
{
	size_t n = 0;
	unsigned octet;
	while (n < sizeof(data) && sscanf(text + 2 * n, "%2x", &octet) == 1)
		data[n++] = (unsigned char)octet;
	return n;
}

static long read_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return -1;
	long n = read(fd, data, 256);
	int error = errno;
	close(fd);
	errno = error;
	return n;
}

static long write_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? -1 : close(fd);
}

static long list_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? -1 : close(fd);
}

static long receive(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ready = poll(&p, 1, ms);
	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0 ? recv(fd, data, sizeof(data), MSG_DONTWAIT) : -1;
}

static long peek_memory(pid_t pid)
{
	struct iovec mine = { data, 8 }, theirs = { data, 8 };
	return process_vm_readv(pid, &mine, 1, &theirs, 1, 0);
}

/* A socket that it has, to where the server itself listens. */
static long connect_to(int fd, int port)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return connect(fd, (struct sockaddr *)&where, sizeof(where));
}

static long pass_descriptor(int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char octet = 0;
	int zero = 0;
	struct iovec part = { &octet, 1 };
	struct msghdr head = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&head);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &zero, sizeof(zero));
	return sendmsg(fd, &head, MSG_NOSIGNAL);
}

/* So many lines as fast as they go. How many went. */
static long flood(int fd, long lines)
{
	static const char text[] = "<6>pop3-session[1]: v1 logout flood=1\n";
	long went = 0;
	for (long i = 0; i < lines; i++)
		went += write(fd, text, sizeof(text) - 1) > 0;
	return went;
}

static long run(const char *what, const char *first, const char *second)
{
	int number = atoi(first);
	if (strcmp(what, "send") == 0)
		return send(number, data, unhex(second), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (strcmp(what, "put") == 0)
		return write(number, data, unhex(second));
	if (strcmp(what, "flood") == 0)
		return flood(number, atol(second));
	if (strcmp(what, "flags") == 0)
		return fcntl(number, F_SETFL, atoi(second));
	if (strcmp(what, "shutdown") == 0)
		return shutdown(number, SHUT_RDWR);
	if (strcmp(what, "truncate") == 0)
		return ftruncate(number, 0);
	if (strcmp(what, "copy") == 0)
		return fcntl(number, F_DUPFD_CLOEXEC, 3);
	if (strcmp(what, "close") == 0)
		return close(number);
	if (strcmp(what, "pass") == 0)
		return pass_descriptor(number);
	if (strcmp(what, "write") == 0)
		return write_path(first);
	if (strcmp(what, "list") == 0)
		return list_path(first);
	if (strcmp(what, "times") == 0)
		return utimensat(AT_FDCWD, first, NULL, 0);
	if (strcmp(what, "allocate") == 0)
		return fallocate(number, 0, 0, atol(second));
	if (strcmp(what, "unlink") == 0)
		return unlink(first);
	if (strcmp(what, "link") == 0)
		return link(first, second);
	if (strcmp(what, "rename") == 0)
		return rename(first, second);
	if (strcmp(what, "symlink") == 0)
		return symlink(first, second);
	if (strcmp(what, "kill") == 0)
		return kill(number, atoi(second));
	if (strcmp(what, "ptrace") == 0)
		return ptrace(PTRACE_ATTACH, number, 0, 0);
	if (strcmp(what, "vmread") == 0)
		return peek_memory(number);
	if (strcmp(what, "socket") == 0)
		return socket(number, SOCK_STREAM, 0);
	if (strcmp(what, "connect") == 0)
		return connect_to(number, atoi(second));
	if (strcmp(what, "fork") == 0)
		return fork();
	if (strcmp(what, "exec") == 0)
		return execl(first, first, (char *)NULL);
	if (strcmp(what, "setuid") == 0)
		return setuid((uid_t)number);
	if (strcmp(what, "setgid") == 0)
		return setgid((gid_t)number);
	if (strcmp(what, "setgroups") == 0)
		return setgroups(0, NULL);
	if (strcmp(what, "getuid") == 0)
		return (long)getuid();
	if (strcmp(what, "getpid") == 0)
		return (long)getpid();
	errno = ENOSYS;
	return -1;
}

void puppet_run(int peer)
{
	while (read_line(peer)) {
		char what[16] = "", first[512] = "";
		int used = 0;
		if (sscanf(line, "%15s %511s %n", what, first, &used) < 1)
			continue;
		if (strcmp(what, "end") == 0)
			return;
		/* The last word, to one who may read our peer from then on. */
		if (strcmp(what, "leave") == 0) {
			run("send", first, line + used);
			return;
		}
		if (strcmp(what, "read") == 0)
			answer_data(peer, read_path(first));
		else if (strcmp(what, "recv") == 0)
			answer_data(peer, receive(atoi(first), atoi(line + used)));
		else
			answer(peer, run(what, first, line + used));
	}
}
