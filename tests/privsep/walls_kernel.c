/*
 * walls_kernel: what an attacker may try with its own rights and memory, and with the
 * kernel. Which of it works, is refused or kills stands in the table of walls.c.
 */
#include "walls.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int try_exec_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? -1 : 0;
}

int try_make_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

int try_mount(void)
{
	return mount("none", place.dir, "tmpfs", 0, NULL);
}

int try_module(void)
{
	return (int)syscall(SYS_finit_module, place.outside_fd, "", 0);
}

int try_uring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

int try_device(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/device", place.dir);
	return mknod(path, S_IFBLK | 0600, 0x0801);
}

/* Which no seccomp program needs to know: the capability is gone. */
int try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

int try_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}

int try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int try_memory(void)
{
	for (size_t n = 1; n < 16 << 20; n *= 2) {
		char *p = malloc(n);
		if (!p)
			return -1;
		memset(p, 1, n);
		free(p);
	}
	return 0;
}

int try_much_memory(void)
{
	char *p = mmap(NULL, (size_t)3 << 30, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? -1 : 0;
}

int try_setuid(void)
{
	return setuid(0);
}
