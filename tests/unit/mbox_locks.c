/*
 * mbox_locks: the record lock and the dotlock.
 */
#include "base/io.h"
#include "maildrop/mbox_lock.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

TestSuite(mbox_locks, .init = box_begin, .fini = box_end, .timeout = 120);

/* Another process that holds the record lock until it is told to let go. */
static pid_t holder(int *tell)
{
	int ready[2], go[2];
	char c;
	cr_assert_eq(pipe(ready), 0);
	cr_assert_eq(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(box_path, O_RDWR);
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
			_exit(1);
		close(go[1]);
		_exit(write(ready[1], "x", 1) == 1 && read(go[0], &c, 1) >= 0 ? 0 : 1);
	}
	close(go[0]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*tell = go[1];
	return pid;
}

static int lock_error(int ms)
{
	struct mbox_lock lock;
	int fd = open(box_path, O_RDWR);
	cr_assert_geq(fd, 0);
	int error = mbox_lock(&lock, fd, box_path, true, io_now() + ms) < 0 ? errno : 0;
	if (!error) {
		cr_expect_eq(access(box_dotlock, F_OK), 0, "the dotlock is there");
		mbox_unlock(&lock);
		cr_expect_eq(access(box_dotlock, F_OK), -1, "the dotlock is gone");
	}
	close(fd);
	return error;
}

Test(mbox_locks, record_lock)
{
	int tell, status;
	box_put(A);
	cr_expect_eq(lock_error(0), 0);
	pid_t pid = holder(&tell);
	cr_expect_eq(lock_error(100), EAGAIN);
	cr_expect_eq(access(box_dotlock, F_OK), -1);
	close(tell); /* it lets go while we wait */
	cr_expect_eq(lock_error(20000), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

static void put_dotlock(const char *text, int age)
{
	int fd = open(box_dotlock, O_WRONLY | O_CREAT | O_EXCL, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct utimbuf times = { time(NULL) - age, time(NULL) - age };
	cr_assert_eq(utime(box_dotlock, &times), 0);
}

Test(mbox_locks, dotlock)
{
	char host[65], text[128];
	box_put(A);
	put_dotlock("0\n", 0);
	cr_expect_eq(lock_error(100), EAGAIN);
	cr_expect_eq(access(box_dotlock, F_OK), 0, "it is not ours to remove");
	cr_assert_eq(unlink(box_dotlock), 0);
	put_dotlock("0\n", 200);
	cr_expect_eq(lock_error(0), EAGAIN);
	cr_assert_eq(unlink(box_dotlock), 0);
	put_dotlock("0\n", 400);
	cr_expect_eq(lock_error(0), 0, "stale by age");
	cr_assert_eq(gethostname(host, sizeof(host)), 0);
	snprintf(text, sizeof(text), "1\npostern-session %s\n", host);
	put_dotlock(text, 0);
	cr_expect_eq(lock_error(0), 0, "a dead session's");
	put_dotlock("1\npostern-session elsewhere.invalid\n", 0);
	cr_expect_eq(lock_error(0), EAGAIN);
}

/* What stands there for ever must not keep the owner out for ever. */
Test(mbox_locks, dotlock_of_a_time_to_come)
{
	struct stat st = { 0 };
	const time_t now = 1000000;
	const struct {
		int set, changed;
		bool known, old;
	} times[] = {
		{ 0, 0, true, false }, { -299, -299, true, false },
		{ -301, 0, true, true },
		{ 200, 0, true, false }, /* another clock, a little ahead */
		{ 86400, 0, true, false },
		{ 86400, -301, true, true },	/* and was set five minutes ago */
		{ 86400, 86400, true, true },	/* the clock was set back since */
		{ 86400, 86400, false, false }, /* it is not our clock */
	};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		st.st_mtime = now + times[i].set;
		st.st_ctime = now + times[i].changed;
		cr_expect_eq(dotlock_is_old(&st, now, times[i].known), times[i].old,
			"%zu", i);
	}
}

/* A mailbox under a lock's name, of whoever made it: nothing of it is removed. */
Test(mbox_locks, what_is_no_lock_is_not_removed)
{
	static const char *const names[] = { "", ".new" };
	char path[200];
	for (size_t i = 0; i < 2; i++) {
		box_put(A);
		put_dotlock(B, 400);
		snprintf(path, sizeof(path), "%s%s", box_dotlock, names[i]);
		cr_assert_eq(rename(box_dotlock, path), 0);
		struct mbox_lock lock;
		int fd = open(box_path, O_RDWR);
		cr_expect_eq(mbox_lock(&lock, fd, box_path, true, io_now()), 0);
		cr_expect_not(lock.dot.made);
		mbox_unlock(&lock);
		close(fd);
		struct stat st;
		cr_expect_eq(stat(path, &st), 0, "%s", path);
		cr_expect_eq(st.st_size, (off_t)strlen(B));
		cr_assert_eq(unlink(path), 0);
	}
}

/* What a process left that was killed before its lock had its name. */
Test(mbox_locks, half_a_dotlock)
{
	char fresh[200];
	box_put(A);
	put_dotlock("12", 0);
	snprintf(fresh, sizeof(fresh), "%s.new", box_dotlock);
	cr_assert_eq(rename(box_dotlock, fresh), 0);
	cr_expect_eq(lock_error(0), 0);
	cr_expect_eq(access(fresh, F_OK), -1);
}

/* As c-client does it: flock(2), and where it may a dotlock, and no record lock. */
Test(mbox_locks, flock)
{
	box_put(A);
	int fd = open(box_path, O_RDWR);
	cr_assert_geq(fd, 0);
	cr_assert_eq(flock(fd, LOCK_SH), 0);
	cr_expect_eq(lock_error(100), EAGAIN);
	cr_expect_eq(access(box_dotlock, F_OK), -1);
	cr_assert_eq(flock(fd, LOCK_UN), 0);
	struct mbox_lock lock;
	int ours = open(box_path, O_RDWR);
	cr_assert_eq(mbox_lock(&lock, ours, box_path, true, io_now()), 0);
	cr_expect_eq(flock(fd, LOCK_SH | LOCK_NB), -1);
	mbox_unlock(&lock);
	cr_expect_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	close(ours);
}

static int lock_without_dot(void)
{
	struct mbox_lock lock;
	int fd = open(box_path, O_RDWR);
	if (fd < 0)
		return 1;
	if (mbox_lock(&lock, fd, box_path, true, io_now()) < 0)
		return errno == EAGAIN ? 3 : 4;
	if (lock.dot.made)
		return 2;
	mbox_unlock(&lock);
	return 0;
}

Test(mbox_locks, dotlock_where_the_directory_is_not_ours)
{
	box_put(A B);
	cr_assert_eq(chmod(box_path, 0666), 0);
	cr_assert_eq(chmod(box_dir, 0555), 0);
	cr_expect_eq(box_as_nobody(lock_without_dot), 0);
	cr_assert_eq(chmod(box_dir, 0755), 0);
	put_dotlock("1\n", 0);
	cr_assert_eq(chmod(box_dir, 0555), 0);
	cr_expect_eq(box_as_nobody(lock_without_dot), 3, "another's is respected");
	struct utimbuf times = { time(NULL) - 400, time(NULL) - 400 };
	cr_assert_eq(utime(box_dotlock, &times), 0);
	cr_expect_eq(box_as_nobody(lock_without_dot), 0, "unless it is stale");
	cr_expect_eq(access(box_dotlock, F_OK), 0);
	cr_assert_eq(chmod(box_dir, 0755), 0);
}

Test(mbox_locks, names)
{
	static const char *const taken[] = { "/m/joe.lock", "/m/joe.lock.new",
		"/m/joe.lock.1234.host", "/m/.joe.postern-journal",
		"/m/.joe.postern-journal.kept", "/m/.lock" };
	static const char *const free_ones[] = { "/m/joe", "/m/joe.locker",
		"/m/j.lock.d/joe", "/m/lock", "/m/joe.lock/inbox" };
	struct maildrop_fault fault;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		cr_expect(maildrop_name_is_taken(MAILDROP_MBOX, taken[i]));
		cr_expect_not(maildrop_name_is_taken(MAILDROP_MAILDIR, taken[i]));
	}
	for (size_t i = 0; i < sizeof(free_ones) / sizeof(free_ones[0]); i++)
		cr_expect_not(maildrop_name_is_taken(MAILDROP_MBOX, free_ones[i]));
	box_put(A);
	cr_assert_eq(rename(box_path, box_dotlock), 0);
	strcpy(box_path, box_dotlock);
	cr_expect_eq(box_open_fails(&fault), EINVAL);
}

/* Whoever knows only dotlocks and delivers in the middle of a commit is waited for. */
Test(mbox_locks, settle)
{
	struct mbox_lock lock = { .fd = -1 };
	dotlock_name(&lock.dot, box_path, true);
	put_dotlock("1\n", 0);
	int64_t began = io_now();
	mbox_lock_settle(&lock);
	cr_expect_geq(io_now() - began, 1000, "a second at most, and at least");
	cr_expect_leq(io_now() - began, 20000);
	cr_assert_eq(unlink(box_dotlock), 0);
}
