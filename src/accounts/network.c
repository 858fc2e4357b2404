/*
 * network: address prefixes. The text comes from the database or the
 * administrator, the peer's address from the master; what cannot be read allows
 * nothing.
 */
#include "accounts/network.h"

#include "base/num.h"

#include <arpa/inet.h>

static unsigned bits_of(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Do the first prefix bits of a and b agree? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;
	if (memcmp(a, b, whole) != 0)
		return false;
	return !rest || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool zero_behind(const struct network *network)
{
	for (unsigned bit = network->prefix; bit < bits_of(network->family); bit++) {
		if (network->octets[bit / 8] & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

/* A peer's mapped address is IPv4 (facts.h), so a network of such addresses is, too. */
static void unmap(struct network *network)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (network->family != 6 || network->prefix < 8 * sizeof(mapped) ||
		memcmp(network->octets, mapped, sizeof(mapped)) != 0)
		return;
	network->family = 4;
	network->prefix = (uint8_t)(network->prefix - 8 * sizeof(mapped));
	memmove(network->octets, network->octets + sizeof(mapped), 4);
	memset(network->octets + 4, 0, sizeof(network->octets) - 4);
}

static int parse_loosely(struct network *network, struct span text)
{
	*network = (struct network){ 0 };
	bool given = span_find(text, '/') < text.n;
	struct span address = span_cut(&text, '/');
	char host[NETADDR_TEXT_MAX];
	if (span_to_text(address, host, sizeof(host)) < 0)
		return -1;
	network->family = strchr(host, ':') ? 6 : 4;
	if (inet_pton(network->family == 4 ? AF_INET : AF_INET6, host,
		    network->octets) != 1)
		return -1;
	uint64_t prefix = bits_of(network->family);
	if (given && num_parse(text, prefix, &prefix) < 0)
		return -1;
	network->prefix = (uint8_t)prefix;
	unmap(network);
	return 0;
}

int network_parse(struct network *network, struct span text)
{
	return parse_loosely(network, text) == 0 && zero_behind(network) ? 0 : -1;
}

bool network_meant(struct network *network, struct span text)
{
	if (parse_loosely(network, text) < 0)
		return false;
	for (unsigned bit = network->prefix; bit < bits_of(network->family); bit++)
		network->octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return true;
}

void network_text(const struct network *network, char text[NETWORK_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "";
	inet_ntop(network->family == 4 ? AF_INET : AF_INET6, network->octets, host,
		sizeof(host));
	if (network->prefix == bits_of(network->family))
		snprintf(text, NETWORK_TEXT_MAX, "%s", host);
	else
		snprintf(text, NETWORK_TEXT_MAX, "%s/%u", host, network->prefix);
}

int networks_parse(struct networks *networks, struct span text)
{
	*networks = (struct networks){ 0 };
	while (text.n) {
		if (networks->n == NETWORKS_MAX)
			return -1;
		struct network *next = &networks->list[networks->n++];
		if (network_parse(next, span_cut(&text, ' ')) < 0)
			return -1;
	}
	return 0;
}

void networks_put(struct buf *out, const struct networks *networks)
{
	for (uint32_t i = 0; i < networks->n; i++) {
		char text[NETWORK_TEXT_MAX];
		network_text(&networks->list[i], text);
		if (i)
			buf_putc(out, ' ');
		buf_puts(out, text);
	}
}

bool networks_allow(const struct networks *networks, const struct netaddr *peer)
{
	for (uint32_t i = 0; i < networks->n; i++) {
		const struct network *network = &networks->list[i];
		if (network->family == peer->family &&
			same_bits(network->octets, peer->octets, network->prefix))
			return true;
	}
	return networks->n == 0;
}
