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
		int fd = lock_take(locks, MAILDROP_MAILDIR, "/home/joe/Maildir",
			"192.0.2.1", 60, &holder);
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
	return lock_take(locks, MAILDROP_MAILDIR, "/home/joe/Maildir", "198.51.100.9",
		takeover, holder);
}

static int lock_file(void)
{
	char key[MAILDROP_KEY_DIGITS + 1];
	maildrop_key(MAILDROP_MAILDIR, "/home/joe/Maildir", key);
	return openat(locks, key, O_RDWR);
}

static void make_old(int seconds)
{
	char key[MAILDROP_KEY_DIGITS + 1];
	maildrop_key(MAILDROP_MAILDIR, "/home/joe/Maildir", key);
	struct timespec t[2] = { { .tv_sec = time(NULL) - seconds },
		{ .tv_sec = time(NULL) - seconds } };
	cr_assert_eq(utimensat(locks, key, t, 0), 0);
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
	cr_assert(lock_take(locks, MAILDROP_MAILDIR, "/home/joe/Maildir2", "c", 60,
			  &holder) >= 0);
	cr_assert(lock_take(locks, MAILDROP_MBOX, "/home/joe/Maildir", "c", 60,
			  &holder) >= 0);
	close(other.say);
	wait_for(other);
}

Test(lock, busy_one_says_who)
{
	struct lock_holder holder;
	struct other other = hold(false);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, EWOULDBLOCK);
	cr_assert_str_eq(holder.client, "192.0.2.1");
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
	cr_assert_str_eq(holder.client, "192.0.2.1");
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

static void spoil(const char *text, size_t n)
{
	int fd = lock_file();
	cr_assert(fd >= 0);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, text, n, 0), (ssize_t)n);
	/* not closed: this process has no lock on it */
}

/* What a compromised session writes never names a process or leaves the line. */
Test(lock, hostile_text_is_only_text)
{
	static char big[100000];
	static const struct {
		const char *text, *client;
	} cases[] = {
		{ "", "" },
		{ "v1", "" },
		{ "v1 1 99999999999999999999999 x", "x" },
		{ "v1 1 1 a\r\nb", "a?" },
		{ "v1 1 1 \x1b[2J\xff", "?[2J?" },
		{ "v1 -1 -1 c", "c" },
		{ "v2 1 1 c", "" },
		{ "v1 1 18446744073709551615 c", "c" },
	};
	struct lock_holder holder;
	struct other other = hold(false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		spoil(cases[i].text, strlen(cases[i].text));
		cr_assert_eq(take(3600, &holder), -1);
		cr_assert_eq(errno, EWOULDBLOCK);
		cr_assert_str_eq(holder.client, cases[i].client, "case %zu: %s", i,
			holder.client);
	}
	memset(big, 'v', sizeof(big));
	spoil(big, sizeof(big));
	cr_assert_eq(take(3600, &holder), -1);
	close(other.say);
	cr_assert_eq(wait_for(other), 0);
	cr_assert(take(3600, &holder) >= 0);
}

Test(lock, link_is_not_followed)
{
	char key[MAILDROP_KEY_DIGITS + 1];
	struct lock_holder holder;
	maildrop_key(MAILDROP_MAILDIR, "/home/joe/Maildir", key);
	cr_assert_eq(symlinkat("elsewhere", locks, key), 0);
	cr_assert_eq(take(60, &holder), -1);
	cr_assert_eq(errno, ELOOP);
	cr_assert_eq(faccessat(locks, "elsewhere", F_OK, 0), -1);
	cr_assert_eq(unlinkat(locks, key, 0), 0);
	cr_assert_eq(mkfifoat(locks, key, 0600), 0);
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
