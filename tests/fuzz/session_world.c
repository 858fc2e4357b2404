/*
 * session_world: see session_world.h. The other programs of an mbox take no locks: they
 * run while the session waits for its client, when it holds none.
 */
#include "session_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STORE_MAX = (WORLD_MAX + 1) * WORLD_MESSAGE_MAX };

/* Bodies differ in length, some have lines that begin with dots and no last line end.
 */
static size_t stored(const struct world *world, unsigned n, char *text)
{
	int length = snprintf(text, WORLD_MESSAGE_MAX,
		"Message-ID: <%u@fuzz>\nSubject: of %u\n\n", n, n);

	for (unsigned line = 0; line < n % 5; line++)
		length += snprintf(text + length, WORLD_MESSAGE_MAX - (size_t)length,
			"%s of %u\n", line % 2 ? ".line" : "..", n);
	length += snprintf(text + length, WORLD_MESSAGE_MAX - (size_t)length,
		"end %u%s", n, world->kind == MAILDROP_MBOX || n % 2 ? "\n" : "");
	return (size_t)length;
}

size_t world_wire(const struct world *world, unsigned n, char text[WORLD_MESSAGE_MAX])
{
	char as_stored[WORLD_MESSAGE_MAX];
	size_t length = stored(world, n, as_stored), put = 0;

	for (size_t i = 0; i < length; i++) {
		if (as_stored[i] == '\n')
			text[put++] = '\r';
		text[put++] = as_stored[i];
	}
	if (text[put - 1] != '\n') {
		text[put++] = '\r';
		text[put++] = '\n';
	}
	return put;
}

/* --- Maildir */

/* Where message n is now: beneath the world's path. */
static bool find(const struct world *world, unsigned n, char name[512])
{
	static const char *const folders[] = { "new", "cur" };
	char base[64];
	bool found = false;

	snprintf(base, sizeof(base), "%u.M%uP1.fuzz", 1700000000 + n, n);
	for (size_t f = 0; f < 2 && !found; f++) {
		char folder[300];
		snprintf(folder, sizeof(folder), "%s/%s", world->path, folders[f]);
		DIR *dir = opendir(folder);
		FUZZ_CHECK(dir);
		for (struct dirent *entry; !found && (entry = readdir(dir));)
			if (strncmp(entry->d_name, base, strlen(base)) == 0) {
				snprintf(name, 512, "%s/%.200s", folder, entry->d_name);
				found = true;
			}
		closedir(dir);
	}
	return found;
}

static void deliver_maildir(struct world *world, unsigned n)
{
	char text[WORLD_MESSAGE_MAX], name[128];

	snprintf(name, sizeof(name), "drop/new/%u.M%uP1.fuzz", 1700000000 + n, n);
	fuzz_write(name, span_of(text, stored(world, n, text)));
}

static void note_maildir(struct world *world, unsigned n)
{
	char from[512], to[512];

	snprintf(to, sizeof(to), "%s/cur/%u.M%uP1.fuzz:2,S", world->path,
		1700000000 + n, n);
	if (find(world, n, from))
		FUZZ_CHECK(rename(from, to) == 0);
}

static bool has_maildir(const struct world *world, unsigned n)
{
	char name[512], want[WORLD_MESSAGE_MAX], is[WORLD_MESSAGE_MAX];

	if (!find(world, n, name))
		return false;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	ssize_t got = read(fd, is, sizeof(is));
	close(fd);
	return got == (ssize_t)stored(world, n, want) &&
	       memcmp(is, want, (size_t)got) == 0;
}

/* --- mbox */

/* Message n with its "From " line and the empty line behind it. */
static size_t boxed(const struct world *world, unsigned n, char *text)
{
	char message[WORLD_MESSAGE_MAX];
	size_t length = stored(world, n, message);
	const char *rest = strchr(message, '\n') + 1;

	return (size_t)sprintf(text,
		"From a@fuzz Thu Jan  1 00:00:%02u 2026\n%.*s%s%.*s\n", n % 60,
		(int)(rest - message), message, world->read[n] ? "Status: RO\n" : "",
		(int)(length - (size_t)(rest - message)), rest);
}

static size_t read_box(const struct world *world, char *text)
{
	int fd = open(world->path, O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	ssize_t got = read(fd, text, STORE_MAX);
	FUZZ_CHECK(got >= 0 && got < STORE_MAX);
	close(fd);
	text[got] = '\0';
	return (size_t)got;
}

static bool has_mbox(const struct world *world, unsigned n)
{
	static char text[STORE_MAX];
	char want[2 * WORLD_MESSAGE_MAX];

	size_t length = read_box(world, text);
	size_t wanted = boxed(world, n, want);
	return memmem(text, length, want, wanted) != NULL;
}

/* As mail programs do: the whole file anew, in place. leave: without this one. */
static void rewrite_box(struct world *world, unsigned leave, unsigned note)
{
	static char text[STORE_MAX];
	bool there[WORLD_MAX + 1];
	size_t length = 0;

	for (unsigned n = 1; n <= world->made; n++)
		there[n] = n != leave && has_mbox(world, n);
	world->read[note] = true;
	for (unsigned n = 1; n <= world->made; n++)
		if (there[n])
			length += boxed(world, n, text + length);
	fuzz_write("drop/box", span_of(text, length));
}

static void append_box(struct world *world, unsigned n)
{
	char text[2 * WORLD_MESSAGE_MAX];
	size_t length = boxed(world, n, text);

	int fd = open(world->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && write(fd, text, length) == (ssize_t)length);
	close(fd);
}

/* --- both */

void world_deliver(struct world *world)
{
	if (world->made == WORLD_MAX)
		return;
	unsigned n = ++world->made;
	if (world->kind == MAILDROP_MBOX)
		append_box(world, n);
	else
		deliver_maildir(world, n);
}

void world_remove(struct world *world, size_t n)
{
	char name[512];

	if (n < 1 || n > world->made || !world_has(world, (unsigned)n))
		return;
	world->removed[n] = true;
	if (world->kind == MAILDROP_MBOX)
		rewrite_box(world, (unsigned)n, 0);
	else if (find(world, (unsigned)n, name))
		FUZZ_CHECK(unlink(name) == 0);
}

void world_note(struct world *world, size_t n)
{
	if (n < 1 || n > world->made || !world_has(world, (unsigned)n))
		return;
	if (world->kind == MAILDROP_MBOX)
		rewrite_box(world, 0, (unsigned)n);
	else
		note_maildir(world, (unsigned)n);
}

bool world_has(const struct world *world, unsigned n)
{
	return world->kind == MAILDROP_MBOX ? has_mbox(world, n)
					    : has_maildir(world, n);
}

void world_begin(struct world *world, enum maildrop_kind kind, unsigned messages)
{
	static const char *const folders[] = { "drop", "drop/new", "drop/cur",
		"drop/tmp", "state" };
	char path[256];

	*world = (struct world){ .kind = kind, .begun = messages };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", fuzz_directory(), folders[i]);
		FUZZ_CHECK(mkdir(path, 0700) == 0);
	}
	snprintf(world->path, sizeof(world->path), "%s/drop%s", fuzz_directory(),
		kind == MAILDROP_MBOX ? "/box" : "");
	if (kind == MAILDROP_MBOX)
		fuzz_write("drop/box", span_str(""));
	while (world->made < messages)
		world_deliver(world);
}

struct maildrop *world_open(struct world *world)
{
	struct maildrop_fault fault = { "" };
	struct maildrop *drop;
	char state[256];

	snprintf(state, sizeof(state), "%s/state", fuzz_directory());
	int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct maildrop_place place = {
		.kind = world->kind, .path = world->path, .state = fd
	};
	FUZZ_CHECK(fd >= 0 && maildrop_open(&drop, &place, &fault) == 0);
	FUZZ_CHECK(maildrop_count(drop) == world->begun);
	return drop;
}
