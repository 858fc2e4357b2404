/*
 * stmt: a statement, its bound values and its columns. Sticky: after the first failure
 * nothing more is bound, and stmt_step() tells.
 */
#include "accounts/db.h"

#include <errno.h>

void stmt_open(struct stmt *s, struct store *store, const char *sql)
{
	*s = (struct stmt){ .store = store };
	s->rc = sqlite3_prepare_v2(store->db, sql, -1, &s->st, NULL);
}

void stmt_bind_int(struct stmt *s, int64_t value)
{
	if (s->rc == SQLITE_OK)
		s->rc = sqlite3_bind_int64(s->st, ++s->at, value);
}

void stmt_bind_null(struct stmt *s)
{
	if (s->rc == SQLITE_OK)
		s->rc = sqlite3_bind_null(s->st, ++s->at);
}

void stmt_bind_int_or_null(struct stmt *s, int64_t value)
{
	if (value)
		stmt_bind_int(s, value);
	else
		stmt_bind_null(s);
}

void stmt_bind_text(struct stmt *s, struct span text)
{
	if (s->rc == SQLITE_OK)
		s->rc = sqlite3_bind_text(s->st, ++s->at, (const char *)text.p,
			(int)text.n, SQLITE_TRANSIENT);
}

void stmt_bind_text_or_null(struct stmt *s, struct span text)
{
	if (text.n)
		stmt_bind_text(s, text);
	else
		stmt_bind_null(s);
}

void stmt_bind_blob_or_null(struct stmt *s, struct span blob)
{
	if (!blob.n)
		stmt_bind_null(s);
	else if (s->rc == SQLITE_OK)
		s->rc = sqlite3_bind_blob(
			s->st, ++s->at, blob.p, (int)blob.n, SQLITE_TRANSIENT);
}

int stmt_step(struct stmt *s)
{
	if (s->rc == SQLITE_OK || s->rc == SQLITE_ROW)
		s->rc = sqlite3_step(s->st);
	if (s->rc == SQLITE_ROW)
		return 1;
	return s->rc == SQLITE_DONE ? 0 : store_fail_db(s->store, s->rc);
}

void stmt_reset(struct stmt *s)
{
	s->at = 0;
	if (s->st)
		s->rc = sqlite3_reset(s->st);
}

void stmt_close(struct stmt *s)
{
	int saved = errno;
	sqlite3_finalize(s->st);
	s->st = NULL;
	errno = saved;
}

int stmt_run(struct stmt *s)
{
	int got = stmt_step(s);
	int changes = got == 0 ? sqlite3_changes(s->store->db) : -1;
	stmt_close(s);
	return changes;
}

int stmt_run_one(struct stmt *s, const char *missing)
{
	struct store *store = s->store;
	if (store_begin(store) < 0) {
		stmt_close(s);
		return -1;
	}
	int changes = stmt_run(s);
	if (changes == 0)
		store_fail(store, ENOENT, missing);
	return store_end(store, changes > 0 ? 0 : -1);
}

int64_t stmt_int(struct stmt *s, int column)
{
	return sqlite3_column_int64(s->st, column);
}

bool stmt_is_null(struct stmt *s, int column)
{
	return sqlite3_column_type(s->st, column) == SQLITE_NULL;
}

struct span stmt_blob(struct stmt *s, int column)
{
	const void *p = sqlite3_column_blob(s->st, column);
	return span_of(p, p ? (size_t)sqlite3_column_bytes(s->st, column) : 0);
}

int stmt_text(struct stmt *s, int column, char *text, size_t size)
{
	return span_to_text(stmt_blob(s, column), text, size);
}
