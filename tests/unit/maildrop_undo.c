/*
 * undo: what a session deletes can be had back, until its time is over; and nothing
 * that an owner plants leads anywhere.
 */
#include "maildrop/undo.h"
#include "postern/maildrop.h"
#include "unit/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(undo, .init = place_begin, .fini = place_end, .timeout = 120);

static size_t count(void)
{
	struct maildrop *drop = place_open(0);
	size_t n = maildrop_count(drop);
	maildrop_close(drop);
	return n;
}

static void delete_all(uint32_t undo)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	struct maildrop *drop = place_open(undo);
	size_t n = maildrop_count(drop);
	for (size_t i = 0; i < n; i++)
		maildrop_mark(drop, i, true);
	cr_assert_eq(maildrop_commit(drop, &done, &fault), 0, "%s", fault.text);
	cr_assert_eq(done.removed, n);
	maildrop_close(drop);
}

static int restore(void *self, const struct undo_entry *entry)
{
	(void)self;
	return undo_restore(place_path, entry);
}

static int count_one(void *self, const struct undo_entry *entry)
{
	(void)entry;
	++*(size_t *)self;
	return 0;
}

static size_t kept(void)
{
	size_t n = 0;
	int undo = undo_open(place_path, false);
	if (undo < 0)
		return 0;
	cr_assert_eq(undo_each(undo, count_one, &n), 0);
	close(undo);
	return n;
}

Test(undo, there_and_back)
{
	char text[2048], longer[256];
	struct stat before, after;
	place_put("new/1.a", "a\n");
	place_put("cur/2.b:2,FS", "b\n");
	cr_assert_eq(stat("Maildir/new/1.a", &before), 0);
	delete_all(3600);
	cr_assert_eq(count(), 0);
	cr_assert_eq(kept(), 2);
	cr_assert_eq(undo_read_note(place_state, text, sizeof(text)), 0);
	cr_assert_str_eq(text, place_path);
	int undo = undo_open(place_path, false);
	cr_assert_eq(undo_each(undo, restore, &undo), 0);
	cr_assert_eq(kept(), 0);
	cr_assert_eq(count(), 2);
	cr_assert_eq(stat("Maildir/new/1.a", &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino, "not copied");
	cr_assert_eq(access("Maildir/cur/2.b:2,FS", F_OK), 0);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '3';
	longer[255] = '\0';
	snprintf(text, sizeof(text), "new/%s", longer);
	place_put(text, "long\n");
	delete_all(3600);
	cr_assert_eq(kept(), 3);
	cr_assert_eq(undo_each(undo, restore, &undo), 0);
	cr_assert_eq(count(), 3);
	snprintf(text, sizeof(text), "Maildir/new/%s", longer);
	cr_assert_eq(access(text, F_OK), 0, "under its name, however long");
	close(undo);
}

/* As earlier versions kept them. */
Test(undo, kept_by_an_earlier_version)
{
	cr_assert_eq(mkdir("Maildir/" UNDO_DIR, 0700), 0);
	place_put(UNDO_DIR "/1700000000.n.1.a", "a\n");
	place_put(UNDO_DIR "/1700000000.c.2.b:2,S", "b\n");
	cr_assert_eq(kept(), 2);
	int undo = undo_open(place_path, false);
	cr_assert_eq(undo_each(undo, restore, &undo), 0);
	close(undo);
	cr_assert_eq(access("Maildir/new/1.a", F_OK), 0);
	cr_assert_eq(access("Maildir/cur/2.b:2,S", F_OK), 0);
}

Test(undo, off_keeps_nothing)
{
	place_put("new/1.a", "a\n");
	delete_all(0);
	cr_assert_eq(kept(), 0);
	cr_assert_eq(access("Maildir/" UNDO_DIR, F_OK), -1);
}

Test(undo, never_over_another)
{
	place_put("new/1.a", "old\n");
	delete_all(3600);
	place_put("new/1.a", "new\n");
	int undo = undo_open(place_path, false);
	cr_assert_eq(undo_each(undo, restore, &undo), -1);
	cr_assert_eq(errno, EEXIST);
	cr_assert_eq(kept(), 1);
	cr_assert_eq(count(), 1);
}

Test(undo, time_is_over)
{
	struct undo_purged purged;
	place_put("new/1.a", "a\n");
	delete_all(3600);
	cr_assert_eq(rename("Maildir/" UNDO_DIR, "Maildir/u") +
			     mkdir("Maildir/" UNDO_DIR, 0700),
		0);
	place_put(UNDO_DIR "/100.n.1.old", "o\n");
	place_put(UNDO_DIR "/200.c.2.old:2,S", "o\n");
	place_put(UNDO_DIR "/300.c.3.old", "o\n");
	place_put(UNDO_DIR "/notes", "not ours\n");
	place_put(UNDO_DIR "/100.x.1.old", "not ours\n");
	place_put(UNDO_DIR "/100.n..hidden", "not ours\n");
	int undo = undo_open(place_path, false);
	cr_assert_eq(undo_purge(undo, 300, 1, &purged), 0);
	cr_assert_eq(purged.freed, 1);
	cr_assert_eq(purged.left, 2);
	cr_assert_eq(undo_purge(undo, 300, 100, &purged), 0);
	cr_assert_eq(purged.freed, 1);
	cr_assert_eq(purged.left, 1);
	cr_assert_eq(access("Maildir/" UNDO_DIR "/notes", F_OK), 0);
	cr_assert_eq(mkdir("Maildir/" UNDO_DIR "/100.n", 0700) +
			     mkdir("Maildir/" UNDO_DIR "/9999999999.c", 0700),
		0);
	place_put(UNDO_DIR "/100.n/1.old", "o\n");
	place_put(UNDO_DIR "/9999999999.c/2.old:2,S", "o\n");
	cr_assert_eq(undo_purge(undo, 300, 100, &purged), 0);
	cr_assert_eq(purged.freed, 1);
	cr_assert_eq(purged.left, 2);
	cr_assert_eq(access("Maildir/" UNDO_DIR "/100.n", F_OK), -1, "and its place");
	cr_assert_eq(unlink("Maildir/" UNDO_DIR "/9999999999.c/2.old:2,S"), 0);
	/* A session frees what is due when it has deleted something. */
	place_put("new/2.b", "b\n");
	delete_all(3600);
	cr_assert_eq(access("Maildir/" UNDO_DIR "/300.c.3.old", F_OK), -1);
	cr_assert_eq(kept(), 1);
}

/* A planted link or file costs the undo, not the deletion, and leads nowhere. */
Test(undo, planted_things)
{
	cr_assert_eq(mkdir("elsewhere", 0700), 0);
	cr_assert_eq(symlink("../elsewhere", "Maildir/" UNDO_DIR), 0);
	place_put("new/1.a", "a\n");
	delete_all(3600);
	cr_assert_eq(count(), 0);
	cr_assert_eq(rmdir("elsewhere"), 0, "it stayed empty");
	cr_assert_eq(unlink("Maildir/" UNDO_DIR), 0);
	place_put(UNDO_DIR, "a file\n");
	place_put("new/1.a", "a\n");
	delete_all(3600);
	cr_assert_eq(count(), 0);
	cr_assert_eq(unlink("Maildir/" UNDO_DIR), 0);

	cr_assert_eq(mkdir("Maildir/" UNDO_DIR, 0700), 0);
	cr_assert_eq(symlink("/etc/passwd", "Maildir/" UNDO_DIR "/1.n.1.a"), 0);
	int undo = undo_open(place_path, false);
	cr_assert_eq(undo_each(undo, restore, &undo), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(count(), 0);
}

Test(undo, notes_are_hostile)
{
	char text[32];
	static const struct {
		const char *note;
		size_t n;
	} cases[] = {
		{ "", 0 },
		{ "relative", 8 },
		{ "/a\0b", 4 },
		{ "/0123456789012345678901234567890123456789", 41 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = openat(
			place_state, UNDO_NOTE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		cr_assert_eq(write(fd, cases[i].note, cases[i].n), (ssize_t)cases[i].n);
		close(fd);
		cr_assert_eq(
			undo_read_note(place_state, text, sizeof(text)), -1, "%zu", i);
	}
	cr_assert_eq(unlinkat(place_state, UNDO_NOTE, 0), 0);
	cr_assert_eq(symlinkat("/etc/passwd", place_state, UNDO_NOTE), 0);
	cr_assert_eq(undo_read_note(place_state, text, sizeof(text)), -1);
	undo_note(place_state, place_path);
	cr_assert_eq(unlinkat(place_state, UNDO_NOTE, 0), 0);
	cr_assert_eq(mkfifoat(place_state, UNDO_NOTE, 0600), 0);
	cr_assert_eq(undo_read_note(place_state, text, sizeof(text)), -1);
}

Test(undo, parse)
{
	struct undo_entry entry;
	static const char *const no[] = { "", ".", "..", "1", "1.", "1.n.", "1.n..a",
		"x.n.a", ".n.a", "1..a", "1.nn.a", "-1.n.a", "99999999999999999999.n.a",
		"1.N.a" };
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		cr_expect(!undo_parse(no[i], &entry), "%s", no[i]);
	cr_assert(undo_parse("1700000000.n", &entry));
	cr_assert(entry.fresh && entry.deleted == 1700000000);
	cr_assert_str_eq(entry.name, "");
	cr_assert(undo_parse("1700000000.c.1.M2.host:2,S", &entry));
	cr_assert_eq(entry.deleted, 1700000000);
	cr_assert(!entry.fresh);
	cr_assert_str_eq(entry.name, "1.M2.host:2,S");
}
