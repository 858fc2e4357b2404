/*
 * record: a line of postern user import, which another program may have written. What
 * is accepted is written so that it is read again.
 */
#include "fuzz.h"

#include "accounts/store.h"
#include "cli/record.h"

static struct store *opened(void)
{
	static struct store *store;
	char path[512];

	if (store)
		return store;
	snprintf(path, sizeof(path), "%s/users.db", fuzz_directory());
	FUZZ_CHECK(store_open(&store, path, STORE_CREATE) == 0);
	return store;
}

static void look(const struct record *r)
{
	char name[ACCOUNT_NAME_MAX + 1];
	const char *of = r->is_domain ? r->domain.name : r->account.name;

	FUZZ_CHECK(of[0] && strlen(of) <= ACCOUNT_NAME_MAX);
	if (!r->is_domain)
		FUZZ_CHECK(account_name(span_str(of), name) == 0 && !strcmp(name, of));
	FUZZ_CHECK(!r->account.uid == !r->account.gid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r;

	if (record_read(&r, opened(), span_of(data, size)) == 0)
		look(&r);
	else
		FUZZ_CHECK(r.why[0]);
	record_free(&r);
	return 0;
}
