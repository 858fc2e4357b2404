/*
 * deliver_maildir: puts one message into a Maildir: written whole into tmp, flushed,
 * renamed into new under a name that tells its sizes.
 *
 * Runs as the mailbox owner (postern deliver drops to it first). Distrusts the
 * message in every octet and the maildrop as the sessions do. Memory is one block.
 */
#include "maildrop/deliver_source.h"

#include "base/buf.h"
#include "base/io.h"
#include "maildrop/driver.h"
#include "maildrop/flush.h"
#include "maildrop/octets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DELIVER_HOST_MAX = 64 };

/* A host name's octets in a file name, as the Maildir page wants it. */
static void put_host(struct buf *name)
{
	char host[DELIVER_HOST_MAX + 1] = "";
	if (gethostname(host, DELIVER_HOST_MAX) < 0 || !host[0])
		snprintf(host, sizeof(host), "localhost");
	for (const char *p = host; *p; p++) {
		bool plain =
			*p > 0x20 && *p < 0x7F && *p != '/' && *p != ':' && *p != ',';
		if (plain)
			buf_putc(name, (unsigned char)*p);
		else
			buf_printf(name, "\\%03o", (unsigned)(unsigned char)*p);
	}
}

static void put_name(struct buf *name)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	buf_printf(name, "%lld.M%06ldP%ld.", (long long)now.tv_sec, now.tv_nsec / 1000,
		(long)getpid());
	put_host(name);
}

static int copy_counted(
	struct deliver_source *source, int to, struct octets *octets, uint64_t *size)
{
	struct span s;
	do {
		if (deliver_source_next(source, &s) < 0 ||
			io_write_all(to, s, IO_FOREVER) < 0)
			return -1;
		octets_add(octets, s);
		*size += s.n;
	} while (s.n);
	return 0;
}

static int write_file(int tmp, const char *name, struct deliver_source *source,
	struct octets *octets, uint64_t *size)
{
	int fd = openat(
		tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	int result = copy_counted(source, fd, octets, size);
	if (result == 0)
		result = fsync(fd);
	int error = errno;
	if (close(fd) < 0 && result == 0) {
		error = errno;
		result = -1;
	}
	if (result < 0)
		unlinkat(tmp, name, 0);
	errno = error;
	return result;
}

/* Under its last name, for good; or not at all. 0, or -1. */
static int publish(int tmp, const char *text, int fresh, const char *final)
{
	int from = tmp;
	deliver_ignore_signals();
	int result = renameat(tmp, text, fresh, final);
	if (result == 0) {
		from = fresh;
		result = flush_directory(fresh);
	}
	/* The sender keeps what cannot be promised: rather twice than never. */
	int error = errno;
	if (result < 0)
		unlinkat(from, from == tmp ? text : final, 0);
	errno = error;
	return result;
}

static int put_file(int tmp, int fresh, struct deliver_source *source)
{
	char text[256], final[256];
	struct buf name, known;
	struct octets octets = { 0 };
	uint64_t size = 0;
	buf_fixed(&name, text, sizeof(text));
	put_name(&name);
	buf_putc(&name, '\0');
	if (write_file(tmp, text, source, &octets, &size) < 0)
		return -1;
	buf_fixed(&known, final, sizeof(final));
	buf_printf(&known, "%s,S=%llu,W=%llu", text, (unsigned long long)size,
		(unsigned long long)octets.n);
	buf_putc(&known, '\0');
	return publish(tmp, text, fresh, buf_ok(&known) ? final : text);
}

/* new, cur or tmp: never a link. */
static int enter_part(
	int root, const char *path, const char *name, struct maildrop_fault *fault)
{
	int dir = -1;
	int made = mkdirat(root, name, 0700);
	if (made == 0)
		made = flush_directory(root);
	else if (errno == EEXIST)
		made = 0;
	if (made == 0)
		dir = openat(
			root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0) {
		char part[MAILDROP_PATH_MAX + 8];
		snprintf(part, sizeof(part), "%s/%s", path, name);
		maildrop_fail(fault, "enter", part);
	}
	return dir;
}

int deliver_maildir(const char *path, const struct deliver_message *message,
	struct maildrop_fault *fault)
{
	struct deliver_source source;
	int root = -1, tmp = -1, cur = -1, fresh = -1, result = -1;
	if (deliver_source_begin(&source, message) == 0 &&
		(root = deliver_enter(path, strlen(path), fault)) >= 0 &&
		(tmp = enter_part(root, path, "tmp", fault)) >= 0 &&
		(cur = enter_part(root, path, "cur", fault)) >= 0 &&
		(fresh = enter_part(root, path, "new", fault)) >= 0)
		result = put_file(tmp, fresh, &source);
	if (result < 0)
		deliver_fail(fault, path);
	int error = errno;
	io_close(&root);
	io_close(&tmp);
	io_close(&cur);
	io_close(&fresh);
	deliver_source_end(&source);
	errno = error;
	return result;
}
