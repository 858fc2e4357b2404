/*
 * login: encoder and decoder of MESSAGE_LOGIN. The decoder runs as root on the
 * word of the gate: the first code of auth that hostile octets reach.
 */
#include "postern/login.h"

#include "ipc/msg.h"

static const char *const mechanism_names[] = {
	[LOGIN_USER] = "USER",
	[LOGIN_APOP] = "APOP",
	[LOGIN_PLAIN] = "PLAIN",
	[LOGIN_LOGIN] = "LOGIN",
	[LOGIN_CRAM_MD5] = "CRAM-MD5",
	[LOGIN_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[LOGIN_SCRAM_SHA_256] = "SCRAM-SHA-256",
	[LOGIN_SCRAM_SHA_1_PLUS] = "SCRAM-SHA-1-PLUS",
	[LOGIN_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
	[LOGIN_EXTERNAL] = "EXTERNAL",
	[LOGIN_OAUTHBEARER] = "OAUTHBEARER",
	[LOGIN_XOAUTH2] = "XOAUTH2",
};

const char *login_mechanism_name(enum login_mechanism mechanism)
{
	return mechanism_names[mechanism];
}

static bool printable(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7E)
			return false;
	return true;
}

static bool digest(struct span s)
{
	if (s.n != LOGIN_DIGEST)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') &&
			!(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return true;
}

static bool text(struct span s)
{
	return span_find(s, '\0') == s.n;
}

/* A certificate and a token name their account themselves. */
static bool name_fits(const struct login *login)
{
	return text(login->name) &&
	       (login->name.n > 0 || login->mechanism >= LOGIN_EXTERNAL);
}

static bool secret_fits(const struct login *login)
{
	if (login->mechanism == LOGIN_APOP || login->mechanism == LOGIN_CRAM_MD5)
		return digest(login->secret);
	if (login->mechanism < LOGIN_SCRAM_SHA_1)
		return login->secret.n > 0 && login->secret.n <= LOGIN_PASSWORD_MAX &&
		       text(login->secret);
	/* An empty answer to a challenge is an answer. */
	return login->secret.n > 0 || login->state.n > 0;
}

static bool well_formed(const struct login *login)
{
	return login->mechanism >= LOGIN_USER &&
	       login->mechanism <= LOGIN_MECHANISM_LAST && login->path >= PATH_DIRECT &&
	       login->path <= PATH_LAST && printable(login->tls) && name_fits(login) &&
	       secret_fits(login);
}

void login_encode(struct buf *message, const struct login *login)
{
	if (!well_formed(login))
		message->failed = true;
	msg_begin(message, MESSAGE_LOGIN);
	msg_put_u8(message, (uint8_t)login->mechanism);
	msg_put_u8(message, (uint8_t)login->path);
	msg_put_octets(message, login->tls, LOGIN_TLS_MAX);
	msg_put_octets(message, login->name, LOGIN_NAME_MAX);
	msg_put_octets(message, login->secret, LOGIN_SECRET_MAX);
	msg_put_octets(message, login->state, LOGIN_STATE_MAX);
	msg_put_octets(message, login->binding, LOGIN_BINDING_MAX);
}

int login_decode(struct span message, struct login *login)
{
	struct msg_in in = msg_open(message, MESSAGE_LOGIN);
	login->mechanism = (enum login_mechanism)msg_get_u8(&in, LOGIN_MECHANISM_LAST);
	login->path = (enum login_path)msg_get_u8(&in, PATH_LAST);
	login->tls = msg_get_octets(&in, 0, LOGIN_TLS_MAX);
	login->name = msg_get_octets(&in, 0, LOGIN_NAME_MAX);
	login->secret = msg_get_octets(&in, 0, LOGIN_SECRET_MAX);
	login->state = msg_get_octets(&in, 0, LOGIN_STATE_MAX);
	login->binding = msg_get_octets(&in, 0, LOGIN_BINDING_MAX);
	if (!in.bad && !well_formed(login))
		in.bad = true;
	return msg_done(&in);
}
