/*
 * accounts_fixture: see accounts_fixture.h.
 */
#include "accounts_fixture.h"

#include <unistd.h>

struct fixture fixture;

void fixture_set_up(void)
{
	snprintf(fixture.directory, sizeof(fixture.directory),
		"/tmp/postern-unit-XXXXXX");
	cr_assert_not_null(mkdtemp(fixture.directory));
	snprintf(fixture.path, sizeof(fixture.path), "%s/users.db", fixture.directory);
	fixture.store = NULL;
}

void fixture_tear_down(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal",
		".key" };
	store_close(fixture.store);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char file[100];
		snprintf(file, sizeof(file), "%s%s", fixture.path, suffixes[i]);
		unlink(file);
	}
	rmdir(fixture.directory);
}

void fixture_open(enum store_mode mode)
{
	store_close(fixture.store);
	cr_assert_eq(store_open(&fixture.store, fixture.path, mode), 0, "%s",
		store_fault(fixture.store));
}

struct account fixture_account(const char *name)
{
	struct account a = {
		.kind = ACCOUNT_VIRTUAL, .enabled = true, .main_password = true
	};
	cr_assert_eq(account_name(span_str(name), a.name), 0);
	cr_assert_eq(edit_add(fixture.store, &a), 0, "%s", store_fault(fixture.store));
	return a;
}
