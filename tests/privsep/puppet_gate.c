/*
 * puppet_gate: a gate child that has been taken over: the real pop3-gate with this in
 * place of authorization.c.
 */
#include "gate/authorization.h"

#include "puppet.h"

enum event authorization_run(struct gate *g)
{
	puppet_run(g->stream.fd);
	return EVENT_END;
}
