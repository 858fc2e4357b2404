/*
 * A database of one's own for each test of src/accounts: an empty directory, and the
 * store that the test opens there.
 */
#ifndef POSTERN_TESTS_ACCOUNTS_FIXTURE_H
#define POSTERN_TESTS_ACCOUNTS_FIXTURE_H

#include "accounts/edit.h"

#include <criterion/criterion.h>

struct fixture {
	char directory[64], path[80];
	struct store *store; /* the open one, or NULL */
};

extern struct fixture fixture;

/* For TestSuite(.init, .fini). */
void fixture_set_up(void);
void fixture_tear_down(void);

/* Closes what is open and opens it so; fails the test when that fails. */
void fixture_open(enum store_mode mode);

/* Adds a virtual account; fails the test when that fails. */
struct account fixture_account(const char *name);

#endif
