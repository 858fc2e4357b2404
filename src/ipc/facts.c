/*
 * facts: encoder and decoder of MESSAGE_CONNECTION, and network addresses.
 */
#include "postern/facts.h"

#include "ipc/netaddr.h"
#include "postern/login.h"

#include <arpa/inet.h>

int netaddr_from(struct netaddr *a, const struct sockaddr *from)
{
	*a = (struct netaddr){ 0 };
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)from;
		a->family = 4;
		memcpy(a->octets, &in->sin_addr, 4);
		a->port = ntohs(in->sin_port);
		return 0;
	}
	if (from->sa_family != AF_INET6)
		return -1;
	const struct sockaddr_in6 *in6 = (const void *)from;
	bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
	a->family = mapped ? 4 : 6;
	if (mapped)
		memcpy(a->octets, in6->sin6_addr.s6_addr + 12, 4);
	else
		memcpy(a->octets, &in6->sin6_addr, 16);
	a->port = ntohs(in6->sin6_port);
	return 0;
}

void netaddr_text(const struct netaddr *a, char text[NETADDR_TEXT_MAX])
{
	int family = a->family == 4 ? AF_INET : AF_INET6;
	if (!inet_ntop(family, a->octets, text, NETADDR_TEXT_MAX))
		text[0] = '\0';
}

bool netaddr_is_loopback(const struct netaddr *a)
{
	if (a->family == 4)
		return a->octets[0] == 127;
	return memcmp(a->octets, &in6addr_loopback, sizeof(a->octets)) == 0;
}

void netaddr_put(struct buf *message, const struct netaddr *a)
{
	msg_put_u8(message, a->family);
	buf_put(message, a->octets, a->family == 4 ? 4 : 16);
	msg_put_u16(message, a->port);
}

void netaddr_get(struct msg_in *in, struct netaddr *a)
{
	*a = (struct netaddr){ .family = msg_get_u8(in, 6) };
	if (a->family != 4 && a->family != 6)
		in->bad = true;
	for (int i = 0; i < (a->family == 4 ? 4 : 16); i++)
		a->octets[i] = msg_get_u8(in, UINT8_MAX);
	a->port = msg_get_u16(in);
}

enum listener_kind listener_get(struct msg_in *in)
{
	uint8_t kind = msg_get_u8(in, LISTENER_POP3S);
	if (kind == 0)
		in->bad = true;
	return (enum listener_kind)kind;
}

void facts_encode(struct buf *message, const struct facts *facts)
{
	msg_begin(message, MESSAGE_CONNECTION);
	msg_put_u64(message, facts->connection);
	msg_put_u8(message, (uint8_t)facts->listener);
	msg_put_u8(message, facts->plaintext);
	msg_put_u8(message, facts->tls);
	msg_put_u8(message, facts->greeted);
	msg_put_u8(message, facts->unproven);
	netaddr_put(message, &facts->peer);
	netaddr_put(message, &facts->local);
	msg_put_u32(message, facts->mechanisms);
	msg_put_octets(message, span_str(facts->challenge), FACTS_CHALLENGE_MAX);
}

int facts_decode(struct span message, struct facts *facts)
{
	struct msg_in in = msg_open(message, MESSAGE_CONNECTION);
	facts->connection = msg_get_u64(&in);
	facts->listener = listener_get(&in);
	facts->plaintext = msg_get_bool(&in);
	facts->tls = msg_get_bool(&in);
	facts->greeted = msg_get_bool(&in);
	facts->unproven = msg_get_bool(&in);
	netaddr_get(&in, &facts->peer);
	netaddr_get(&in, &facts->local);
	facts->mechanisms = msg_get_u32(&in, LOGIN_MECHANISMS_ALL);
	msg_get_text(&in, 1, FACTS_CHALLENGE_MAX, facts->challenge);
	if (facts->connection == 0)
		in.bad = true;
	return msg_done(&in);
}
