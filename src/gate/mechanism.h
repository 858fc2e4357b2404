/*
 * mechanism: the dialog of each SASL mechanism, up to its claims.
 */
#ifndef POSTERN_GATE_MECHANISM_H
#define POSTERN_GATE_MECHANISM_H

#include "gate/gate.h"

/* The rest of AUTH, of a mechanism that gate_offers(); initial: what stood behind
 * its name, or empty. */
enum event mechanism_run(
	struct gate *g, enum login_mechanism mechanism, struct span initial);

#endif
