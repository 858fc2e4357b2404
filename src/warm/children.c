/*
 * children: one array and two chained hashes over it. Keys are the kernel's and
 * the master's numbers, which no peer chooses, so their low bits are the hash.
 * Removal moves the last entry into the gap: the array stays dense.
 */
#include "warm/children.h"

#include <errno.h>

enum { CHILDREN_FIRST = 64, CHILDREN_MOST = 1 << 22 };

static uint32_t *pid_head(const struct children *c, pid_t pid)
{
	return &c->by_pid[(uint32_t)pid & (c->size - 1)];
}

static uint32_t *connection_head(const struct children *c, uint64_t connection)
{
	return &c->by_connection[(uint32_t)connection & (c->size - 1)];
}

static void link_in(struct children *c, uint32_t index)
{
	struct child_entry *e = &c->entries[index];
	uint32_t *pid = pid_head(c, e->pid);
	uint32_t *connection = connection_head(c, e->connection);
	e->next_pid = *pid;
	e->next_connection = *connection;
	*pid = *connection = index + 1;
}

static void unlink_from(struct children *c, uint32_t index)
{
	const struct child_entry *e = &c->entries[index];
	uint32_t *at = pid_head(c, e->pid);
	while (*at != index + 1)
		at = &c->entries[*at - 1].next_pid;
	*at = e->next_pid;
	at = connection_head(c, e->connection);
	while (*at != index + 1)
		at = &c->entries[*at - 1].next_connection;
	*at = e->next_connection;
}

void children_free(struct children *c)
{
	free(c->entries);
	free(c->by_pid);
	free(c->by_connection);
	*c = (struct children){ 0 };
}

static int resize(struct children *c, uint32_t size)
{
	struct children bigger = { .n = c->n, .size = size };
	bigger.entries = calloc(size, sizeof(*bigger.entries));
	bigger.by_pid = calloc(size, sizeof(*bigger.by_pid));
	bigger.by_connection = calloc(size, sizeof(*bigger.by_connection));
	if (!bigger.entries || !bigger.by_pid || !bigger.by_connection) {
		children_free(&bigger);
		errno = ENOMEM;
		return -1;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		bigger.entries[i] = c->entries[i];
		link_in(&bigger, i);
	}
	children_free(c);
	*c = bigger;
	return 0;
}

int children_reserve(struct children *c)
{
	if (c->n < c->size)
		return 0;
	if (c->size >= CHILDREN_MOST) {
		errno = ENOMEM;
		return -1;
	}
	return resize(c, c->size ? c->size * 2 : CHILDREN_FIRST);
}

void children_add(struct children *c, pid_t pid, uint64_t connection)
{
	c->entries[c->n] = (struct child_entry){ .pid = pid, .connection = connection };
	link_in(c, c->n++);
}

uint64_t children_remove(struct children *c, pid_t pid)
{
	uint32_t at = c->size ? *pid_head(c, pid) : 0;
	while (at && c->entries[at - 1].pid != pid)
		at = c->entries[at - 1].next_pid;
	if (!at)
		return 0;
	uint64_t connection = c->entries[at - 1].connection;
	unlink_from(c, at - 1);
	c->n--;
	if (at - 1 != c->n) {
		unlink_from(c, c->n);
		c->entries[at - 1] = c->entries[c->n];
		link_in(c, at - 1);
	}
	return connection;
}

pid_t children_find(const struct children *c, uint64_t connection)
{
	uint32_t at = c->size ? *connection_head(c, connection) : 0;
	while (at && c->entries[at - 1].connection != connection)
		at = c->entries[at - 1].next_connection;
	return at ? c->entries[at - 1].pid : 0;
}
