/*
 * relay: between the client's TLS and the session's wire, from the baton to the end.
 */
#ifndef POSTERN_GATE_RELAY_H
#define POSTERN_GATE_RELAY_H

#include "gate/stream.h"

/*
 * Carries octets both ways until both ends are done; what the stream still holds
 * decrypted goes up the wire first. Takes over s and wire and closes both.
 *   The client ends (close_notify or FIN): the wire gets all that came before, then
 *   the end; so a QUIT behind which the client closed is always delivered.
 *   The session ends: the client gets all that came before, then close_notify.
 * Memory: two fixed buffers, whatever either side does; a side that does not read
 * stops the other.
 */
void relay_run(struct stream *s, int wire);

#endif
