/*
 * binding: what only the two ends of this TLS connection can know (tls-exporter,
 * tls-unique), or that it ends at the holder of this certificate
 * (tls-server-end-point). Runs in a gate child. Nothing here can fail but by giving
 * no data, which makes auth refuse the login.
 */
#include "gate/binding.h"

#include <openssl/err.h>
#include <openssl/x509.h>

enum { EXPORTER_SIZE = 32 };

_Static_assert(EVP_MAX_MD_SIZE <= LOGIN_BINDING_MAX, "a hash fits");

/* RFC 9266 section 2. With TLS 1.2 the peers may mean two things by "no context". */
static size_t exporter(SSL *ssl, unsigned char *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	if (SSL_version(ssl) < TLS1_3_VERSION)
		return 0;
	return SSL_export_keying_material(ssl, out, EXPORTER_SIZE, label,
		       sizeof(label) - 1, NULL, 0, 0) == 1
		       ? EXPORTER_SIZE
		       : 0;
}

/* RFC 5929 section 3: the first Finished, the client's, for nothing resumes TLS 1.2
 * here. Not unique without the extended master secret (RFC 7627), not defined in
 * TLS 1.3. */
static size_t unique(SSL *ssl, unsigned char *out)
{
	if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
		return 0;
	size_t n = SSL_get_peer_finished(ssl, out, LOGIN_BINDING_MAX);
	return n <= LOGIN_BINDING_MAX ? n : 0;
}

/* RFC 5929 section 4.1: the hash of the certificate's signature, SHA-256 for MD5 and
 * SHA-1. */
static size_t end_point(SSL *ssl, unsigned char *out)
{
	const X509 *certificate = SSL_get_certificate(ssl);
	int digest = NID_undef;
	unsigned n = 0;
	if (!certificate || OBJ_find_sigid_algs(X509_get_signature_nid(certificate),
				    &digest, NULL) != 1)
		return 0;
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256;
	const EVP_MD *md = EVP_get_digestbynid(digest);
	return md && X509_digest(certificate, md, out, &n) == 1 ? n : 0;
}

size_t binding_data(SSL *ssl, struct span type, unsigned char out[LOGIN_BINDING_MAX])
{
	size_t n = 0;
	if (!ssl)
		return 0;
	if (span_is(type, "tls-exporter"))
		n = exporter(ssl, out);
	else if (span_is(type, "tls-unique"))
		n = unique(ssl, out);
	else if (span_is(type, "tls-server-end-point"))
		n = end_point(ssl, out);
	ERR_clear_error();
	return n;
}
