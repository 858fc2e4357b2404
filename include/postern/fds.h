/*
 * fds: the descriptor numbers of each domain. A program's main() asserts that
 * exactly these are open and closes the rest; a forked child lays its own set.
 *
 *   0, 1  /dev/null
 *   2     the log: the writing end of its domain's pipe (see src/base/log.h)
 */
#ifndef POSTERN_FDS_H
#define POSTERN_FDS_H

enum {
	FD_LOG = 2,

	/* every warm parent: the control channel to the master (SEQPACKET) */
	FD_CONTROL = 3,

	/* pop3-gate, warm parent. Read and closed during its set-up;
	 * /dev/null when no certificate is configured. */
	FD_GATE_CERTIFICATE = 4, /* PEM: the chain, leaf first */
	FD_GATE_LAST = FD_GATE_CERTIFICATE,

	/* pop3-gate, one connection */
	FD_GATE_CLIENT = 3,  /* TCP, non-blocking */
	FD_GATE_VERDICT = 4, /* SEQPACKET, outer end */
	FD_GATE_WIRE = 5,    /* STREAM, outer end, non-blocking */
	FD_GATE_KEEPER = 6,  /* SEQPACKET, outer end; only with a certificate, and
			      * closed after the handshake */
	FD_GATE_CHILD_LAST = FD_GATE_KEEPER,

	/* postern-keeper; both read and closed during its set-up */
	FD_KEEPER_CERTIFICATE = 4, /* PEM: the chain, leaf first */
	FD_KEEPER_KEY = 5,	   /* PEM: the private key */
	FD_KEEPER_LAST = FD_KEEPER_KEY,

	/* postern-auth, warm parent */
	FD_AUTH_SESSION = 4, /* SEQPACKET to the session parent */
	FD_AUTH_LAST = FD_AUTH_SESSION,

	/* postern-auth, one attempt: as its parent, and */
	FD_AUTH_CLIENT = 5,
	FD_AUTH_VERDICT = 6, /* inner end */
	FD_AUTH_WIRE = 7,    /* inner end */
	FD_AUTH_PARENT = 8,  /* SEQPACKET to the warm parent; only a worker's */
	FD_AUTH_CHILD_LAST = FD_AUTH_PARENT,

	/* pop3-session, warm parent */
	FD_SESSION_AUTH = 4,   /* SEQPACKET from auth */
	FD_SESSION_LOCKS = 5,  /* directory of the session locks; root's */
	FD_SESSION_STATES = 6, /* directory of the maildrops' state directories */
	FD_SESSION_LAST = FD_SESSION_STATES,

	/* pop3-session, one session */
	FD_SESSION_PEER = 3,	 /* the client (direct) or the wire (relay) */
	FD_SESSION_VERDICT = 4,	 /* inner end */
	FD_SESSION_LOCK = 5,	 /* this maildrop's lock, held */
	FD_SESSION_STATE = 6,	 /* this maildrop's state directory, the owner's */
	FD_SESSION_LIFELINE = 7, /* of a PAM session; held, never used; or closed */
	FD_SESSION_CHILD_LAST = FD_SESSION_LIFELINE,
};

#endif
