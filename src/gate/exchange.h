/*
 * exchange: the AUTH command (RFC 5034): AUTH MECHANISM [initial response], then
 * challenges and answers in base64, "*" to cancel. AUTH alone lists the
 * mechanisms, as old clients expect.
 */
#ifndef POSTERN_GATE_EXCHANGE_H
#define POSTERN_GATE_EXCHANGE_H

#include "gate/gate.h"

/* argument: what stood behind "AUTH ". */
enum event exchange_run(struct gate *g, struct span argument);

#endif
