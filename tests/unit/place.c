/*
 * place: see place.h.
 */
#include "unit/place.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char place_path[80];
int place_state;

static char top[64];

void place_begin(void)
{
	snprintf(top, sizeof(top), "/tmp/postern-place.XXXXXX");
	cr_assert(mkdtemp(top));
	snprintf(place_path, sizeof(place_path), "%s/Maildir", top);
	cr_assert_eq(chdir(top), 0);
	cr_assert_eq(mkdir("Maildir", 0700) + mkdir("Maildir/new", 0700) +
			     mkdir("Maildir/cur", 0700) + mkdir("state", 0700),
		0);
	place_state = open("state", O_RDONLY | O_DIRECTORY);
	cr_assert(place_state >= 0);
}

void place_end(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", top);
	cr_assert_eq(system(command), 0);
}

void place_put(const char *name, const char *text)
{
	char full[400];
	snprintf(full, sizeof(full), "Maildir/%s", name);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

struct maildrop *place_open(uint32_t undo_seconds)
{
	struct maildrop *drop;
	struct maildrop_fault fault = { "" };
	struct maildrop_place place = { .kind = MAILDROP_MAILDIR,
		.path = place_path,
		.state = place_state,
		.undo_seconds = undo_seconds };
	cr_assert_eq(maildrop_open(&drop, &place, &fault), 0, "%s", fault.text);
	return drop;
}
