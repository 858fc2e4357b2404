/*
 * mbox_locks: the record lock and the dotlock.
 */
#include "base/io.h"
#include "maildrop/mbox_lock.h"
#include "unit/box.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
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

static int lock_without_dot(void)
{
	struct mbox_lock lock;
	int fd = open(box_path, O_RDWR);
	if (fd < 0 || mbox_lock(&lock, fd, box_path, true, io_now()) < 0)
		return 1;
	if (lock.dotted)
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
}
