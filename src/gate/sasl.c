/*
 * sasl: the messages of SASL mechanisms (RFC 4616 PLAIN; LOGIN has no messages of
 * its own, its answers are a name and a password). Runs in a gate child; trusts
 * nothing; a message of another form is -1.
 */
#include "gate/sasl.h"

bool sasl_name_fits(struct span name)
{
	return name.n > 0 && name.n <= LOGIN_NAME_MAX &&
	       span_find(name, '\0') == name.n;
}

bool sasl_password_fits(struct span password)
{
	return password.n > 0 && password.n <= LOGIN_PASSWORD_MAX &&
	       span_find(password, '\0') == password.n;
}

int sasl_plain(struct span message, struct span *name, struct span *password)
{
	struct span rest = message;
	struct span authzid = span_cut(&rest, '\0');
	*name = span_cut(&rest, '\0');
	*password = rest;
	if (!sasl_name_fits(*name) || !sasl_password_fits(*password))
		return -1;
	return authzid.n == 0 || span_eq(authzid, *name) ? 0 : -1;
}

bool sasl_digest_fits(struct span digest)
{
	if (digest.n != LOGIN_DIGEST)
		return false;
	for (size_t i = 0; i < digest.n; i++)
		if (!memchr("0123456789abcdef", digest.p[i], 16))
			return false;
	return true;
}
