/*
 * directory: files for the targets that read files.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static int remove_entry(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type;
	return where->level == 0 ? 0 : remove(path);
}

void fuzz_clear(void)
{
	FUZZ_CHECK(nftw(fuzz_directory(), remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void at_exit(void)
{
	fuzz_clear();
	rmdir(directory);
}

const char *fuzz_directory(void)
{
	if (directory[0])
		return directory;
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(directory, sizeof(directory), "%s/postern-fuzz-XXXXXX", where);
	FUZZ_CHECK(mkdtemp(directory));
	atexit(at_exit);
	return directory;
}

void fuzz_write(const char *name, struct span content)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", fuzz_directory(), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, content.p, content.n) == (ssize_t)content.n);
	FUZZ_CHECK(close(fd) == 0);
}
