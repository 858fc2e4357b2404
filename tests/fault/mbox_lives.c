/*
 * mbox_lives: a commit is killed, and what it wrote and had not flushed is in memory,
 * where the next process finds it and acts on it; that one may be killed, too. Then the
 * machine stops, at any moment of these lives: what nobody flushed is on the disk or
 * not, in sectors and calls. The mbox is opened on each such disk: it is the one before
 * the commit or the one after it.
 *
 * POSTERN_LONG=1: eight times as many.
 */
#include "fault/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIVES = 3 };

static size_t tears;

static struct disk first_life(struct fault *f)
{
	struct maildrop *drop;
	fault_reset(f);
	struct disk start = disk_now(f);
	fault_open(f, &drop);
	tape_start(f);
	fault_commit(f, drop);
	tape_stop();
	return start;
}

/* An agent delivers between two lives, and flushes, as agents do. On the tape. */
static void deliver(struct fault *f)
{
	struct stat st;
	int fd = open(f->path, O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0 ||
		pwrite(fd, f->append.p, f->append.n, st.st_size) !=
			(ssize_t)f->append.n ||
		fsync(fd) < 0 || close(fd) < 0)
		fault_fail(f, "deliver");
}

/* The life before was killed in front of event `stop`. */
static void next_life(struct fault *f, const struct disk *start, size_t stop, bool mail)
{
	struct disk found = disk_in_memory(start, stop);
	disk_install(f, &found);
	disk_drop(&found);
	tape_resume(stop);
	if (mail)
		deliver(f);
	fault_recover(f, rand() % 2);
	tape_stop();
}

static size_t between(size_t low, size_t high)
{
	return low + (size_t)rand() % (high - low + 1);
}

/* Mail that came between the lives is flushed from event *low on. */
static void live(
	struct fault *f, const struct disk *start, size_t stop, bool mail, size_t *low)
{
	int more = rand() % (LIVES - 1);
	next_life(f, start, stop, mail);
	*low = mail ? stop + 2 : stop;
	for (int i = 0; i < more; i++)
		next_life(f, start, between(*low, tape_length()), false);
}

static void stop_machine(
	struct fault *f, const struct disk *start, size_t stop, bool mail, int luck)
{
	char when[96];
	struct disk d = disk_stopped(start, stop, luck);
	disk_install(f, &d);
	disk_drop(&d);
	if (!mail)
		fault_deliver(f);
	fault_recover(f, rand() % 2);
	snprintf(when, sizeof(when), "stopped at event %zu of %zu, luck %d", stop,
		tape_length(), luck);
	fault_check(f, when);
	tears++;
}

/* mail: it comes between the lives; else behind them. */
static void every_kill(
	struct fault *f, const struct fault_case *what, bool mail, int times)
{
	fault_take(f, what, true);
	struct disk start = first_life(f);
	size_t n = tape_length(), low;
	for (size_t i = 0; i <= n * (size_t)times; i++) {
		size_t kill = i % (n + 1);
		disk_drop(&start);
		start = first_life(f);
		live(f, &start, kill, mail, &low);
		for (int luck = 0; luck < LUCKS; luck++)
			stop_machine(
				f, &start, between(low, tape_length()), mail, luck);
		stop_machine(f, &start, tape_length(), mail, LUCK_SECTORS);
	}
	disk_drop(&start);
	if (!f->seen_before || !f->seen_after)
		fault_fail(f, "%zu events, before %zu, after %zu", n, f->seen_before,
			f->seen_after);
	printf("%s%s: %zu events, before %zu times, after %zu times\n", what->name,
		mail ? ", mail between the lives" : "", n, f->seen_before,
		f->seen_after);
	fault_drop(f);
}

int main(void)
{
	struct fault f;
	int times = getenv("POSTERN_LONG") ? 24 : 3;
	srand(1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	fault_begin(&f);
	for (size_t i = 0; i < fault_small_n; i++) {
		every_kill(&f, &fault_small[i], false, times);
		every_kill(&f, &fault_small[i], true, times);
	}
	tape_room(2 * 4096);
	for (size_t i = 0; i < fault_full_n; i++) {
		every_kill(&f, &fault_full[i], false, times);
		every_kill(&f, &fault_full[i], true, times);
	}
	fault_end(&f);
	printf("%zu disks\n", tears);
	return 0;
}
