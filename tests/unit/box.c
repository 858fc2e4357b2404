/*
 * box: see box.h.
 */
#include "unit/box.h"

#include "maildrop/mbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

char box_dir[64], box_path[128], box_dotlock[160], box_state_path[128];
int box_state = -1;

void box_begin(void)
{
	/* Memory where there is such: ext4 flushes a file that is emptied and filled.
	 */
	snprintf(box_dir, sizeof(box_dir), "%s/postern-mbox-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	cr_assert(mkdtemp(box_dir));
	snprintf(box_path, sizeof(box_path), "%s/joe", box_dir);
	snprintf(box_dotlock, sizeof(box_dotlock), "%s.lock", box_path);
	snprintf(box_state_path, sizeof(box_state_path), "%s/state", box_dir);
	cr_assert_eq(mkdir(box_state_path, 0700), 0);
	box_state = open(box_state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(box_state, 0);
}

void box_end(void)
{
	char command[128];
	close(box_state);
	snprintf(command, sizeof(command), "rm -rf %s", box_dir);
	cr_assert_eq(system(command), 0);
}

void box_put_n(const char *text, size_t n, int flags)
{
	int fd = open(box_path, O_WRONLY | O_CREAT | flags, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	cr_assert_eq(close(fd), 0);
}

void box_put(const char *text)
{
	box_put_n(text, strlen(text), O_TRUNC);
}

void box_append(const char *text)
{
	box_put_n(text, strlen(text), O_APPEND);
}

void box_put_many(int place, bool turned)
{
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	cr_assert(out);
	for (int i = 0; i < BOX_MANY; i++)
		fprintf(out, DATED "Number: %d\nStatus: %s\n\ntext\n%*s\n", i,
			i == place + turned ? "RO" : "O",
			i == BOX_MANY - 1 ? MBOX_TAIL_SEEN + 1000 : 1, "x\n");
	cr_assert_eq(fclose(out), 0);
	box_put_n(text, n, O_TRUNC);
	free(text);
}

char *box_get(size_t *n)
{
	int fd = open(box_path, O_RDONLY);
	struct stat st;
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	char *text = malloc((size_t)st.st_size + 1);
	*n = (size_t)st.st_size;
	cr_assert_eq(read(fd, text, *n), st.st_size);
	text[*n] = '\0';
	close(fd);
	return text;
}

void box_expect(const char *text)
{
	size_t n;
	char *found = box_get(&n);
	cr_expect(n == strlen(text) && memcmp(found, text, n) == 0,
		"the file holds\n<%s>\ninstead of\n<%s>", found, text);
	free(found);
}

struct maildrop *box_open(void)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = box_path, .state = box_state
	};
	struct maildrop_fault fault = { "" };
	struct maildrop *drop;
	cr_assert_eq(maildrop_open(&drop, &place, &fault), 0, "%s", fault.text);
	return drop;
}

int box_open_fails(struct maildrop_fault *fault)
{
	struct maildrop_place place = {
		.kind = MAILDROP_MBOX, .path = box_path, .state = box_state
	};
	struct maildrop *drop;
	*fault = (struct maildrop_fault){ "" };
	if (maildrop_open(&drop, &place, fault) < 0)
		return errno;
	maildrop_close(drop);
	return 0;
}

char *box_body(struct maildrop *drop, size_t i, size_t *n)
{
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	cr_assert_eq(maildrop_body_open(drop, i, &body, &fault), 0, "%s", fault.text);
	size_t size = (size_t)(body.end - body.offset);
	char *text = malloc(size + 1);
	for (*n = 0; *n < size;) {
		ssize_t got = maildrop_body_read(&body, text + *n, size - *n);
		cr_assert_gt(got, 0);
		*n += (size_t)got;
	}
	text[*n] = '\0';
	maildrop_body_close(&body);
	return text;
}

void box_uid(size_t i, char uid[MAILDROP_UID_MAX + 1])
{
	struct maildrop *drop = box_open();
	cr_assert_lt(i, maildrop_count(drop));
	cr_assert_eq(maildrop_uid(drop, i, uid), 0);
	maildrop_close(drop);
}

void box_mark(struct maildrop *drop, const char *marks)
{
	for (size_t i = 0; marks[i]; i++)
		maildrop_mark(drop, i, marks[i] == 'x');
}

int box_body_error(struct maildrop *drop, size_t i)
{
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	if (maildrop_body_open(drop, i, &body, &fault) < 0)
		return errno;
	maildrop_body_close(&body);
	return 0;
}

int box_send_error(struct maildrop *drop, size_t i)
{
	struct maildrop_body body;
	struct maildrop_fault fault = { "" };
	char block[1000];
	if (maildrop_body_open(drop, i, &body, &fault) < 0)
		return errno;
	while (maildrop_body_read(&body, block, sizeof(block)) > 0)
		;
	int error = maildrop_body_check(drop, i, &fault) < 0 ? errno : 0;
	maildrop_body_close(&body);
	return error;
}

int box_commit_error(struct maildrop *drop)
{
	struct maildrop_done done;
	struct maildrop_fault fault = { "" };
	if (maildrop_commit(drop, &done, &fault) == 0)
		return 0;
	cr_expect_gt(done.failed, 0);
	cr_expect(strstr(fault.text, box_path), "%s", fault.text);
	return errno;
}

void box_touch(int seconds)
{
	struct stat st;
	cr_assert_eq(stat(box_path, &st), 0);
	struct utimbuf times = { st.st_atime, st.st_mtime + seconds };
	cr_assert_eq(utime(box_path, &times), 0);
}

int box_as_nobody(int (*f)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(100);
		_exit(f());
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}
