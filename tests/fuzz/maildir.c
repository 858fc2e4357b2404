/*
 * maildir: a directory full of names and content that its owner made up, opened and
 * read to the end as a session would.
 *
 * The input: entries, each an octet of kind, a name up to NUL, content up to NUL.
 */
#include "fuzz.h"

#include "maildrop_walk.h"

#include <sys/stat.h>
#include <unistd.h>

static struct span until_nul(struct span *input)
{
	return span_cut(input, '\0');
}

/* 0 to 3: a file in new or cur; else something that is no message. */
static void make(const char *root, struct span *input)
{
	char name[256], path[512], target[512];
	unsigned kind = fuzz_octet(input) % 16;
	struct span given = until_nul(input), content = until_nul(input);

	if (!given.n || span_to_text(span_head(given, 200), name, sizeof(name)) < 0 ||
		strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	snprintf(path, sizeof(path), "%s/%s/%s", root, kind % 2 ? "new" : "cur", name);
	snprintf(target, sizeof(target), "mail/%s/%s", kind % 2 ? "new" : "cur", name);
	if (kind == 15)
		(void)mkdir(path, 0700);
	else if (kind == 14)
		(void)!symlink("/etc/passwd", path);
	else if (kind == 13)
		(void)mkfifo(path, 0600);
	else if (access(path, F_OK) < 0)
		fuzz_write(target, content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	char root[128], path[160];

	if (size > 8192)
		return 0;
	fuzz_clear();
	snprintf(root, sizeof(root), "%s/mail", fuzz_directory());
	FUZZ_CHECK(mkdir(root, 0700) == 0);
	snprintf(path, sizeof(path), "%s/new", root);
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/cur", root);
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	unsigned marks = fuzz_octet(&input);
	while (input.n)
		make(root, &input);
	walk_maildrop(MAILDROP_MAILDIR, root, -1, marks);
	return 0;
}
