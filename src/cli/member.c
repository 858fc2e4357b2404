/*
 * member: see member.h. Runs in the postern command.
 */
#include "cli/member.h"

#include "cli/text.h"

#include <sodium.h>
#include <time.h>

int member_bool(const struct member *m, bool *value)
{
	*value = m->number;
	return m->type == MEMBER_BOOL ? 0 : -1;
}

/* null is 0. */
int member_number(const struct member *m, uint64_t max, uint64_t *value)
{
	*value = m->type == MEMBER_NULL ? 0 : (uint64_t)m->number;
	if (m->type == MEMBER_NULL)
		return 0;
	return m->type == MEMBER_NUMBER && m->number >= 0 && *value <= max ? 0 : -1;
}

int member_time(const struct member *m, int64_t *when)
{
	*when = 0;
	if (m->type == MEMBER_NULL)
		return 0;
	return m->type == MEMBER_TEXT ? text_when(m->text, time(NULL), when) : -1;
}

int member_text(const struct member *m, char *text, size_t size)
{
	return m->type == MEMBER_TEXT ? span_to_text(m->text, text, size) : -1;
}

int member_base64(const struct member *m, unsigned char *octets, size_t room, size_t *n)
{
	const char *end;
	*n = 0;
	if (m->type == MEMBER_TEXT && !m->text.n)
		return 0; /* it may be nowhere: no pointer to count from */
	if (m->type != MEMBER_TEXT ||
		sodium_base642bin(octets, room, (const char *)m->text.p, m->text.n,
			NULL, n, &end, sodium_base64_VARIANT_ORIGINAL) < 0)
		return -1;
	return end == (const char *)m->text.p + m->text.n ? 0 : -1;
}

/* One of the line's: a second one is a mistake. */
int member_secret(const struct member *m, struct secret *secret)
{
	if (m->type == MEMBER_NULL)
		return 0;
	if (m->type != MEMBER_TEXT || !m->text.n || m->text.n > LOGIN_PASSWORD_MAX ||
		secret->n)
		return -1;
	return secret_set(secret, m->text);
}

static int add_network(void *arg, const struct member *m)
{
	struct networks *networks = arg;
	if (m->type != MEMBER_TEXT || networks->n == NETWORKS_MAX)
		return -1;
	return network_parse(&networks->list[networks->n++], m->text);
}

int member_networks(
	const struct member *m, struct store *store, struct networks *networks)
{
	*networks = (struct networks){ 0 };
	return m->type == MEMBER_ARRAY ? members_each(store, m->text, MEMBER_ARRAY,
						 add_network, networks)
				       : -1;
}
