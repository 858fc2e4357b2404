/*
 * disk: see disk.h.
 */
#include "fault/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512 };

static void resize(struct disk *d, enum tape_file file, size_t n)
{
	struct text *text = &d->file[file];
	if (n > d->room[file]) {
		d->room[file] = n + n / 2;
		text->p = realloc(text->p, d->room[file]);
		if (!text->p)
			abort();
	}
	if (n > text->n && text->p)
		memset(text->p + text->n, 0, n - text->n);
	text->n = n;
}

static void put(
	struct disk *d, enum tape_file file, uint64_t at, const void *p, size_t n)
{
	if (at + n > d->file[file].n)
		resize(d, file, at + n);
	if (n)
		memcpy(d->file[file].p + at, p, n);
}

static bool lucky(enum disk_luck luck)
{
	return luck == LUCK_EVERYTHING || (luck != LUCK_NOTHING && rand() % 2);
}

static void apply_write(struct disk *d, const struct tape_event *e, enum disk_luck luck)
{
	if (luck != LUCK_SECTORS) {
		if (lucky(luck))
			put(d, e->file, e->at, e->data, e->n);
		return;
	}
	for (uint64_t at = e->at, end = e->at + e->n; at < end;) {
		uint64_t next = at - at % SECTOR + SECTOR;
		if (next > end)
			next = end;
		if (lucky(luck))
			put(d, e->file, at, e->data + (at - e->at), next - at);
		at = next;
	}
}

static void apply(struct disk *d, const struct tape_event *e, enum disk_luck luck)
{
	switch (e->kind) {
	case WRITE:
		apply_write(d, e, luck);
		break;
	case CUT:
		if (lucky(luck))
			resize(d, e->file, e->at);
		break;
	case ALLOCATE:
		if (lucky(luck) && e->at + e->n > d->file[e->file].n)
			resize(d, e->file, e->at + e->n);
		break;
	case MAKE:
		resize(d, JOURNAL, 0);
		if (lucky(luck))
			d->there = true;
		break;
	case REMOVE:
		if (lucky(luck))
			d->there = false;
		break;
	case FLUSH:
	case FLUSH_NAMES:
		break;
	}
}

static bool is_name(enum tape_kind kind)
{
	return kind == MAKE || kind == REMOVE;
}

/* Is event i flushed by one before stop? */
static bool is_safe(size_t i, size_t stop)
{
	const struct tape_event *e = tape_at(i);
	for (size_t k = i + 1; k < stop; k++) {
		const struct tape_event *later = tape_at(k);
		if (is_name(e->kind) ? later->kind == FLUSH_NAMES
				     : later->kind == FLUSH && later->file == e->file)
			return true;
	}
	return false;
}

static struct disk copy_of(const struct disk *d)
{
	struct disk copy = { .there = d->there };
	for (int i = 0; i < FILES; i++)
		put(&copy, i, 0, d->file[i].p, d->file[i].n);
	return copy;
}

void disk_drop(struct disk *d)
{
	for (int i = 0; i < FILES; i++)
		free(d->file[i].p);
}

struct disk disk_stopped(const struct disk *start, size_t stop, enum disk_luck luck)
{
	struct disk d = copy_of(start);
	for (size_t i = 0; i < stop; i++)
		apply(&d, tape_at(i), is_safe(i, stop) ? LUCK_EVERYTHING : luck);
	return d;
}

struct disk disk_in_memory(const struct disk *start, size_t stop)
{
	return disk_stopped(start, stop, LUCK_EVERYTHING);
}

struct disk disk_now(struct fault *f)
{
	struct disk d = { .there = access(f->journal, F_OK) == 0 };
	struct text mbox = fault_read(f->path);
	put(&d, MBOX, 0, mbox.p, mbox.n);
	free(mbox.p);
	if (d.there) {
		struct text journal = fault_read(f->journal);
		put(&d, JOURNAL, 0, journal.p, journal.n);
		free(journal.p);
	}
	return d;
}

void disk_install(struct fault *f, const struct disk *d)
{
	fault_write(f->path, d->file[MBOX], O_TRUNC);
	if (unlink(f->journal) < 0 && errno != ENOENT)
		fault_fail(f, "unlink");
	if (d->there)
		fault_write(f->journal, d->file[JOURNAL], O_TRUNC);
}
