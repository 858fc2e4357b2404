/*
 * maildrop: what all kinds of maildrop share: the snapshot's array, the marks,
 * reading a message's octets. The kinds are drivers (driver.h).
 *
 * Runs as the mailbox owner, in the session. Distrusts everything beneath the
 * path. Fails with -1, errno and a text for the log; never ends the process.
 */
#include "maildrop/driver.h"

#include "base/io.h"
#include "base/pages.h"

#include <errno.h>
#include <unistd.h>

static const struct maildrop_driver *const drivers[] = {
	&maildrop_maildir,
	&maildrop_mbox,
};

enum { DRIVERS = sizeof(drivers) / sizeof(drivers[0]) };

static const struct maildrop_driver *driver_of(enum maildrop_kind kind)
{
	for (size_t i = 0; i < DRIVERS; i++)
		if (drivers[i]->kind == kind)
			return drivers[i];
	return NULL;
}

int maildrop_fail(struct maildrop_fault *fault, const char *what, const char *path)
{
	int error = errno;
	snprintf(fault->text, sizeof(fault->text), "%s %.400s: %s", what, path,
		strerror(error));
	errno = error;
	return -1;
}

int maildrop_reserve(struct maildrop *drop, size_t n)
{
	if (n <= drop->room)
		return 0;
	if (n > MAILDROP_MESSAGES_MAX) {
		errno = EFBIG;
		return -1;
	}
	struct maildrop_message *messages = pages_grow(
		drop->messages, drop->count * sizeof(*messages), n * sizeof(*messages));
	if (!messages)
		return -1;
	drop->messages = messages;
	drop->room = n;
	return 0;
}

struct maildrop_message *maildrop_append(struct maildrop *drop)
{
	if (drop->count == drop->room) {
		size_t more = drop->room < 32 ? 32 : drop->room + drop->room / 2;
		if (more > MAILDROP_MESSAGES_MAX && drop->room < MAILDROP_MESSAGES_MAX)
			more = MAILDROP_MESSAGES_MAX;
		if (maildrop_reserve(drop, more) < 0)
			return NULL;
	}
	struct maildrop_message *message = &drop->messages[drop->count++];
	*message = (struct maildrop_message){ 0 };
	return message;
}

int maildrop_open(struct maildrop **handle, const struct maildrop_place *place,
	struct maildrop_fault *fault)
{
	const struct maildrop_driver *driver = driver_of(place->kind);
	size_t n = strlen(place->path);
	*handle = NULL;
	if (!driver || place->path[0] != '/' || n > MAILDROP_PATH_MAX) {
		errno = n > MAILDROP_PATH_MAX ? ENAMETOOLONG : EINVAL;
		return maildrop_fail(fault, "open maildrop", place->path);
	}
	struct maildrop *drop = calloc(1, sizeof(*drop));
	if (!drop)
		return maildrop_fail(fault, "open maildrop", place->path);
	drop->driver = driver;
	drop->state = place->state;
	drop->undo_seconds = place->undo_seconds;
	memcpy(drop->path, place->path, n + 1);
	if (driver->open(drop, fault) < 0) {
		int error = errno;
		maildrop_close(drop);
		errno = error;
		return -1;
	}
	*handle = drop;
	return 0;
}

void maildrop_close(struct maildrop *drop)
{
	if (!drop)
		return;
	drop->driver->close(drop);
	free(drop->messages);
	free(drop->remark);
	free(drop);
}

const char *maildrop_remark(const struct maildrop *drop)
{
	return drop->remark;
}

size_t maildrop_count(const struct maildrop *drop)
{
	return drop->count;
}

uint64_t maildrop_size(const struct maildrop *drop, size_t i)
{
	return drop->messages[i].size;
}

int maildrop_uid(struct maildrop *drop, size_t i, char uid[MAILDROP_UID_MAX + 1])
{
	return drop->driver->uid(drop, i, uid);
}

int maildrop_body_open(struct maildrop *drop, size_t i, struct maildrop_body *body,
	struct maildrop_fault *fault)
{
	*body = (struct maildrop_body){ .fd = -1 };
	return drop->driver->body_open(drop, i, body, fault);
}

ssize_t maildrop_body_read(struct maildrop_body *body, void *p, size_t n)
{
	uint64_t left = body->end - body->offset;
	if (n > left)
		n = (size_t)left;
	if (n == 0)
		return 0;
	ssize_t got;
	do
		got = pread(body->fd, p, n, (off_t)body->offset);
	while (got < 0 && errno == EINTR);
	if (got == 0) { /* it was cut short under our hands */
		errno = EIO;
		return -1;
	}
	if (got > 0 && body->watch)
		body->watch->driver->body_seen(
			body->watch, body->offset, span_of(p, (size_t)got));
	if (got > 0)
		body->offset += (uint64_t)got;
	return got;
}

int maildrop_body_check(struct maildrop *drop, size_t i, struct maildrop_fault *fault)
{
	return drop->driver->body_check ? drop->driver->body_check(drop, i, fault) : 0;
}

void maildrop_body_close(struct maildrop_body *body)
{
	if (body->owned)
		io_close(&body->fd);
	*body = (struct maildrop_body){ .fd = -1 };
}

void maildrop_mark(struct maildrop *drop, size_t i, bool deleted)
{
	struct maildrop_message *message = &drop->messages[i];
	if (message->marked == deleted)
		return;
	message->marked = deleted;
	if (deleted)
		drop->marked++;
	else
		drop->marked--;
}

bool maildrop_marked(const struct maildrop *drop, size_t i)
{
	return drop->messages[i].marked;
}

int maildrop_commit(
	struct maildrop *drop, struct maildrop_done *done, struct maildrop_fault *fault)
{
	*done = (struct maildrop_done){ 0 };
	if (drop->marked == 0)
		return 0;
	return drop->driver->commit(drop, done, fault);
}
