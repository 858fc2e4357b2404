/*
 * abi: what every message between Postern's processes begins with.
 *
 * A message is one SOCK_SEQPACKET datagram: the ABI number, the type, then the
 * type's fields in fixed order. Integers are little-endian; an octet string is
 * its length in two octets, then its octets. The receiver reads into
 * MESSAGE_MAX + 1 octets, and nothing may be left over behind the last field.
 *
 * Each type's struct, encoder and decoder are declared together in the header
 * of its name and stand together in src/ipc. An encoder appends to a buf (ask
 * buf_ok()); it writes only what its decoder accepts. A decoder takes exactly
 * what its encoder can write and returns 0, or -1 with errno EBADMSG; spans in
 * the decoded struct borrow from the message.
 */
#ifndef POSTERN_ABI_H
#define POSTERN_ABI_H

enum { POSTERN_ABI = 2 };

enum { MESSAGE_MAX = 16384 }; /* octets of one message */

enum message_type {
	/* master to a warm parent, on its control channel */
	MESSAGE_GATE_SETUP = 1,
	MESSAGE_AUTH_SETUP = 2,
	MESSAGE_SESSION_SETUP = 3,
	MESSAGE_CONNECTION = 4, /* facts, with descriptors */
	MESSAGE_KILL = 5,
	/* a warm parent (and an auth child) to the master, same channel */
	MESSAGE_REPORT = 6,
	/* on the verdict channel */
	MESSAGE_LOGIN = 7,   /* gate to auth: claims */
	MESSAGE_VERDICT = 8, /* master or session to gate */
	MESSAGE_BATON = 9,   /* gate to session */
	/* auth to the session parent, with descriptors */
	MESSAGE_IDENTITY = 10,
	/* of the keeper (keeper.h) */
	MESSAGE_KEEPER_SETUP = 11,
	MESSAGE_CHANNEL = 12,	/* master to keeper, with a descriptor */
	MESSAGE_SIGN = 13,	/* gate to keeper */
	MESSAGE_SIGNATURE = 14, /* keeper to gate */
	/* the administrator's command and the master */
	MESSAGE_CONTROL = 15,
	MESSAGE_CONTROL_ROW = 16,
	MESSAGE_CONTROL_STATS = 17,
	MESSAGE_CONTROL_END = 18,
	/* of the keeper as well */
	MESSAGE_OPEN = 19,   /* gate to keeper */
	MESSAGE_OPENED = 20, /* keeper to gate */
};

#endif
