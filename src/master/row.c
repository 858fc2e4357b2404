/*
 * row: the table of connections, a hash by the master's own number. Rows are
 * made in slabs that are kept to the end: a burst of connections costs their
 * memory once.
 */
#include "master/row.h"

#include "base/die.h"
#include "base/io.h"

#include <errno.h>

/* Timers: two of its own, one of its source. */
enum { BUCKETS = 4096, SLAB = 32, ROW_TIMERS = 3, OTHER_TIMERS = 64 };

static const char *const names[ROW_STATES] = {
	[ROW_FREE] = "free",
	[ROW_STRANGER] = "stranger",
	[ROW_WAITING] = "waiting",
	[ROW_QUEUED] = "queued",
	[ROW_BUSY] = "busy",
	[ROW_TARPIT] = "tarpit",
	[ROW_OPENING] = "opening",
	[ROW_PARTED] = "parted",
};

#define TO(state) (1U << ROW_##state)

/* From each state, the states that may follow. */
static const unsigned allowed[ROW_STATES] = {
	[ROW_FREE] = TO(STRANGER),
	[ROW_STRANGER] = TO(WAITING) | TO(PARTED),
	[ROW_WAITING] = TO(QUEUED) | TO(PARTED),
	[ROW_QUEUED] = TO(BUSY) | TO(WAITING) | TO(PARTED),
	[ROW_BUSY] = TO(WAITING) | TO(TARPIT) | TO(OPENING) | TO(PARTED),
	[ROW_TARPIT] = TO(WAITING) | TO(PARTED),
	[ROW_OPENING] = TO(WAITING) | TO(PARTED),
	[ROW_PARTED] = TO(FREE),
};

struct row_slab {
	struct row_slab *next;
	struct row rows[SLAB];
};

int rows_init(struct rows *rows)
{
	*rows = (struct rows){ .buckets_n = BUCKETS };
	rows->buckets = calloc(BUCKETS, sizeof(struct row *));
	return rows->buckets ? 0 : -1;
}

static void free_account(void *context, struct row *row)
{
	(void)context;
	free(row->account);
}

void rows_free(struct rows *rows)
{
	if (rows->buckets)
		rows_each(rows, free_account, NULL);
	while (rows->slabs) {
		struct row_slab *next = rows->slabs->next;
		free(rows->slabs);
		rows->slabs = next;
	}
	free(rows->buckets);
	*rows = (struct rows){ 0 };
}

static struct row **bucket(const struct rows *rows, uint64_t connection)
{
	return &rows->buckets[connection & (rows->buckets_n - 1)];
}

size_t rows_timers(const struct rows *rows)
{
	return ROW_TIMERS * rows->made + OTHER_TIMERS;
}

static int make_slab(struct rows *rows, struct timers *timers)
{
	if (timers_reserve(timers, rows_timers(rows) + ROW_TIMERS * SLAB) < 0)
		return -1;
	struct row_slab *slab = calloc(1, sizeof(*slab));
	if (!slab)
		return -1;
	slab->next = rows->slabs;
	rows->slabs = slab;
	for (size_t i = 0; i < SLAB; i++) {
		slab->rows[i].free_next = rows->free;
		rows->free = &slab->rows[i];
	}
	rows->made += SLAB;
	return 0;
}

struct row *row_new(struct rows *rows, struct timers *timers)
{
	if (!rows->free && make_slab(rows, timers) < 0)
		return NULL;
	struct row *row = rows->free;
	rows->free = row->free_next;
	*row = (struct row){
		.client = -1,
		.verdict = -1,
		.wire = -1,
		.keeper = -1,
		.watch = { .fd = -1 },
		.sign = { .fd = -1 },
	};
	row->facts.connection = ++rows->last;
	row->hash_next = *bucket(rows, row->facts.connection);
	*bucket(rows, row->facts.connection) = row;
	rows->n++;
	row_enter(row, ROW_STRANGER);
	return row;
}

struct row *row_find(const struct rows *rows, uint64_t connection)
{
	struct row *row = *bucket(rows, connection);
	while (row && row->facts.connection != connection)
		row = row->hash_next;
	return row;
}

void row_enter(struct row *row, enum row_state state)
{
	if (!(allowed[row->state] & 1U << state))
		bug("connection=%llu: from %s to %s",
			(unsigned long long)row->facts.connection,
			row_state_name(row->state), row_state_name(state));
	row->state = state;
}

bool row_is_session(const struct row *row)
{
	return row->state == ROW_PARTED && row->parts & PART_SESSION &&
	       row->session_pid && !row->unwanted;
}

bool row_has_deadline(const struct row *row)
{
	switch (row->state) {
	case ROW_STRANGER:
	case ROW_WAITING:
	case ROW_QUEUED:
		return timer_is_set(&row->login);
	default:
		return timer_is_set(&row->step) || row_is_session(row);
	}
}

void row_close(struct row *row)
{
	io_close(&row->client);
	io_close(&row->verdict);
	io_close(&row->wire);
	io_close(&row->keeper);
}

void row_free(struct rows *rows, struct row *row)
{
	struct row **at = bucket(rows, row->facts.connection);
	while (*at != row)
		at = &(*at)->hash_next;
	*at = row->hash_next;
	free(row->account);
	row->account = NULL;
	row_enter(row, ROW_FREE);
	row->free_next = rows->freed;
	rows->freed = row;
	rows->n--;
}

void rows_recycle(struct rows *rows)
{
	while (rows->freed) {
		struct row *row = rows->freed;
		rows->freed = row->free_next;
		row->free_next = rows->free;
		rows->free = row;
	}
}

void rows_each(
	struct rows *rows, void (*each)(void *context, struct row *row), void *context)
{
	for (size_t i = 0; i < rows->buckets_n; i++) {
		struct row *next;
		for (struct row *row = rows->buckets[i]; row; row = next) {
			next = row->hash_next;
			each(context, row);
		}
	}
}

const char *row_state_name(enum row_state state)
{
	return state < ROW_STATES ? names[state] : "?";
}
