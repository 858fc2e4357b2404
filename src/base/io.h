/*
 * io: descriptors, waiting and the clock, with interruptions hidden.
 */
#ifndef POSTERN_BASE_IO_H
#define POSTERN_BASE_IO_H

#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

/* Milliseconds of the monotonic clock. */
int64_t io_now(void);

/* A deadline that never comes. */
#define IO_FOREVER INT64_MAX

/*
 * Waits until fd is ready for events (POLLIN, POLLOUT) or has hung up.
 * Returns the poll(2) revents, 0 when the deadline (io_now() scale) passed, or
 * -1 with errno.
 */
int io_wait(int fd, short events, int64_t deadline);

/*
 * Writes all of s, waiting for room on a non-blocking descriptor until the
 * deadline. Returns 0, or -1 with errno (ETIMEDOUT at the deadline).
 */
int io_write_all(int fd, struct span s, int64_t deadline);

/* read(2), hidden from EINTR. */
ssize_t io_read(int fd, void *p, size_t n);

/* pread(2) of exactly n octets unless the file ends first. */
ssize_t io_pread_full(int fd, void *p, size_t n, off_t offset);

/* pwrite(2) of all n octets. 0, or -1 with errno. */
int io_pwrite_all(int fd, const void *p, size_t n, off_t offset);

/* 0, or -1 with errno. */
int io_nonblock(int fd);

/* Closes *fd when it is not -1 and makes it -1. For descriptors that were only
 * read from: whoever wrote to a file checks close(2) itself. */
void io_close(int *fd);

#endif
