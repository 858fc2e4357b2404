/*
 * members: JSON by SQLite's parser. Runs in the postern command, on lines that the
 * administrator brings along. The text is bound, never part of a statement.
 */
#include "accounts/members.h"

#include "accounts/db.h"

#include <errno.h>

static enum member_type type_of(struct span type)
{
	static const struct {
		const char *name;
		enum member_type type;
	} types[] = { { "null", MEMBER_NULL }, { "true", MEMBER_BOOL },
		{ "false", MEMBER_BOOL }, { "integer", MEMBER_NUMBER },
		{ "text", MEMBER_TEXT }, { "array", MEMBER_ARRAY },
		{ "object", MEMBER_OBJECT } };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (span_is(type, types[i].name))
			return types[i].type;
	}
	return MEMBER_OTHER;
}

static int check(struct store *store, struct span text, enum member_type type)
{
	struct stmt s;
	stmt_open(&s, store, "SELECT CASE WHEN json_valid(?1) THEN json_type(?1) END");
	stmt_bind_text(&s, text);
	int got = stmt_step(&s);
	bool good = got == 1 && type_of(stmt_blob(&s, 0)) == type;
	stmt_close(&s);
	if (got < 0)
		return -1;
	return good ? 0 : store_fail(store, EINVAL, "not the JSON that is expected");
}

int members_each(struct store *store, struct span text, enum member_type type,
	int (*each)(void *arg, const struct member *member), void *arg)
{
	struct stmt s;
	int got, result = check(store, text, type);
	if (result < 0)
		return -1;
	stmt_open(&s, store, "SELECT key, value, type FROM json_each(?)");
	stmt_bind_text(&s, text);
	while (result == 0 && (got = stmt_step(&s)) != 0) {
		struct member member = { .type = MEMBER_NULL };
		if (got > 0) {
			member.number = stmt_int(&s, 1);
			member.type = type_of(stmt_blob(&s, 2));
			member.text = stmt_blob(&s, 1);
			if (type == MEMBER_OBJECT)
				member.key = stmt_blob(&s, 0);
		}
		result = got < 0 ? -1 : each(arg, &member);
	}
	stmt_close(&s);
	return result;
}
