/*
 * ktls_probe: is there TLS in this kernel, and with which ciphers? Runs in the master
 * when it reads a configuration, because a gate may make no socket, and in `postern
 * check`. Hears nothing but itself. Fails: by saying that the kernel cannot.
 */
#include "base/ktls.h"

#include "base/span.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Nobody waits for a loopback that does not work. */
static int be_patient(int fd)
{
	const struct timeval patience = { .tv_sec = 1 };
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			      sizeof(patience)) < 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* Two ends of one connection; -1 with errno. */
static int connect_ends(int listener, int ends[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	if (bind(listener, (struct sockaddr *)&at, size) < 0 ||
		listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&at, &size) < 0)
		return -1;
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (be_patient(ends[0]) < 0 ||
		connect(ends[0], (struct sockaddr *)&at, size) < 0)
		return -1;
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return ends[1] < 0 ? -1 : 0;
}

/* Does what one end says arrive at the other? */
static int carry(int from, int to, const struct ktls_keys *keys)
{
	static const char said[] = "+OK\r\n";
	char heard[sizeof(said)] = "";
	if (ktls_send(from, keys) < 0 || ktls_receive(to, keys) < 0 ||
		be_patient(to) < 0 ||
		send(from, said, sizeof(said), MSG_NOSIGNAL) < 0 ||
		recv(to, heard, sizeof(heard), 0) < 0)
		return -1;
	errno = EBADMSG;
	return memcmp(said, heard, sizeof(said)) == 0 ? 0 : -1;
}

static int try_out(const struct ktls_keys *keys)
{
	int ends[2] = { -1, -1 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = be_patient(listener);
	if (result == 0)
		result = connect_ends(listener, ends);
	if (result == 0 && (ktls_attach(ends[0]) < 0 || ktls_attach(ends[1]) < 0))
		result = -1;
	if (result == 0)
		result = carry(ends[0], ends[1], keys);
	if (result == 0)
		result = carry(ends[1], ends[0], keys);
	int error = errno;
	close(listener);
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return result;
}

uint32_t ktls_probe(void)
{
	uint32_t found = 0;
	int error = 0;
	for (int i = 0; i < 2 * KTLS_CIPHERS; i++) {
		struct ktls_keys keys = { .cipher = (enum ktls_cipher)(i / 2),
			.tls13 = i % 2 };
		if (try_out(&keys) == 0)
			found |= ktls_bit(keys.cipher, keys.tls13);
		else if (!error)
			error = errno;
	}
	errno = error;
	return found;
}
