/*
 * name: what a client may call itself, and its password, are prepared before they are
 * compared. What is prepared stays as it is when that is done again, and a name is
 * harmless as part of a path and of a log line.
 */
#include "fuzz.h"

#include "accounts/name.h"
#include "accounts/saslprep.h"

static void prepare(struct span raw)
{
	char text[SASLPREP_MAX], again_text[SASLPREP_MAX];
	struct span once, again;

	if (saslprep(raw, text, &once) < 0) {
		FUZZ_CHECK(span_eq(once, raw));
		return;
	}
	FUZZ_CHECK(once.n <= SASLPREP_MAX && utf8_valid(once));
	FUZZ_CHECK(saslprep(once, again_text, &again) == 0 && span_eq(once, again));
}

static void part(struct span s)
{
	FUZZ_CHECK(s.n == 0 || s.p[0] != '.');
	FUZZ_CHECK(span_find(s, '/') == s.n && span_find(s, '@') == s.n);
}

static void name(struct span raw)
{
	char once[ACCOUNT_NAME_MAX + 1], again[ACCOUNT_NAME_MAX + 1];

	if (account_name(raw, once) < 0) {
		FUZZ_CHECK(once[0] == '\0');
		return;
	}
	FUZZ_CHECK(once[0] && account_name_is(raw, once));
	FUZZ_CHECK(
		account_name(span_str(once), again) == 0 && strcmp(once, again) == 0);
	for (const char *p = once; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
	FUZZ_CHECK(account_local(once).n);
	part(account_local(once));
	part(account_domain(once));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = span_of(data, size);

	prepare(raw);
	name(raw);
	return 0;
}
