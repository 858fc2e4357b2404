/*
 * network: from where an account may be used. Address prefixes as text in the
 * database ("192.0.2.0/24 2001:db8::/32") and as a short list in memory.
 */
#ifndef POSTERN_ACCOUNTS_NETWORK_H
#define POSTERN_ACCOUNTS_NETWORK_H

#include "base/buf.h"
#include "postern/facts.h"

enum { NETWORKS_MAX = 32, NETWORK_TEXT_MAX = NETADDR_TEXT_MAX + 4 };

struct network {
	uint8_t family; /* 4 or 6 */
	uint8_t prefix; /* bits: 0 to 32 or 128; the others are zero */
	uint8_t octets[16];
};

struct networks {
	uint32_t n; /* none: no limit */
	struct network list[NETWORKS_MAX];
};

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". 0, or -1 when it is no such thing
 * or has bits behind the prefix. */
int network_parse(struct network *network, struct span text);
/* The network that such a text must mean when only its bits behind the prefix are
 * wrong: 10.0.0.0/8 of "10.0.0.1/8". False: it is no such thing. */
bool network_meant(struct network *network, struct span text);
void network_text(const struct network *network, char text[NETWORK_TEXT_MAX]);

/* Words separated by one blank; empty: none. 0, or -1 and *networks unusable. */
int networks_parse(struct networks *networks, struct span text);
void networks_put(struct buf *out, const struct networks *networks);

/* No limit, or within one of them? */
bool networks_allow(const struct networks *networks, const struct netaddr *peer);

#endif
