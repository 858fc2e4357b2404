/*
 * deliver: puts one message into a maildrop. See deliver.h.
 *
 * Runs as the mailbox owner (postern deliver drops to it first). Distrusts the
 * message in every octet and the maildrop as the sessions do. Memory is one block.
 */
#include "maildrop/deliver.h"

#include "base/buf.h"
#include "base/io.h"
#include "maildrop/driver.h"
#include "maildrop/mbox_lock.h"
#include "maildrop/octets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	DELIVER_BLOCK = 64 * 1024,
	DELIVER_HOST_MAX = 64,
	DELIVER_LOCK_MS = 30000,
};

/* --- the message, block by block
 * ------------------------------------------------------ */

struct source {
	const struct deliver_message *message;
	int part; /* 0: head, 1: begun, 2: the rest */
	unsigned char *block;
};

/* The next octets into *s, none at the end. 0, or -1 with errno. */
static int next_block(struct source *source, struct span *s)
{
	const struct deliver_message *message = source->message;
	while (source->part < 2) {
		*s = source->part == 0 ? message->head : message->begun;
		source->part++;
		if (s->n)
			return 0;
	}
	ssize_t n = io_read(message->in, source->block, DELIVER_BLOCK);
	*s = span_of(source->block, n > 0 ? (size_t)n : 0);
	return n < 0 ? -1 : 0;
}

/* --- directories
 * ------------------------------------------------------------------------ */

static const int directory_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

/* Opens a directory, and makes it when it is missing: then it is no link. */
static int enter(int at, const char *name)
{
	int dir = openat(at, name, directory_flags);
	if (dir >= 0 || errno != ENOENT)
		return dir;
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(at, name, directory_flags | O_NOFOLLOW);
}

/* Opens the directory of the first n octets of an absolute path, making what is
 * missing of it. */
static int enter_path(const char *path, size_t n)
{
	char copy[MAILDROP_PATH_MAX + 1];
	if (span_to_text(span_of(path, n), copy, sizeof(copy)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int dir = open("/", directory_flags);
	char *save, *name = strtok_r(copy, "/", &save);
	for (; dir >= 0 && name; name = strtok_r(NULL, "/", &save)) {
		int in = enter(dir, name);
		int error = errno;
		close(dir);
		errno = error;
		dir = in;
	}
	return dir;
}

/* new, cur or tmp: never a link. */
static int enter_part(int root, const char *name)
{
	if (mkdirat(root, name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(root, name, directory_flags | O_NOFOLLOW);
}

/* --- Maildir
 * ------------------------------------------------------------------------------ */

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
	struct source *source, int to, struct octets *octets, uint64_t *size)
{
	struct span s;
	do {
		if (next_block(source, &s) < 0 || io_write_all(to, s, IO_FOREVER) < 0)
			return -1;
		octets_add(octets, s);
		*size += s.n;
	} while (s.n);
	return 0;
}

static int write_file(int tmp, const char *name, struct source *source,
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

static int put_file(int tmp, int fresh, struct source *source)
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
	if (renameat(tmp, text, fresh, buf_ok(&known) ? final : text) == 0)
		return fsync(fresh);
	int error = errno;
	unlinkat(tmp, text, 0);
	errno = error;
	return -1;
}

int deliver_maildir(const char *path, const struct deliver_message *message,
	struct maildrop_fault *fault)
{
	struct source source = { .message = message, .block = malloc(DELIVER_BLOCK) };
	int root = enter_path(path, strlen(path)), tmp = -1, cur = -1, fresh = -1;
	int result = -1;
	if (root >= 0 && source.block && (tmp = enter_part(root, "tmp")) >= 0 &&
		(cur = enter_part(root, "cur")) >= 0 &&
		(fresh = enter_part(root, "new")) >= 0)
		result = put_file(tmp, fresh, &source);
	if (result < 0)
		maildrop_fail(fault, "deliver to", path);
	int error = errno;
	io_close(&root);
	io_close(&tmp);
	io_close(&cur);
	io_close(&fresh);
	free(source.block);
	errno = error;
	return result;
}

/* --- mbox --- */

/* Quoting, whatever the blocks: where in "From " the line's beginning is. */
struct quote {
	bool matching; /* only '>'s have been seen of this line, then `seen` of it */
	size_t seen;
	bool any, lf;
};

static const char from_line[] = "From ";

static void quote_octet(struct quote *quote, unsigned char c, FILE *to)
{
	size_t whole = sizeof(from_line) - 1;
	if (quote->matching && c == '>' && quote->seen == 0) {
		putc(c, to);
	} else if (quote->matching && c == (unsigned char)from_line[quote->seen]) {
		if (++quote->seen == whole) {
			fprintf(to, ">%s", from_line);
			quote->matching = false;
			quote->seen = 0;
		}
	} else {
		fwrite(from_line, 1, quote->seen, to);
		putc(c, to);
		quote->seen = 0;
		quote->matching = c == '\n';
	}
	quote->any = true;
	quote->lf = c == '\n';
}

static void put_from(const char *sender, FILE *to)
{
	char date[64];
	time_t now = time(NULL);
	struct tm utc;
	fputs(from_line, to);
	for (const char *p = *sender ? sender : "MAILER-DAEMON"; *p; p++)
		putc(*p > 0x20 && *p < 0x7F ? *p : '_', to);
	if (!gmtime_r(&now, &utc) ||
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &utc) == 0)
		snprintf(date, sizeof(date), "Thu Jan  1 00:00:00 1970");
	fprintf(to, " %s\n", date);
}

/* The whole message as it will stand in the mbox: no lock is held while it comes. */
static int spool(struct source *source, FILE *to)
{
	struct quote quote = { .matching = true };
	struct span s;
	put_from(source->message->sender, to);
	do {
		if (next_block(source, &s) < 0)
			return -1;
		for (size_t i = 0; i < s.n; i++)
			quote_octet(&quote, s.p[i], to);
	} while (s.n);
	fwrite(from_line, 1, quote.seen, to);
	fputs(quote.any && !quote.lf ? "\n\n" : "\n", to);
	if (fflush(to) == 0 && !ferror(to))
		return 0;
	errno = errno ? errno : EIO;
	return -1;
}

static int open_mbox(const char *path)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const char *name = strrchr(path, '/');
	int fd = open(path, flags);
	if (fd >= 0 || errno != ENOENT || !name)
		return fd;
	int dir = enter_path(path, (size_t)(name - path));
	if (dir < 0)
		return -1;
	fd = openat(dir, name + 1, flags | O_CREAT, 0600);
	int error = errno;
	close(dir);
	errno = error;
	return fd;
}

/* Line ends that the mbox lacks before another message may begin. */
static const char *separator(int fd, off_t size)
{
	char last[2] = "";
	if (size < 2)
		return size == 0 ? "" : "\n\n";
	if (io_pread_full(fd, last, 2, size - 2) != 2 || last[1] != '\n')
		return "\n\n";
	return last[0] == '\n' ? "" : "\n";
}

static int copy_spooled(FILE *from, int to, off_t at)
{
	unsigned char block[4096];
	size_t n;
	rewind(from);
	while ((n = fread(block, 1, sizeof(block), from)) > 0) {
		if (io_pwrite_all(to, block, n, at) < 0)
			return -1;
		at += (off_t)n;
	}
	if (!ferror(from))
		return 0;
	errno = EIO;
	return -1;
}

/* With the locks held. What could not be written whole is taken back. */
static int append(int fd, const char *path, FILE *from)
{
	struct stat st, named;
	if (fstat(fd, &st) < 0 || lstat(path, &named) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_dev != named.st_dev ||
		st.st_ino != named.st_ino) {
		errno = S_ISREG(st.st_mode) ? EAGAIN : EINVAL;
		return -1;
	}
	const char *gap = separator(fd, st.st_size);
	if (io_pwrite_all(fd, gap, strlen(gap), st.st_size) == 0 &&
		copy_spooled(from, fd, st.st_size + (off_t)strlen(gap)) == 0 &&
		fsync(fd) == 0)
		return 0;
	int error = errno;
	if (ftruncate(fd, st.st_size) == 0)
		fsync(fd);
	errno = error;
	return -1;
}

int deliver_mbox(const char *path, const struct deliver_message *message,
	struct maildrop_fault *fault)
{
	struct source source = { .message = message, .block = malloc(DELIVER_BLOCK) };
	struct mbox_lock lock;
	FILE *spooled = tmpfile();
	int result = -1, fd = -1;
	if (spooled && source.block && spool(&source, spooled) == 0 &&
		(fd = open_mbox(path)) >= 0 &&
		mbox_lock(&lock, fd, path, true, io_now() + DELIVER_LOCK_MS) == 0) {
		result = append(fd, path, spooled);
		mbox_unlock(&lock);
	}
	if (result < 0)
		maildrop_fail(fault, "deliver to", path);
	int error = errno;
	if (spooled)
		fclose(spooled);
	io_close(&fd);
	free(source.block);
	errno = error;
	return result;
}
