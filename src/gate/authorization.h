/*
 * authorization: the AUTHORIZATION state (RFC 1939 section 4), from the greeting (or
 * the handshake before it) to the baton.
 */
#ifndef POSTERN_GATE_AUTHORIZATION_H
#define POSTERN_GATE_AUTHORIZATION_H

#include "gate/gate.h"

/*
 * Serves the connection until it is logged in or over. Returns EVENT_READY: the
 * reply is written, every octet that the gate used is out of the kernel, the
 * session has the baton. EVENT_END, EVENT_HUNG_UP: the stream has ended.
 */
enum event authorization_run(struct gate *g);

#endif
