/*
 * facts: what the master knows of a connection. The master drew or read every
 * field itself (accept(2), its configuration); no octet of it came from the
 * peer. Sent as MESSAGE_CONNECTION
 *   to the gate parent with the descriptors client, verdict, wire (outer ends) and,
 *   when the configuration has a certificate, the outer end to the keeper,
 *   to the auth parent with client, verdict, wire (inner ends).
 */
#ifndef POSTERN_FACTS_H
#define POSTERN_FACTS_H

#include "base/buf.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

enum { FACTS_CHALLENGE_MAX = 128, FACTS_DESCRIPTORS = 3, FACTS_DESCRIPTORS_TLS = 4 };

/* An address and port. IPv4-mapped IPv6 addresses are kept as IPv4. */
struct netaddr {
	uint8_t family;	    /* 4 or 6 */
	uint8_t octets[16]; /* the first 4 or all 16, network order */
	uint16_t port;
};

enum { NETADDR_TEXT_MAX = 46 }; /* INET6_ADDRSTRLEN: with its NUL */

/* The address without port ("192.0.2.1", "2001:db8::1"). */
void netaddr_text(const struct netaddr *a, char text[NETADDR_TEXT_MAX]);

/* 127.0.0.0/8 or ::1? */
bool netaddr_is_loopback(const struct netaddr *a);

/* 0, or -1 when it is neither AF_INET nor AF_INET6. */
int netaddr_from(struct netaddr *a, const struct sockaddr *from);

enum listener_kind {
	LISTENER_POP3 = 1,  /* plain, STLS */
	LISTENER_POP3S = 2, /* TLS from the first octet, RFC 8314 */
};

struct facts {
	uint64_t connection; /* the master's number for it; not 0 */
	enum listener_kind listener;
	bool plaintext; /* secrets are accepted without TLS on this connection */
	bool tls;	/* there is a certificate */
	bool greeted;	/* the master has written the greeting */
	bool unproven;	/* to auth: no good login from there of late; whoever has one
			 * comes first */
	struct netaddr peer, local;
	/* Which mechanisms auth said it can verify: bits 1 << enum login_mechanism.
	 * LOGIN_APOP in it: the challenge stands in the greeting. */
	uint32_t mechanisms;
	/* "<unique@host>" (RFC 1939 section 7), fresh for each connection; the
	 * challenge of APOP and CRAM-MD5; never empty */
	char challenge[FACTS_CHALLENGE_MAX + 1];
};

void facts_encode(struct buf *message, const struct facts *facts);
int facts_decode(struct span message, struct facts *facts);

#endif
