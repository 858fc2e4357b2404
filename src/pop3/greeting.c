/*
 * greeting: see greeting.h. Nothing of it is a peer's.
 */
#include "pop3/greeting.h"

#include "postern/login.h"

/* "demon." in a greeting makes fetchmail speak SDPS, so such a challenge is not
 * shown, and what is not shown cannot be answered. */
bool greeting_has_challenge(const struct facts *facts)
{
	struct span rest = span_str(facts->challenge);
	if (!(facts->mechanisms & 1U << LOGIN_APOP))
		return false;
	for (; rest.n; rest = span_tail(rest, 1))
		if (span_is_nocase(span_head(rest, 6), "demon."))
			return false;
	return true;
}

void greeting_put(struct buf *out, const struct facts *facts)
{
	bool challenge = greeting_has_challenge(facts);
	buf_printf(out, "+OK Postern ready%s%s\r\n", challenge ? " " : "",
		challenge ? facts->challenge : "");
}
