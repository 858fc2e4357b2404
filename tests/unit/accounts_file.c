/*
 * The file of the account database: versions, foreign and damaged files, permissions,
 * and many processes at once.
 */
#include "accounts/schema.h"
#include "accounts_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(file, .init = fixture_set_up, .fini = fixture_tear_down);

static void open_bad(enum store_mode mode, int code)
{
	store_close(fixture.store);
	cr_expect_eq(store_open(&fixture.store, fixture.path, mode), -1);
	cr_expect_eq(errno, code, "%s", store_fault(fixture.store));
	cr_expect(strncmp(store_fault(fixture.store), fixture.path,
			  strlen(fixture.path)) == 0,
		"%s", store_fault(fixture.store));
}

static void sql(const char *text)
{
	sqlite3 *db;
	char *error = NULL;
	cr_assert_eq(sqlite3_open(fixture.path, &db), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(db, text, NULL, NULL, &error), SQLITE_OK, "%s", error);
	sqlite3_close(db);
}

/* --- versions ------------------------------------------------------------ */

static void make_version(int version)
{
	sqlite3 *db;
	cr_assert_eq(sqlite3_open(fixture.path, &db), SQLITE_OK);
	chmod(fixture.path, 0600);
	cr_assert_eq(schema_migrate(db, version), SQLITE_OK);
	sqlite3_close(db);
}

static bool same_schema(void)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	struct buf now;
	char other[100];
	buf_init(&now, 65536);
	for (int i = 0; i < 2; i++) {
		snprintf(other, sizeof(other), "%s%s", fixture.path, i ? "2" : "");
		cr_assert_eq(sqlite3_open(other, &db), SQLITE_OK);
		if (i)
			cr_assert_eq(schema_migrate(db, SCHEMA_VERSION), SQLITE_OK);
		cr_assert_eq(sqlite3_prepare_v2(db,
				     "SELECT group_concat(name || sql) FROM (SELECT "
				     "name, sql"
				     " FROM sqlite_schema WHERE sql IS NOT NULL ORDER "
				     "BY name)",
				     -1, &st, NULL),
			SQLITE_OK);
		cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
		buf_puts(&now, (const char *)sqlite3_column_text(st, 0));
		sqlite3_finalize(st);
		sqlite3_close(db);
	}
	unlink(other);
	size_t half = buf_len(&now) / 2;
	bool same = span_eq(
		span_head(buf_span(&now), half), span_tail(buf_span(&now), half));
	buf_free(&now);
	return same;
}

static void an_older_one_is_taken_along(int version)
{
	struct store_offer offer = { 0 };
	struct account a;
	unlink(fixture.path);
	make_version(version);
	sql("INSERT INTO account (name, kind, hash, created, changed, stamp)"
	    " VALUES ('joe', 1, '$6$x', 10, 20, 30)");
	open_bad(STORE_READ, ESTALE);
	fixture_open(STORE_LOGIN);
	cr_assert_eq(store_find(fixture.store, span_str("joe"), &a), 0, "%s",
		store_fault(fixture.store));
	cr_expect_str_eq(a.hash, "$6$x");
	cr_expect(a.enabled && a.main_password && !a.read_only && a.expires == 0);
	cr_expect_eq(a.stamp, 30);
	cr_expect_eq(a.networks.n, 0);
	fixture_open(STORE_READ);
	cr_assert_eq(store_offer(fixture.store, &offer), 0);
	cr_expect(offer.passwords);
	cr_expect(same_schema());
}

Test(file, older_versions_are_taken_along)
{
	for (int version = 1; version < SCHEMA_VERSION; version++)
		an_older_one_is_taken_along(version);
}

Test(file, later_versions_are_left_alone)
{
	make_version(SCHEMA_VERSION);
	sql("PRAGMA user_version = 1000");
	open_bad(STORE_LOGIN, EPROTO);
	cr_expect_not_null(strstr(store_fault(fixture.store), "version 1000"));
	open_bad(STORE_CREATE, EPROTO);
	open_bad(STORE_READ, EPROTO);
}

Test(file, other_databases_are_left_alone)
{
	sql("CREATE TABLE x (y)");
	chmod(fixture.path, 0600);
	for (int mode = STORE_READ; mode <= STORE_CREATE; mode++)
		open_bad(mode, EPROTO);
}

static int creator(void)
{
	int result = store_open(&fixture.store, fixture.path, STORE_CREATE);
	if (result < 0)
		fprintf(stderr, "creator: %s\n", store_fault(fixture.store));
	return result < 0;
}

Test(file, many_create_it_at_once)
{
	enum { PROCESSES = 12 };
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() == 0)
			_exit(creator());
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		cr_assert_gt(wait(&status), 0);
		cr_expect_eq(status, 0);
	}
	fixture_open(STORE_READ);
}

/* --- permissions --------------------------------------------------------- */

Test(file, is_the_owners_alone)
{
	struct stat st;
	umask(0);
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	cr_assert_eq(stat(fixture.path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	chmod(fixture.path, 0660);
	open_bad(STORE_LOGIN, EACCES);
	chmod(fixture.path, 0602);
	open_bad(STORE_READ, EACCES);
	chmod(fixture.path, 0640);
	fixture_open(STORE_LOGIN);
	if (geteuid() == 0) {
		cr_assert_eq(chown(fixture.path, 12345, 0), 0);
		open_bad(STORE_LOGIN, EACCES);
	}
}

Test(file, missing)
{
	open_bad(STORE_READ, ENOENT);
	open_bad(STORE_LOGIN, ENOENT);
	open_bad(STORE_WRITE, ENOENT);
	cr_assert_eq(mkdir(fixture.path, 0700), 0);
	open_bad(STORE_CREATE, EPROTO);
	rmdir(fixture.path);
}

/* --- damage -------------------------------------------------------------- */

static void overwrite(off_t from, size_t n)
{
	char junk[4096];
	memset(junk, 0xa5, sizeof(junk));
	int fd = open(fixture.path, O_WRONLY);
	cr_assert_geq(fd, 0);
	for (size_t done = 0; done < n; done += sizeof(junk))
		cr_assert_eq(pwrite(fd, junk, sizeof(junk), from + (off_t)done),
			(ssize_t)sizeof(junk));
	close(fd);
}

static void ignore(void *arg, const char *line)
{
	(void)line;
	++*(int *)arg;
}

Test(file, damaged_at_the_start)
{
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	store_close(fixture.store);
	fixture.store = NULL;
	overwrite(0, 4096);
	open_bad(STORE_LOGIN, EUCLEAN);
	open_bad(STORE_READ, EUCLEAN);
}

/* What lies on pages that are whole can still be read. */
Test(file, damaged_in_the_middle)
{
	char name[32];
	struct account a;
	struct stat st;
	int found = 0, damaged = 0, lines = 0;
	fixture_open(STORE_CREATE);
	cr_assert_eq(edit_begin(fixture.store), 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "user%04d", i);
		fixture_account(name);
	}
	cr_assert_eq(edit_end(fixture.store, 0), 0);
	cr_expect_eq(edit_check(fixture.store, ignore, &lines), 0);
	store_close(fixture.store);
	fixture.store = NULL;
	cr_assert_eq(stat(fixture.path, &st), 0);
	overwrite(st.st_size / 2 / 4096 * 4096, 3 * 4096);
	fixture_open(STORE_LOGIN);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "user%04d", i);
		if (store_find(fixture.store, span_str(name), &a) == 0)
			found++;
		else if (errno == EUCLEAN)
			damaged++;
	}
	cr_expect_gt(found, 1500);
	cr_expect_gt(damaged, 0);
	cr_expect_eq(found + damaged, 2000);
	cr_expect_neq(edit_check(fixture.store, ignore, &lines), 0);
}

Test(file, a_row_that_makes_no_sense_lets_nobody_in)
{
	struct account a;
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	store_close(fixture.store);
	fixture.store = NULL;
	sql("UPDATE account SET networks = 'nowhere'");
	fixture_open(STORE_LOGIN);
	cr_expect_eq(store_find(fixture.store, span_str("joe"), &a), -1);
	cr_expect_eq(errno, EUCLEAN);
}

/* Written before names were prepared, or by another program. */
Test(file, a_name_that_nobody_finds)
{
	int lines = 0;
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	cr_expect_eq(edit_check(fixture.store, ignore, &lines), 0);
	sql("UPDATE account SET name = 'jo' || char(0x308) || 'e'");
	cr_expect_eq(edit_check(fixture.store, ignore, &lines), 1);
	sql("UPDATE account SET name = 'joe@EXAMPLE.org'");
	cr_expect_eq(edit_check(fixture.store, ignore, &lines), 1);
}

/* --- many at once -------------------------------------------------------- */

/* A process of its own: opens for each change, as the command does. */
static int writer(int number, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		struct account a = { .kind = ACCOUNT_VIRTUAL, .enabled = true };
		struct store *s;
		snprintf(a.name, sizeof(a.name), "w%d-%d", number, i);
		if (store_open(&s, fixture.path, STORE_WRITE) < 0 ||
			edit_add(s, &a) < 0) {
			fprintf(stderr, "writer: %s\n", store_fault(s));
			return 1;
		}
		store_close(s);
	}
	return 0;
}

static int reader(int rounds)
{
	struct netaddr from = { .family = 4, .octets = { 192, 0, 2, 1 } };
	for (int i = 0; i < rounds; i++) {
		struct account a;
		struct store *s;
		if (store_open(&s, fixture.path, STORE_LOGIN) < 0 ||
			store_find(s, span_str("joe"), &a) < 0) {
			fprintf(stderr, "reader: %s\n", store_fault(s));
			return 1;
		}
		if (store_note_login(s, &a, NULL, &from, i * 100) < 0 &&
			errno != EBUSY) {
			fprintf(stderr, "note: %s\n", store_fault(s));
			return 1;
		}
		store_close(s);
	}
	return 0;
}

Test(file, nobody_sees_a_locked_database, .timeout = 120)
{
	enum { WRITERS = 8, READERS = 8, WRITES = 25, READS = 100 };
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	store_close(fixture.store);
	fixture.store = NULL;
	for (int i = 0; i < WRITERS + READERS; i++) {
		if (fork() == 0)
			_exit(i < WRITERS ? writer(i, WRITES) : reader(READS));
	}
	for (int i = 0; i < WRITERS + READERS; i++) {
		int status;
		cr_assert_gt(wait(&status), 0);
		cr_expect_eq(status, 0);
	}
	int lines = 0;
	fixture_open(STORE_WRITE);
	cr_expect_eq(edit_check(fixture.store, ignore, &lines), 0);
	for (int i = 0; i < WRITERS; i++) {
		char name[32];
		struct account a;
		snprintf(name, sizeof(name), "w%d-%d", i, WRITES - 1);
		cr_expect_eq(store_find(fixture.store, span_str(name), &a), 0);
	}
}

/* Each login opens the file anew, writes a little, and goes: the log stays short. */
Test(file, the_log_is_emptied)
{
	struct stat st;
	char log[100];
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	store_close(fixture.store);
	fixture.store = NULL;
	cr_assert_eq(reader(300), 0);
	snprintf(log, sizeof(log), "%s-wal", fixture.path);
	cr_assert_eq(stat(log, &st), 0);
	cr_expect_lt(st.st_size, 100 * 4120, "%lld", (long long)st.st_size);
}

/* --- the file and its log -------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
	unsigned char octets[65536];
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	cr_assert(in && out);
	for (size_t n; (n = fread(octets, 1, sizeof(octets), in)) > 0;)
		cr_assert_eq(fwrite(octets, 1, n, out), n);
	fclose(in);
	cr_assert_eq(fclose(out), 0);
	chmod(to, 0600);
}

static off_t log_octets(void)
{
	char name[100];
	struct stat st;
	snprintf(name, sizeof(name), "%s-wal", fixture.path);
	return stat(name, &st) < 0 ? 0 : st.st_size;
}

/* As auth leaves it. */
static void leave_a_log(const char *name)
{
	struct account account;
	struct netaddr peer = { .family = 4, .octets = { 192, 0, 2, 1 } };
	fixture_open(STORE_LOGIN);
	cr_assert_eq(store_find(fixture.store, span_str(name), &account), 0);
	cr_assert_eq(store_note_login(fixture.store, &account, NULL, &peer, 1), 0);
	store_close(fixture.store);
	fixture.store = NULL;
	cr_assert_gt(log_octets(), 0);
}

Test(file, another_files_log)
{
	char other[100];
	snprintf(other, sizeof(other), "%s.copy", fixture.path);
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	fixture_open(STORE_WRITE);
	copy_file(fixture.path, other);
	fixture_account("anna");
	leave_a_log("anna");
	/* Its own: */
	fixture_open(STORE_READ);
	fixture_open(STORE_WRITE);
	leave_a_log("joe");
	copy_file(other, fixture.path);
	open_bad(STORE_READ, EUCLEAN);
	open_bad(STORE_LOGIN, EUCLEAN);
	open_bad(STORE_CREATE, EUCLEAN);
	cr_expect_gt(log_octets(), 0, "an order that was refused changed something");
	snprintf(other, sizeof(other), "%s-wal", fixture.path);
	cr_assert_eq(unlink(other), 0);
	snprintf(other, sizeof(other), "%s-shm", fixture.path);
	cr_assert_eq(unlink(other), 0);
	fixture_open(STORE_LOGIN);
	struct account account;
	cr_expect_eq(store_find(fixture.store, span_str("joe"), &account), 0);
	cr_expect_eq(store_find(fixture.store, span_str("anna"), &account), -1);
}

Test(file, its_own_copy_fits_its_log)
{
	char other[100];
	snprintf(other, sizeof(other), "%s.copy", fixture.path);
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	leave_a_log("joe");
	copy_file(fixture.path, other);
	cr_assert_eq(rename(other, fixture.path), 0);
	fixture_open(STORE_LOGIN);
}

Test(file, settled)
{
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	leave_a_log("joe");
	fixture_open(STORE_LOGIN);
	store_settle(fixture.store);
	cr_expect_eq(log_octets(), 0);
}

Test(file, backup_and_restore_under_a_reader)
{
	char other[100];
	struct store *reader;
	struct account account;
	snprintf(other, sizeof(other), "%s.copy", fixture.path);
	fixture_open(STORE_CREATE);
	struct account joe = fixture_account("joe");
	leave_a_log("joe");
	cr_assert_eq(store_open(&reader, fixture.path, STORE_LOGIN), 0);
	fixture_open(STORE_READ);
	cr_assert_eq(edit_backup(fixture.store, other), 0);
	cr_expect_eq(edit_backup(fixture.store, other), -1);
	cr_expect_eq(errno, EEXIST);
	fixture_open(STORE_WRITE);
	fixture_account("anna");
	cr_assert_eq(store_find(reader, span_str("anna"), &account), 0);
	cr_assert_eq(edit_restore(fixture.store, other), 0, "%s",
		store_fault(fixture.store));
	cr_expect_eq(store_find(reader, span_str("anna"), &account), -1);
	cr_expect_eq(store_find(reader, span_str("joe"), &account), 0);
	cr_expect_neq(account.stamp, joe.stamp, "a remembered login would answer");
	store_close(reader);
	fixture_open(STORE_READ);
	cr_expect_eq(log_octets(), 0);
	cr_expect_eq(store_sound(fixture.store), 0);
}

Test(file, what_is_not_restored)
{
	char other[100];
	struct account account;
	snprintf(other, sizeof(other), "%s.copy", fixture.path);
	fixture_open(STORE_CREATE);
	fixture_account("joe");
	fixture_open(STORE_WRITE);
	cr_expect_eq(edit_restore(fixture.store, other), -1);
	cr_expect_eq(errno, ENOENT);
	FILE *out = fopen(other, "we");
	cr_assert(out);
	fputs("by no means a database, but long enough for its header to be read: "
	      "one hundred octets at the least",
		out);
	fclose(out);
	cr_expect_eq(edit_restore(fixture.store, other), -1);
	cr_expect_eq(errno, EUCLEAN, "%s", store_fault(fixture.store));
	cr_expect(strncmp(store_fault(fixture.store), other, strlen(other)) == 0, "%s",
		store_fault(fixture.store));
	cr_expect_eq(store_find(fixture.store, span_str("joe"), &account), 0);
}
