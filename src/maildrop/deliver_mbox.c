/*
 * deliver_mbox: puts one message into an mbox: spooled whole with its "From " lines
 * quoted (mboxrd) before a lock is taken, appended under the sessions' locks, taken
 * back when it does not fit.
 *
 * Runs as the mailbox owner (postern deliver drops to it first). Distrusts the
 * message in every octet and the maildrop as the sessions do. Memory is one block.
 */
#include "maildrop/deliver_source.h"

#include "base/io.h"
#include "maildrop/driver.h"
#include "maildrop/flush.h"
#include "maildrop/mbox_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DELIVER_LOCK_MS = 30000 };

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

/* The whole message as it will stand in the mbox: no lock is held while it comes. 0, or
 * -1; *size: its octets. */
static int spool(struct deliver_source *source, FILE *to, off_t *size)
{
	struct quote quote = { .matching = true };
	struct span s;
	put_from(source->message->sender, to);
	do {
		if (deliver_source_next(source, &s) < 0)
			return -1;
		for (size_t i = 0; i < s.n; i++)
			quote_octet(&quote, s.p[i], to);
	} while (s.n);
	fwrite(from_line, 1, quote.seen, to);
	fputs(quote.any && !quote.lf ? "\n\n" : "\n", to);
	if (fflush(to) == 0 && !ferror(to) && (*size = ftello(to)) > 0)
		return 0;
	errno = errno ? errno : EIO;
	return -1;
}

static int open_mbox(const char *path, struct maildrop_fault *fault)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const char *name = strrchr(path, '/');
	if (maildrop_name_is_taken(MAILDROP_MBOX, path)) {
		snprintf(fault->text, sizeof(fault->text),
			"%.400s: the name of another mbox's lock or journal", path);
		errno = EINVAL;
		return -1;
	}
	int dir = deliver_enter(path, name ? (size_t)(name - path) : 0, fault);
	if (dir < 0)
		return -1;
	int fd = openat(dir, name ? name + 1 : path, flags);
	if (fd < 0 && errno == ENOENT) {
		fd = openat(dir, name ? name + 1 : path, flags | O_CREAT, 0600);
		if (fd >= 0 && flush_directory(dir) < 0)
			io_close(&fd);
	}
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

/* All size octets, from the first: less is not the message. */
static int copy_spooled(FILE *from, off_t size, int to, off_t at)
{
	unsigned char block[4096];
	size_t n;
	if (fseeko(from, 0, SEEK_SET) < 0)
		return -1;
	while ((n = fread(block, 1, sizeof(block), from)) > 0) {
		if (io_pwrite_all(to, block, n, at) < 0)
			return -1;
		at += (off_t)n;
		size -= (off_t)n;
	}
	if (!ferror(from) && size == 0)
		return 0;
	errno = EIO;
	return -1;
}

/* With the locks held. What could not be written whole is taken back. */
static int append(int fd, const char *path, FILE *from, off_t size)
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
		copy_spooled(from, size, fd, st.st_size + (off_t)strlen(gap)) == 0 &&
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
	struct deliver_source source;
	struct mbox_lock lock;
	FILE *spooled = tmpfile();
	int result = -1, fd = -1;
	off_t size = 0;
	if (deliver_source_begin(&source, message) == 0 && spooled &&
		spool(&source, spooled, &size) == 0 &&
		(fd = open_mbox(path, fault)) >= 0 &&
		mbox_lock(&lock, fd, path, true, io_now() + DELIVER_LOCK_MS) == 0) {
		result = append(fd, path, spooled, size);
		if (result == 0)
			deliver_ignore_signals(); /* they came too late */
		mbox_unlock(&lock);
	}
	if (result < 0)
		deliver_fail(fault, path);
	int error = errno;
	if (spooled)
		fclose(spooled);
	io_close(&fd);
	deliver_source_end(&source);
	errno = error;
	return result;
}
