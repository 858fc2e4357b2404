/*
 * sasl: the messages of SASL mechanisms (PLAIN: RFC 4616; CRAM-MD5: RFC 2195; SCRAM:
 * RFC 5802; OAUTHBEARER: RFC 7628; XOAUTH2: Google's; LOGIN has no messages of its
 * own, its answers are a name and a password). Runs in a gate child; trusts nothing;
 * a message of another form is -1.
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

int sasl_cram(struct span message, struct span *name, struct span *digest)
{
	if (message.n < LOGIN_DIGEST + 2 ||
		message.p[message.n - LOGIN_DIGEST - 1] != ' ')
		return -1;
	*name = span_head(message, message.n - LOGIN_DIGEST - 1);
	*digest = span_tail(message, message.n - LOGIN_DIGEST);
	return sasl_name_fits(*name) && sasl_digest_fits(*digest) ? 0 : -1;
}

static bool starts(struct span s, const char *text)
{
	return span_eq(span_head(s, strlen(text)), span_str(text));
}

/* "=2C" is a comma, "=3D" an equals sign; either stands for itself nowhere. */
static int decode_name(struct span saslname, struct sasl_name *name)
{
	name->n = 0;
	while (saslname.n) {
		unsigned char c = saslname.p[0];
		size_t used = c == '=' ? 3 : 1;
		if (c == '=' && starts(saslname, "=2C"))
			c = ',';
		else if (c == '\0' || (c == '=' && !starts(saslname, "=3D")))
			return -1;
		if (name->n == sizeof(name->octets))
			return -1;
		name->octets[name->n++] = c;
		saslname = span_tail(saslname, used);
	}
	return 0;
}

/* The two fields of a gs2-header: "n", "y" or "p=type"; empty or "a=" authzid. */
static int cut_gs2(struct span *rest, struct span *flag, struct span *authzid)
{
	if (span_find(*rest, ',') == rest->n)
		return -1;
	*flag = span_cut(rest, ',');
	if (span_find(*rest, ',') == rest->n)
		return -1;
	*authzid = span_cut(rest, ',');
	if (authzid->n && (!starts(*authzid, "a=") || authzid->n < 3))
		return -1;
	*authzid = span_tail(*authzid, 2);
	return 0;
}

int sasl_scram_first(struct span message, struct sasl_name *name, struct span *binding)
{
	struct span flag, authzid;
	*binding = span_of(NULL, 0);
	if (cut_gs2(&message, &flag, &authzid) < 0)
		return -1;
	if (starts(flag, "p=") && flag.n > 2)
		*binding = span_tail(flag, 2);
	else if (!span_is(flag, "n") && !span_is(flag, "y"))
		return -1;
	struct span user = span_cut(&message, ',');
	if (!starts(user, "n=") || decode_name(span_tail(user, 2), name) < 0)
		return -1;
	return name->n ? 0 : -1;
}

enum { SEPARATOR = 1 };

/* The value behind "auth=Bearer " of a list of key=value fields, each followed by
 * SEPARATOR; one more SEPARATOR ends the list. */
static int find_token(struct span fields, struct span *token)
{
	static const char bearer[] = "auth=Bearer ";
	*token = span_of(NULL, 0);
	if (fields.n < 2 || fields.p[fields.n - 1] != SEPARATOR ||
		fields.p[fields.n - 2] != SEPARATOR)
		return -1;
	fields.n--;
	while (fields.n) {
		struct span field = span_cut(&fields, SEPARATOR);
		struct span head = span_head(field, sizeof(bearer) - 1);
		if (!span_is_nocase(head, bearer))
			continue;
		if (token->n)
			return -1;
		*token = span_tail(field, head.n);
	}
	for (size_t i = 0; i < token->n; i++)
		if (token->p[i] <= ' ' || token->p[i] > '~')
			return -1;
	return token->n && token->n <= LOGIN_SECRET_MAX ? 0 : -1;
}

int sasl_oauthbearer(struct span message, struct sasl_name *name, struct span *token)
{
	struct span flag, authzid;
	if (cut_gs2(&message, &flag, &authzid) < 0 || decode_name(authzid, name) < 0)
		return -1;
	if (!span_is(flag, "n") && !span_is(flag, "y"))
		return -1;
	if (message.n == 0 || message.p[0] != SEPARATOR)
		return -1;
	return find_token(span_tail(message, 1), token);
}

int sasl_xoauth2(struct span message, struct sasl_name *name, struct span *token)
{
	struct span user = span_cut(&message, SEPARATOR);
	if (!starts(user, "user="))
		return -1;
	user = span_tail(user, 5);
	if (user.n && !sasl_name_fits(user))
		return -1;
	name->n = user.n;
	if (user.n)
		memcpy(name->octets, user.p, user.n);
	return find_token(message, token);
}
