/*
 * saslprep: RFC 4013 by GNU libidn, which the clients' libraries use, too. Runs as root
 * in auth, on a stranger's octets, and in the postern command. ASCII never reaches the
 * library, nor does what is not valid UTF-8. The library leaves copies on the heap: a
 * process of auth that had it prepare a secret takes no other claim.
 */
#include "accounts/saslprep.h"

#include "accounts/name.h"

#include <errno.h>
#include <stringprep.h>

enum { STEPS_MAX = 32 };

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 0x80)
			return false;
	}
	return true;
}

bool saslprep_soils(struct span raw)
{
	return !is_ascii(raw);
}

/* SASLprep's steps without those of RFC 3454 section 6 (direction). The list ends, as
 * stringprep() wants, with an empty step. */
static void take_steps(Stringprep_profile steps[STEPS_MAX])
{
	size_t n = 0;
	for (const Stringprep_profile *s = stringprep_saslprep;
		s->operation && n < STEPS_MAX - 1; s++) {
		if (s->operation == STRINGPREP_MAP_TABLE ||
			s->operation == STRINGPREP_NFKC ||
			s->operation == STRINGPREP_PROHIBIT_TABLE)
			steps[n++] = *s;
	}
	steps[n] = (Stringprep_profile){ .operation = 0 };
}

int saslprep(struct span raw, char text[SASLPREP_MAX], struct span *prepared)
{
	Stringprep_profile steps[STEPS_MAX];
	*prepared = raw;
	if (is_ascii(raw))
		return 0;
	errno = EINVAL;
	if (!utf8_valid(raw) || span_to_text(raw, text, SASLPREP_MAX) < 0)
		return -1;
	take_steps(steps);
	if (stringprep(text, SASLPREP_MAX, 0, steps) != STRINGPREP_OK || !text[0]) {
		errno = EINVAL;
		return -1;
	}
	*prepared = span_str(text);
	return 0;
}
