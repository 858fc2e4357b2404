/*
 * identity: encoder and decoder of MESSAGE_IDENTITY. Root to root: the decoder
 * is strict all the same.
 */
#include "postern/identity.h"

#include "ipc/netaddr.h"

void identity_encode(struct buf *message, const struct identity *identity)
{
	if (identity->groups_n > DROP_GROUPS_MAX) {
		message->failed = true;
		return;
	}
	msg_begin(message, MESSAGE_IDENTITY);
	msg_put_u64(message, identity->connection);
	netaddr_put(message, &identity->peer);
	msg_put_u8(message, (uint8_t)identity->listener);
	msg_put_u8(message, identity->plaintext);
	msg_put_u8(message, identity->tls_possible);
	msg_put_u32(message, identity->mechanisms);
	msg_put_u8(message, identity->read_only);
	msg_put_u8(message, (uint8_t)identity->mechanism);
	msg_put_u8(message, (uint8_t)identity->path);
	msg_put_octets(message, span_str(identity->tls), LOGIN_TLS_MAX);
	msg_put_octets(message, span_str(identity->account), LOGIN_NAME_MAX);
	msg_put_u32(message, identity->uid);
	msg_put_u32(message, identity->gid);
	msg_put_u32(message, identity->groups_n);
	for (uint32_t i = 0; i < identity->groups_n; i++)
		msg_put_u32(message, identity->groups[i]);
	msg_put_u8(message, (uint8_t)identity->maildrop);
	msg_put_octets(message, span_str(identity->path_name), MAILDROP_PATH_MAX);
}

static uint8_t nonzero(struct msg_in *in, uint8_t max)
{
	uint8_t value = msg_get_u8(in, max);
	if (value == 0)
		in->bad = true;
	return value;
}

int identity_decode(struct span message, struct identity *identity)
{
	struct msg_in in = msg_open(message, MESSAGE_IDENTITY);
	identity->connection = msg_get_u64(&in);
	netaddr_get(&in, &identity->peer);
	identity->listener = listener_get(&in);
	identity->plaintext = msg_get_bool(&in);
	identity->tls_possible = msg_get_bool(&in);
	identity->mechanisms = msg_get_u32(&in, LOGIN_MECHANISMS_ALL);
	identity->read_only = msg_get_bool(&in);
	identity->mechanism = (enum login_mechanism)nonzero(&in, LOGIN_MECHANISM_LAST);
	identity->path = (enum login_path)nonzero(&in, PATH_LAST);
	msg_get_text(&in, 0, LOGIN_TLS_MAX, identity->tls);
	msg_get_text(&in, 1, LOGIN_NAME_MAX, identity->account);
	identity->uid = msg_get_u32(&in, UINT32_MAX);
	identity->gid = msg_get_u32(&in, UINT32_MAX);
	identity->groups_n = msg_get_u32(&in, DROP_GROUPS_MAX);
	for (uint32_t i = 0; i < identity->groups_n; i++)
		identity->groups[i] = msg_get_u32(&in, UINT32_MAX);
	identity->maildrop = (enum maildrop_kind)nonzero(&in, MAILDROP_MBOX);
	msg_get_text(&in, 1, MAILDROP_PATH_MAX, identity->path_name);
	if (identity->connection == 0 || identity->path_name[0] != '/')
		in.bad = true;
	return msg_done(&in);
}
