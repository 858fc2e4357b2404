/*
 * lock: one holder, who says who it is, and who can be made to end.
 */
#include "maildrop/lock.h"
#include "maildrop/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[64];
static int locks;

static void setup(void)
{
	snprintf(directory, sizeof(directory), "/tmp/postern-lock.XXXXXX");
	cr_assert(mkdtemp(directory));
	locks = open(directory, O_RDONLY | O_DIRECTORY);
	cr_assert(locks >= 0);
}

static void teardown(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	cr_assert_eq(system(command), 0);
}

struct other {
	pid_t pid;
	int say; /* closed: the other ends */
};

/* Another process that takes the lock and keeps it, as long as it may. */
static struct other hold(bool stubborn)
{
	int ready[2], say[2];
	char c;
	cr_assert(pipe(ready) == 0 && pipe(say) == 0);
	struct other other = { .pid = fork(), .say = say[1] };
	if (other.pid == 0) {
		struct lock_holder holder;
		close(say[1]);
		if (stubborn)
			signal(SIGTERM, SIG_IGN);
		int fd = lock_take(
			locks, MAILDROP_MAILDIR, "/home/joe/Maildir", 60, &holder);
		if (fd < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (read(say[0], &c, 1) != 0)
			_exit(2);
		_exit(0);
	}
	close(say[0]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return other;
}

static int wait_for(struct other other)
{
	int status;
	cr_assert_eq(waitpid(other.pid, &status, 0), other.pid);
	return status;
}

static int take(uint32_t takeover, struct lock_holder *holder)
{
	return lock_take(
		locks, MAILDROP_MAILDIR, "/home/joe/Maildir", takeover, holder);
}

static const char *lock_name(void)
{
	static char name[MAILDROP_KEY_DIGITS + 8];
	maildrop_key(MAILDROP_MAILDIR, "/home/joe/Maildir", name);
	memcpy(name + MAILDROP_KEY_DIGITS, ".lock", 6);
	return name;
}

static int lock_file(void)
{
	return openat(locks, lock_name(), O_RDWR | O_NONBLOCK | O_NOATIME);
}

static void make_old(int seconds)
{
	struct timespec t[2] = { { .tv_sec = time(NULL) - seconds },
		{ .tv_sec = time(NULL) - seconds } };
	cr_assert_eq(utimensat(locks, lock_name(), t, 0), 0);
}

TestSuite(lock, .init = setup, .fini = teardown, .timeout = 60);

Test(lock, free_one_is_taken_and_freed_by_close)
{
	struct lock_holder holder;
	int fd = take(60, &holder);
	cr_assert(fd >= 0);
	cr_assert(!holder.taken_over);
	close(fd);
	fd = take(60, &holder);
	cr_assert(fd >= 0);
}

Test(lock, other_maildrops_are_not_concerned)
{
	struct lock_holder holder;
	struct other other = hold(false);
	cr_assert(lock_take(locks, MAILDROP_MAILDIR, "/home/joe/Maildir2", 60,
			  &holder) >= 0);
	cr_assert(
		lock_take(locks, MAILDROP_MBOX, "/home/joe/Maildir", 60, &holder) >= 0);
	close(other.say);
	wait_for(other);
}

Test(lock, busy_one_says_who)
{
	struct lock_holder holder;
	struct other other = hold(false);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, EWOULDBLOCK);
	cr_assert(holder.held_seconds < 5 && holder.idle_seconds < 5);
	close(other.say);
	cr_assert_eq(wait_for(other), 0);
	cr_assert(take(60, &holder) >= 0);
}

Test(lock, dead_holder_is_no_holder)
{
	struct lock_holder holder;
	struct other other = hold(true);
	kill(other.pid, SIGKILL);
	wait_for(other);
	cr_assert(take(60, &holder) >= 0);
	cr_assert(!holder.taken_over);
}

Test(lock, idle_holder_is_made_to_end)
{
	struct lock_holder holder;
	struct other other = hold(false);
	make_old(61);
	int fd = take(60, &holder);
	cr_assert(fd >= 0);
	cr_assert(holder.taken_over);
	cr_assert_geq(holder.idle_seconds, 61);
	int status = wait_for(other);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

Test(lock, touch_keeps_it)
{
	struct lock_holder holder;
	struct other other = hold(false);
	make_old(61);
	int fd = lock_file();
	lock_touch(fd);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, EWOULDBLOCK);
	cr_assert(holder.idle_seconds < 5);
	close(other.say);
	cr_assert_eq(wait_for(other), 0);
}

Test(lock, holder_that_does_not_end_keeps_it)
{
	struct lock_holder holder;
	struct other other = hold(true);
	make_old(61);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, EWOULDBLOCK);
	cr_assert(!holder.taken_over);
	close(other.say);
	cr_assert_eq(wait_for(other), 0);
}

/* One that was told to end and goes on as if it were serving. */
static struct other hold_and_touch(void)
{
	int ready[2];
	char c;
	cr_assert_eq(pipe(ready), 0);
	struct other other = { .pid = fork(), .say = -1 };
	if (other.pid == 0) {
		struct lock_holder holder;
		signal(SIGTERM, SIG_IGN);
		int fd = take(60, &holder);
		make_old(61);
		if (fd < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;) {
			usleep(500000);
			lock_touch(fd);
		}
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return other;
}

Test(lock, holder_that_goes_on_is_killed)
{
	struct lock_holder holder;
	struct other other = hold_and_touch();
	cr_assert_geq(take(60, &holder), 0);
	cr_assert(holder.taken_over);
	int status = wait_for(other);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

Test(lock, deaf_holder_is_killed_in_the_end)
{
	struct lock_holder holder;
	struct other other = hold(true);
	make_old(61 + 300);
	cr_assert_geq(take(60, &holder), 0);
	cr_assert(holder.taken_over);
	int status = wait_for(other);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(other.say);
}

/* What a compromised session has of the lock takes no room in root's file system. */
Test(lock, nothing_can_be_stored_in_it)
{
	static char big[1 << 20];
	struct lock_holder holder;
	struct stat st;
	struct other other = hold(false);
	int fd = lock_file();
	cr_assert_neq(posix_fallocate(fd, 0, sizeof(big)), 0);
	cr_assert_eq(ftruncate(fd, sizeof(big)), -1);
	cr_assert_eq(pwrite(fd, big, sizeof(big), 0), -1);
	cr_assert_leq(write(fd, big, sizeof(big)), 65536);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_blocks, 0);
	/* It is a lock all the same, full or not. */
	cr_assert_eq(take(3600, &holder), -1);
	cr_assert_eq(errno, EWOULDBLOCK);
	close(other.say);
	cr_assert_eq(wait_for(other), 0);
	cr_assert(take(3600, &holder) >= 0);
}

Test(lock, held_since_does_not_move)
{
	struct lock_holder holder;
	struct other other = hold(false);
	make_old(50);
	int fd = lock_file();
	for (int i = 0; i < 3; i++)
		lock_touch(fd);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_lt(holder.idle_seconds, 5);
	cr_assert_geq(holder.held_seconds, 50);
	close(other.say);
	cr_assert_eq(wait_for(other), 0);
}

Test(lock, link_is_not_followed)
{
	struct lock_holder holder;
	cr_assert_eq(symlinkat("elsewhere", locks, lock_name()), 0);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, ELOOP);
	cr_assert_eq(faccessat(locks, "elsewhere", F_OK, 0), -1);
	cr_assert_eq(unlinkat(locks, lock_name(), 0), 0);
	int file = openat(locks, lock_name(), O_CREAT | O_RDWR, 0600);
	cr_assert_geq(file, 0);
	close(file);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, EINVAL);
}

/* The session is not the file's owner any more when it touches it. */
Test(lock, touch_works_without_rights_on_the_file)
{
	struct lock_holder holder;
	struct stat st;
	int fd = take(60, &holder);
	make_old(100);
	cr_assert_eq(fchmod(fd, 0), 0);
	if (geteuid() != 0) {
		lock_touch(fd);
	} else if (fork() == 0) {
		if (setresuid(12345, 12345, 12345) == 0)
			lock_touch(fd);
		_exit(0);
	} else {
		wait(NULL);
	}
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert(time(NULL) - st.st_mtime < 50);
}
