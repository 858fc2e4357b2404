/*
 * puppet_session: a session that has been taken over: the real pop3-session with
 * this in place of session.c. The gate that logs in is a real one.
 */
#include "session/session.h"

#include "base/log.h"
#include "postern/fds.h"

#include "puppet.h"

void session_begin(struct session *session, int peer)
{
	(void)session;
	(void)peer;
}

enum event session_serve(struct session *session)
{
	(void)session;
	puppet_run(FD_SESSION_PEER);
	return EVENT_DISCONNECT;
}

void session_log_fault(
	const struct identity *identity, const struct maildrop_fault *fault)
{
	log_line("%s: %s", identity->account, fault->text);
}
