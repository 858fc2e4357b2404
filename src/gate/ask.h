/*
 * ask: the gate's questions to the keeper, on the connection's own channel, and what
 * was answered. One connection, one handshake: a signature, or the key of a ticket that
 * the client has shown.
 */
#ifndef POSTERN_GATE_ASK_H
#define POSTERN_GATE_ASK_H

#include "postern/keeper.h"

#include <stdbool.h>

/* What the keeper has told this connection's gate; ask_forget() when the handshake is
 * over. */
struct told {
	bool asked; /* about a ticket: once for a connection */
	bool have_shown, have_fresh;
	struct keeper_ticket shown;	/* by the client: it opens that one */
	unsigned char witness[WITNESS]; /* to auth, of the signature */
	struct keeper_ticket fresh;	/* for the one that is given now */
};

/* The octets of the signature in signature[size]; -1: none came. */
ssize_t ask_signature(struct told *told, const struct keeper_sign *sign,
	unsigned char *signature, size_t size);

/* True: told->shown is the key of the ticket of that name. */
bool ask_ticket(struct told *told, const unsigned char name[KEEPER_TICKET_NAME]);

/* No more questions; wipes what was told. */
void ask_end(struct told *told);

#endif
