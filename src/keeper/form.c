/*
 * form: what the keeper is willing to sign. Runs beside the private key, on octets
 * that a gate sent, which may have been taken over by a stranger.
 *
 * TLS 1.3 (RFC 8446 section 4.4.3) signs 64 spaces, a context string, a zero octet and
 * the transcript's hash: the form is told exactly, and no other protocol uses it.
 * The hash itself could be of any transcript.
 *
 * TLS 1.2 (RFC 5246 section 7.4.3; RFC 8422 section 5.4) signs 64 octets of randoms,
 * of which the client chose half, and the server's ECDHE parameters. Only the
 * latter have a form: named curve, one of ours, a point of its length. So
 * a gate can have any 64 octets in front signed, but never a message of
 * another form behind them, and never one of TLS 1.3, whose 65th octet is 'T'.
 */
#include "keeper/form.h"

enum {
	RANDOMS = 64,
	CURVE_NAMED = 3,
	CURVE_P256 = 0x0017,
	CURVE_P384 = 0x0018,
	CURVE_X25519 = 0x001D,
	POINT_UNCOMPRESSED = 4,
};

static const char context[] = "TLS 1.3, server CertificateVerify"; /* and its NUL */

static bool is_tls13(struct span octets)
{
	struct span spaces = span_head(octets, RANDOMS);
	struct span rest = span_tail(octets, RANDOMS);
	for (size_t i = 0; i < spaces.n; i++)
		if (spaces.p[i] != ' ')
			return false;
	if (!span_eq(span_head(rest, sizeof(context)),
		    span_of(context, sizeof(context))))
		return false;
	/* SHA-256 or SHA-384: those of the cipher suites. */
	size_t hash = rest.n - sizeof(context);
	return hash == 32 || hash == 48;
}

static size_t point_length(unsigned curve)
{
	switch (curve) {
	case CURVE_P256:
		return 65;
	case CURVE_P384:
		return 97;
	case CURVE_X25519:
		return 32;
	default:
		return 0;
	}
}

static bool is_tls12(struct span octets)
{
	struct span p = span_tail(octets, RANDOMS);
	if (p.n < 5 || p.p[0] != CURVE_NAMED)
		return false;
	unsigned curve = (unsigned)p.p[1] << 8 | p.p[2];
	size_t length = point_length(curve);
	if (length == 0 || p.p[3] != length || p.n != 4 + length)
		return false;
	return curve == CURVE_X25519 || p.p[4] == POINT_UNCOMPRESSED;
}

enum form form_of(struct span octets)
{
	if (is_tls13(octets))
		return FORM_TLS13;
	return is_tls12(octets) ? FORM_TLS12 : FORM_NONE;
}
