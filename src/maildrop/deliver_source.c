/*
 * deliver_source: see deliver_source.h.
 *
 * Runs as the mailbox owner. Distrusts the path below what root made: what it makes
 * itself is no link. Memory is one block.
 */
#include "maildrop/deliver_source.h"

#include "base/io.h"
#include "maildrop/driver.h"
#include "maildrop/flush.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the message --- */

int deliver_source_begin(
	struct deliver_source *source, const struct deliver_message *message)
{
	*source = (struct deliver_source){ .message = message,
		.block = malloc(DELIVER_BLOCK) };
	return source->block ? 0 : -1;
}

void deliver_source_end(struct deliver_source *source)
{
	free(source->block);
}

int deliver_source_next(struct deliver_source *source, struct span *s)
{
	const struct deliver_message *message = source->message;
	while (source->part < 2) {
		*s = source->part == 0 ? message->head : message->begun;
		source->part++;
		if (s->n)
			return 0;
	}
	ssize_t n = io_read(message->in, source->block, DELIVER_BLOCK);
	*s = span_of(source->block, n > 0 ? (size_t)n : 0);
	return n < 0 ? -1 : 0;
}

void deliver_ignore_signals(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		signal(ends[i], SIG_IGN);
}

void deliver_fail(struct maildrop_fault *fault, const char *path)
{
	if (!fault->text[0])
		maildrop_fail(fault, "deliver to", path);
}

/* --- the way --- */

static const int way = O_PATH | O_DIRECTORY | O_CLOEXEC;

/* Opens a directory, and makes it when it is missing: then it is no link. */
static int enter(int at, const char *name)
{
	int dir = openat(at, name, way);
	if (dir >= 0 || errno != ENOENT)
		return dir;
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -1;
	/* Else a power cut may take the whole branch with the message on it. */
	if (flush_directory(at) < 0)
		return -1;
	return openat(at, name, way | O_NOFOLLOW);
}

/* From one component of an absolute path to the next: where it ends. */
static size_t component(const char *path, size_t n, size_t at, struct span *name)
{
	while (at < n && path[at] == '/')
		at++;
	*name = span_of(path + at, 0);
	while (at < n && path[at] != '/') {
		at++;
		name->n++;
	}
	return at;
}

static int enter_next(int dir, struct span name)
{
	char text[MAILDROP_PATH_MAX + 1];
	if (span_to_text(name, text, sizeof(text)) == 0)
		return enter(dir, text);
	errno = ENAMETOOLONG;
	return -1;
}

int deliver_enter(const char *path, size_t n, struct maildrop_fault *fault)
{
	struct span name;
	int dir = open("/", way);
	for (size_t at = component(path, n, 0, &name); dir >= 0 && name.n;
		at = component(path, n, at, &name)) {
		int in = enter_next(dir, name);
		if (in < 0) {
			char passed[MAILDROP_PATH_MAX + 1];
			int error = errno;
			span_to_text(span_of(path, at), passed, sizeof(passed));
			errno = error;
			maildrop_fail(fault, "enter", passed);
		}
		int error = errno;
		close(dir);
		errno = error;
		dir = in;
	}
	return dir;
}
