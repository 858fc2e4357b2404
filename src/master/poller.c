/*
 * poller: see poller.h. The fallback keeps a dense table for poll(2); only
 * systems without epoll pay for its walk.
 */
#include "master/poller.h"

#include "base/io.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>
#ifdef HAVE_SYS_EPOLL_H
#include <sys/epoll.h>
#endif

static int wait_ms(int64_t deadline)
{
	if (deadline == IO_FOREVER)
		return -1;
	int64_t left = deadline - io_now();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static void tell(struct watch *watch, short events)
{
	/* An earlier event of the same batch may have changed or ended it. */
	events &= (short)(watch->events | POLLHUP);
	if (watch->fd >= 0 && events)
		watch->ready(watch->owner, events);
}

#ifdef HAVE_SYS_EPOLL_H

enum { BATCH = 64 };

struct poller {
	int epoll;
};

struct poller *poller_new(void)
{
	struct poller *poller = calloc(1, sizeof(*poller));
	if (!poller)
		return NULL;
	poller->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (poller->epoll >= 0)
		return poller;
	free(poller);
	return NULL;
}

int poller_watch(struct poller *poller, struct watch *watch, int fd, short events)
{
	struct epoll_event event = { .data.ptr = watch };
	if (events & POLLIN)
		event.events |= EPOLLIN;
	if (events & POLLOUT)
		event.events |= EPOLLOUT;
	if (watch->fd == fd && watch->events == events)
		return 0;
	int operation = watch->fd == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(poller->epoll, operation, fd, &event) < 0)
		return -1;
	watch->fd = fd;
	watch->events = events;
	return 0;
}

void poller_forget(struct poller *poller, struct watch *watch)
{
	/* Not left to close(2): the file stays registered while another process
	 * holds a copy of the descriptor. */
	if (watch->fd >= 0)
		epoll_ctl(poller->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

int poller_wait(struct poller *poller, int64_t deadline)
{
	struct epoll_event got[BATCH];
	int n = epoll_wait(poller->epoll, got, BATCH, wait_ms(deadline));
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		short events = 0;
		if (got[i].events & EPOLLIN)
			events |= POLLIN;
		if (got[i].events & EPOLLOUT)
			events |= POLLOUT;
		if (got[i].events & (EPOLLHUP | EPOLLERR))
			events |= POLLHUP;
		tell(got[i].data.ptr, events);
	}
	return 0;
}

void poller_free(struct poller *poller)
{
	if (!poller)
		return;
	close(poller->epoll);
	free(poller);
}

#else

struct poller {
	struct watch **watches; /* NULL: ended during this wait */
	struct pollfd *table;
	size_t n, size;
};

struct poller *poller_new(void)
{
	return calloc(1, sizeof(struct poller));
}

static int grow(struct poller *poller)
{
	size_t size = poller->size ? poller->size * 2 : 64;
	struct watch **watches = realloc(poller->watches, size * sizeof(*watches));
	if (!watches)
		return -1;
	poller->watches = watches;
	struct pollfd *table = realloc(poller->table, size * sizeof(*table));
	if (!table)
		return -1;
	poller->table = table;
	poller->size = size;
	return 0;
}

int poller_watch(struct poller *poller, struct watch *watch, int fd, short events)
{
	if (watch->fd != fd) {
		if (poller->n == poller->size && grow(poller) < 0)
			return -1;
		watch->index = poller->n++;
		poller->watches[watch->index] = watch;
	}
	poller->table[watch->index] = (struct pollfd){ .fd = fd, .events = events };
	watch->fd = fd;
	watch->events = events;
	return 0;
}

void poller_forget(struct poller *poller, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	poller->watches[watch->index] = NULL;
	poller->table[watch->index].fd = -1;
	watch->fd = -1;
}

static void close_gaps(struct poller *poller)
{
	size_t kept = 0;
	for (size_t i = 0; i < poller->n; i++) {
		if (!poller->watches[i])
			continue;
		poller->watches[kept] = poller->watches[i];
		poller->table[kept] = poller->table[i];
		poller->watches[kept]->index = kept;
		kept++;
	}
	poller->n = kept;
}

int poller_wait(struct poller *poller, int64_t deadline)
{
	close_gaps(poller);
	size_t before = poller->n;
	int n = poll(poller->table, (nfds_t)before, wait_ms(deadline));
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (size_t i = 0; i < before && n > 0; i++) {
		short events = poller->table[i].revents;
		if (!events || !poller->watches[i])
			continue;
		poller->table[i].revents = 0;
		if (events & (POLLERR | POLLNVAL))
			events |= POLLHUP;
		tell(poller->watches[i], events);
		n--;
	}
	return 0;
}

void poller_free(struct poller *poller)
{
	if (!poller)
		return;
	free(poller->watches);
	free(poller->table);
	free(poller);
}

#endif
