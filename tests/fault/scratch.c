/*
 * scratch: see scratch.h.
 */
#include "fault/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scratch_fail(
	const char *what, const char *dir, const char *format, va_list arguments)
{
	int error = errno;
	fprintf(stderr, "FAIL %s: ", what);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, " (%s); see %s\n", strerror(error), dir);
	exit(1);
}

void scratch_make(char dir[SCRATCH_MAX])
{
	snprintf(dir, SCRATCH_MAX, "%s/postern-fault-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir)) {
		perror(dir);
		exit(1);
	}
}

void scratch_remove(const char *dir)
{
	char command[SCRATCH_MAX + 16];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		exit(1);
}
