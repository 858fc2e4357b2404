/*
 * scram: messages and proofs of RFC 5802 sections 3, 5 and 7. Runs as root in an auth
 * child. Trusts the keys; distrusts every octet of a message: what is not exactly
 * of the form of section 7 is refused, extensions included ("m=" must be, others may
 * be). Failures of libcrypto and of base64 count as a proof that does not fit.
 */
#include "auth/scram.h"

#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

enum { BASE64 = sodium_base64_VARIANT_ORIGINAL };

static bool starts(struct span s, const char *text)
{
	return span_eq(span_head(s, strlen(text)), span_str(text));
}

/* The value of the next attribute, which must have that letter: "r=...". */
static int take(struct span *rest, char letter, struct span *value)
{
	struct span word = span_cut(rest, ',');
	if (word.n < 3 || word.p[0] != (unsigned char)letter || word.p[1] != '=')
		return -1;
	*value = span_tail(word, 2);
	return 0;
}

/* printable of RFC 5802 section 7: 0x21 to 0x7E without the comma. */
static bool is_nonce(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7E || s.p[i] == ',')
			return false;
	return s.n > 0;
}

static int parse_gs2(struct span *rest, struct scram_first *first)
{
	struct span flag = span_cut(rest, ',');
	struct span authzid = span_cut(rest, ',');
	if (flag.n == 0)
		return -1;
	first->flag = flag.p[0];
	if (first->flag == 'p') {
		if (!starts(flag, "p=") || flag.n < 3)
			return -1;
		first->binding_type = span_tail(flag, 2);
	} else if (flag.n != 1 || (first->flag != 'n' && first->flag != 'y')) {
		return -1;
	}
	if (authzid.n > 0 && (!starts(authzid, "a=") || authzid.n < 3))
		return -1;
	first->authzid = span_tail(authzid, 2);
	return 0;
}

int scram_parse_first(struct span message, struct scram_first *first)
{
	struct span rest = message;
	*first = (struct scram_first){ 0 };
	if (message.n > SCRAM_FIRST_MAX || parse_gs2(&rest, first) < 0)
		return -1;
	first->gs2 = span_head(message, message.n - rest.n);
	first->bare = rest;
	if (take(&rest, 'n', &first->name) < 0 || take(&rest, 'r', &first->nonce) < 0)
		return -1;
	return is_nonce(first->nonce) ? 0 : -1;
}

bool scram_name_is(struct span saslname, struct span name)
{
	size_t i = 0;
	while (saslname.n) {
		unsigned char c = saslname.p[0];
		size_t used = 1;
		if (c == '=') {
			used = 3;
			c = starts(saslname, "=2C") ? ',' : '=';
			if (c == '=' && !starts(saslname, "=3D"))
				return false;
		}
		if (i == name.n || name.p[i++] != c)
			return false;
		saslname = span_tail(saslname, used);
	}
	return i == name.n;
}

static void put_base64(struct buf *out, const unsigned char *p, size_t n)
{
	size_t size = sodium_base64_encoded_len(n, BASE64);
	unsigned char *to = buf_reserve(out, size);
	if (!to)
		return;
	sodium_bin2base64((char *)to, size, p, n, BASE64);
	buf_commit(out, size - 1); /* without its NUL */
}

void scram_put_server_first(struct buf *out, struct span client_nonce,
	struct span server_nonce, const struct scram_keys *keys)
{
	buf_puts(out, "r=");
	buf_put_span(out, client_nonce);
	buf_put_span(out, server_nonce);
	buf_puts(out, ",s=");
	put_base64(out, keys->salt, sizeof(keys->salt));
	buf_puts(out, ",i=");
	buf_put_decimal(out, keys->iterations);
}

/* The last ",p=": neither base64 nor a nonce has a comma in it. */
static int cut_proof(struct span message, struct scram_final *final)
{
	size_t at = message.n;
	while (at > 0 && message.p[at - 1] != ',')
		at--;
	if (at == 0 || !starts(span_tail(message, at), "p="))
		return -1;
	final->without_proof = span_head(message, at - 1);
	final->proof = span_tail(message, at + 2);
	return final->proof.n > 0 ? 0 : -1;
}

int scram_parse_final(struct span message, struct scram_final *final)
{
	if (message.n > SCRAM_FINAL_MAX || cut_proof(message, final) < 0)
		return -1;
	struct span rest = final->without_proof;
	if (take(&rest, 'c', &final->binding) < 0 ||
		take(&rest, 'r', &final->nonce) < 0)
		return -1;
	return is_nonce(final->nonce) ? 0 : -1;
}

bool scram_binding_is(struct span base64, struct span gs2, struct span data)
{
	unsigned char plain[1024], text[2048];
	struct buf expected, encoded;
	buf_fixed(&expected, plain, sizeof(plain));
	buf_fixed(&encoded, text, sizeof(text));
	buf_put_span(&expected, gs2);
	buf_put_span(&expected, data);
	put_base64(&encoded, buf_span(&expected).p, buf_len(&expected));
	return buf_ok(&expected) && buf_ok(&encoded) &&
	       secret_eq(buf_span(&encoded), base64);
}

static const EVP_MD *digest_of(const struct scram_keys *keys)
{
	return keys->hash == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

static int hmac(const struct scram_keys *keys, const unsigned char *key,
	struct span message, unsigned char out[EVP_MAX_MD_SIZE])
{
	unsigned n = 0;
	return HMAC(digest_of(keys), key, (int)keys->size, message.p, message.n, out,
		       &n) && n == keys->size
		       ? 0
		       : -1;
}

/* ClientKey = ClientProof XOR ClientSignature; H(ClientKey) must be StoredKey. */
static bool client_key_fits(const struct scram_keys *keys,
	const unsigned char *signature, const unsigned char *proof)
{
	unsigned char key[EVP_MAX_MD_SIZE], hash[EVP_MAX_MD_SIZE] = { 0 };
	for (size_t i = 0; i < keys->size; i++)
		key[i] = signature[i] ^ proof[i];
	int done = EVP_Digest(key, keys->size, hash, NULL, digest_of(keys), NULL);
	bool same =
		secret_eq(span_of(hash, keys->size), span_of(keys->stored, keys->size));
	sodium_memzero(key, sizeof(key));
	return done && same;
}

bool scram_proof_fits(
	const struct scram_keys *keys, struct span auth_message, struct span proof)
{
	unsigned char octets[SCRAM_KEY_MAX], signature[EVP_MAX_MD_SIZE];
	size_t n = 0;
	if (sodium_base642bin(octets, sizeof(octets), (const char *)proof.p, proof.n,
		    NULL, &n, NULL, BASE64) < 0 ||
		n != keys->size ||
		hmac(keys, keys->stored, auth_message, signature) < 0)
		return false;
	bool fits = client_key_fits(keys, signature, octets);
	sodium_memzero(signature, sizeof(signature));
	return fits;
}

void scram_put_server_final(
	struct buf *out, const struct scram_keys *keys, struct span auth_message)
{
	unsigned char signature[EVP_MAX_MD_SIZE];
	if (hmac(keys, keys->server, auth_message, signature) < 0) {
		out->failed = true;
		return;
	}
	buf_puts(out, "v=");
	put_base64(out, signature, keys->size);
}
