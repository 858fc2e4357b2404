/*
 * walls_place: what the attempts of walls.c work on, made below a directory of the
 * test's, and another process of the same user.
 */
#include "walls.h"

#include "base/drop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place place;

static void need(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(99);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
	need(chown(path, place.uid, (gid_t)-1) == 0, path);
}

static void folder(char *path, size_t size, const char *base, const char *name)
{
	snprintf(path, size, "%s/%s", base, name);
	need(mkdir(path, 0700) == 0 && chown(path, place.uid, (gid_t)-1) == 0, path);
}

void place_prepare(void)
{
	char path[256];
	snprintf(place.dir, sizeof(place.dir), "/tmp/postern-walls.XXXXXX");
	need(mkdtemp(place.dir) != NULL, place.dir);
	need(chmod(place.dir, 0755) == 0, place.dir);
	place.uid = geteuid() == 0 ? 65534 : geteuid();
	folder(place.maildir, sizeof(place.maildir), place.dir, "maildir");
	folder(path, sizeof(path), place.maildir, "new");
	folder(path, sizeof(path), place.maildir, "cur");
	folder(place.state, sizeof(place.state), place.dir, "state");
	folder(place.mboxes, sizeof(place.mboxes), place.dir, "mboxes");
	snprintf(path, sizeof(path), "%s/new/1", place.maildir);
	put(path, "mail");
	snprintf(path, sizeof(path), "%s/neighbour", place.mboxes);
	put(path, "mail");
	snprintf(place.mbox, sizeof(place.mbox), "%s/mine", place.mboxes);
	put(place.mbox, "From mail");
	snprintf(place.outside, sizeof(place.outside), "%s/outside", place.dir);
	put(place.outside, "mail");
	folder(place.lone, sizeof(place.lone), place.dir, "lone");
	snprintf(place.alone, sizeof(place.alone), "%s/mbox", place.lone);
	put(place.alone, "From mail");
	place.state_fd = open(place.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.outside_fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	place.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(place.state_fd >= 0 && place.outside_fd >= 0 && place.tcp >= 0, "open");
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, place.pair) == 0, "socketpair");
}

void place_other_start(void)
{
	place.other = fork();
	if (place.other == 0) {
		if (geteuid() == 0 && drop_to(place.uid, place.uid, NULL, 0) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	need(place.other > 0, "fork");
}

void place_clear(void)
{
	char *argv[] = { (char *)(uintptr_t) "rm", (char *)(uintptr_t) "-rf", place.dir,
		NULL };
	kill(place.other, SIGKILL);
	waitpid(place.other, NULL, 0);
	pid_t pid = fork();
	if (pid == 0) {
		execvp("rm", argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}
