/*
 * mbox: a file of any octets, opened, read to the end and committed as a session would,
 * with a state directory, so that the journal is written too.
 */
#include "fuzz.h"

#include "maildrop_walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	unsigned marks = fuzz_octet(&input);
	char path[128];

	fuzz_clear();
	snprintf(path, sizeof(path), "%s/state", fuzz_directory());
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	int state = open(path, O_RDONLY | O_DIRECTORY);
	FUZZ_CHECK(state >= 0);
	fuzz_write("joe", input);
	snprintf(path, sizeof(path), "%s/joe", fuzz_directory());
	walk_maildrop(MAILDROP_MBOX, path, state, marks);
	close(state);
	return 0;
}
