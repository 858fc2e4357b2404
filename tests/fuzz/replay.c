/*
 * replay: the main of a fuzz target in a build without libFuzzer. Runs every file of
 * its corpus, as it is and in some variants (cut, octets changed, by a fixed seed),
 * so that `make check` is a small fuzzing run with any compiler.
 *
 * usage: TARGET [FILE...]   Without files: tests/fuzz/corpus/NAME of the source tree.
 */
#include "fuzz.h"

#ifndef POSTERN_LIBFUZZER

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 20, VARIANTS = 100 };

static uint64_t random_state = 1;

static uint64_t next_random(void) /* xorshift64 */
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned char random_octet(void)
{
	static const unsigned char telling[] = { '\r', '\n', '.', '\0', ' ', ':', '=',
		'9' };
	uint64_t r = next_random();

	return (unsigned char)(r % 2 ? r >> 8 : telling[(r >> 8) % sizeof(telling)]);
}

/* In a block of its own, so that a read past its end is seen by ASan. */
static void run_exactly(const unsigned char *p, size_t n)
{
	unsigned char *copy = malloc(n ? n : 1);
	FUZZ_CHECK(copy);
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void run_variant(const unsigned char *p, size_t n)
{
	static unsigned char variant[INPUT_MAX];
	memcpy(variant, p, n);
	if (next_random() % 4 == 0)
		n = next_random() % (n + 1);
	for (uint64_t i = next_random() % 4; n && i < 4; i++)
		variant[next_random() % n] = random_octet();
	run_exactly(variant, n);
}

static void run_file(const char *path)
{
	static unsigned char input[INPUT_MAX];
	int fd = open(path, O_RDONLY);
	FUZZ_CHECK(fd >= 0);
	ssize_t n = read(fd, input, sizeof(input));
	FUZZ_CHECK(n >= 0 && n < INPUT_MAX);
	close(fd);
	run_exactly(input, (size_t)n);
	for (int i = 0; i < VARIANTS; i++)
		run_variant(input, (size_t)n);
}

static int run_corpus(const char *name)
{
	char path[1024];
	int files = 0;
	const char *source = getenv("POSTERN_SOURCE");
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", source ? source : ".",
		name);
	DIR *corpus = opendir(path);
	if (!corpus) {
		perror(path);
		return 1;
	}
	for (struct dirent *entry; (entry = readdir(corpus));) {
		char file[2048];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		run_file(file);
		files++;
	}
	closedir(corpus);
	printf("%s: %d files, %d variants of each\n", name, files, VARIANTS);
	return files ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	name = name ? name + 1 : argv[0];
	if (strncmp(name, "fuzz-", 5) == 0)
		name += 5;
	if (argc == 1)
		return run_corpus(name);
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	return 0;
}
#endif
