/*
 * members: reading JSON by SQLite's own parser (json_each), one level at a time.
 */
#ifndef POSTERN_ACCOUNTS_MEMBERS_H
#define POSTERN_ACCOUNTS_MEMBERS_H

#include "accounts/store.h"

enum member_type {
	MEMBER_NULL,
	MEMBER_BOOL,   /* number is 0 or 1 */
	MEMBER_NUMBER, /* a whole one; others are MEMBER_OTHER */
	MEMBER_TEXT,
	MEMBER_ARRAY,  /* text is its JSON */
	MEMBER_OBJECT, /* text is its JSON */
	MEMBER_OTHER,
};

/* Borrowed for the call. */
struct member {
	enum member_type type;
	struct span key; /* empty in an array */
	struct span text;
	int64_t number;
};

/*
 * Calls each() for every member of the JSON object (or element of the array, as type
 * says) that text is. A result other than 0 ends it and is returned. -1 with errno
 * EINVAL: text is no such JSON.
 */
int members_each(struct store *store, struct span text, enum member_type type,
	int (*each)(void *arg, const struct member *member), void *arg);

#endif
