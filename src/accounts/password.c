/*
 * password: hashing and verifying. Runs as root in auth, on a stranger's octets, and
 * in the postern command. Argon2id is libsodium's; crypt(3) is libxcrypt's, and the
 * salted SHA forms are libcrypto's digests, both only for hashes that an
 * administrator imported. A hash that cannot be read is nobody's password.
 *
 * A password has up to two forms: prepared (saslprep.h), of which our hashes are, and
 * as it came, of which another server's may be. Of a wrong one both are tried, whoever
 * the account is, so that the work depends on the client's octets alone.
 */
#include "accounts/password.h"

#include "accounts/saslprep.h"
#include "base/secret.h"
#include "postern/login.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>

/* OWASP Password Storage Cheat Sheet: m=19 MiB, t=2, p=1. */
enum { ARGON_PASSES = 2, ARGON_MEMORY = 19 * 1024 * 1024, DIGEST_SALT_MAX = 64 };

_Static_assert(
	crypto_pwhash_STRBYTES <= PASSWORD_HASH_MAX + 1, "room for one of our hashes");

/* What comes before the salted digest in base64, and the digest. */
static const struct {
	const char *scheme, *digest;
	size_t size;
} digests[] = {
	{ "{SSHA}", "SHA1", 20 },
	{ "{SSHA256}", "SHA256", 32 },
	{ "{SSHA512}", "SHA512", 64 },
};

enum { DIGESTS = sizeof(digests) / sizeof(digests[0]) };

int password_init(void)
{
	return sodium_init() < 0 ? -1 : 0;
}

int password_hash(struct span password, char hash[PASSWORD_HASH_MAX + 1])
{
	char text[SASLPREP_MAX];
	struct span prepared;
	hash[0] = '\0';
	if (!password.n || password.n > LOGIN_PASSWORD_MAX ||
		memchr(password.p, 0, password.n)) {
		errno = EINVAL;
		return -1;
	}
	(void)saslprep(password, text, &prepared);
	int result = crypto_pwhash_str(
		hash, (const char *)prepared.p, prepared.n, ARGON_PASSES, ARGON_MEMORY);
	explicit_bzero(text, sizeof(text));
	errno = ENOMEM;
	return result == 0 ? 0 : -1;
}

/* --- one form ------------------------------------------------------------- */

static bool nobody(struct span password)
{
	/* The hash of nothing anyone knows: salt and tag are drawn each time. */
	unsigned char salt[crypto_pwhash_SALTBYTES], tag[32], drawn[32];
	randombytes_buf(salt, sizeof(salt));
	randombytes_buf(drawn, sizeof(drawn));
	if (crypto_pwhash(tag, sizeof(tag), (const char *)password.p, password.n, salt,
		    ARGON_PASSES, ARGON_MEMORY, crypto_pwhash_ALG_ARGON2ID13) < 0)
		return false;
	return sodium_memcmp(tag, drawn, sizeof(tag)) == 0;
}

/* The octets behind a "{SSHA}": digest, then salt. 0, or -1. */
static int digest_decode(
	const char *text, size_t size, unsigned char *octets, size_t *n)
{
	size_t room = size + DIGEST_SALT_MAX;
	const char *end;
	if (sodium_base642bin(octets, room, text, strlen(text), NULL, n, &end,
		    sodium_base64_VARIANT_ORIGINAL) < 0)
		return -1;
	return *end == '\0' && *n > size ? 0 : -1;
}

static bool digest_verify(size_t kind, const char *text, struct span password)
{
	unsigned char octets[EVP_MAX_MD_SIZE + DIGEST_SALT_MAX], found[EVP_MAX_MD_SIZE];
	size_t n, size = digests[kind].size;
	const EVP_MD *md = EVP_get_digestbyname(digests[kind].digest);
	if (!md || digest_decode(text, size, octets, &n) < 0)
		return false;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestInit_ex(context, md, NULL) &&
		    EVP_DigestUpdate(context, password.p, password.n) &&
		    EVP_DigestUpdate(context, octets + size, n - size) &&
		    EVP_DigestFinal_ex(context, found, NULL) &&
		    sodium_memcmp(found, octets, size) == 0;
	EVP_MD_CTX_free(context);
	return good;
}

static bool crypt_verify(const char *hash, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	if (!data)
		return false;
	const char *found = crypt_r(password, hash, data);
	bool good =
		found && found[0] != '*' && secret_eq(span_str(found), span_str(hash));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return good;
}

static bool is_argon2(const char *hash)
{
	return strncmp(hash, "$argon2", 7) == 0;
}

/* The row of a "{SSHA...}" hash, or DIGESTS. */
static size_t digest_kind(const char *hash)
{
	size_t i = 0;
	while (i < DIGESTS &&
		strncmp(hash, digests[i].scheme, strlen(digests[i].scheme)) != 0)
		i++;
	return i;
}

static bool verify(const char *hash, struct span password)
{
	char text[SASLPREP_MAX];
	size_t kind = digest_kind(hash);
	if ((hash[0] != '$' && kind == DIGESTS) ||
		span_to_text(password, text, sizeof(text)) < 0)
		return false;
	bool good;
	if (kind < DIGESTS)
		good = digest_verify(
			kind, hash + strlen(digests[kind].scheme), password);
	else if (is_argon2(hash))
		good = crypto_pwhash_str_verify(hash, text, password.n) == 0;
	else
		good = crypt_verify(hash, text);
	explicit_bzero(text, sizeof(text));
	return good;
}

/* --- both forms ----------------------------------------------------------- */

/* What nobody's password costs, on top of a hash that may be a cheap one: no answer
 * comes sooner than that about a name that does not exist. */
static bool verify_one(const char *hash, struct span password)
{
	if (!hash)
		return nobody(password);
	return verify(hash, password) || (!is_argon2(hash) && nobody(password));
}

/* hash NULL: nobody's. */
static bool verify_forms(const char *hash, struct span password)
{
	char text[SASLPREP_MAX];
	struct span prepared;
	(void)saslprep(password, text, &prepared);
	bool good = verify_one(hash, prepared) ||
		    (!span_eq(prepared, password) && verify_one(hash, password));
	explicit_bzero(text, sizeof(text));
	return good;
}

bool password_verify(const char *hash, struct span password)
{
	return verify_forms(hash, password);
}

bool password_nobody(struct span password)
{
	return verify_forms(NULL, password);
}

bool password_needs_rehash(const char *hash)
{
	return !is_argon2(hash) ||
	       crypto_pwhash_str_needs_rehash(hash, ARGON_PASSES, ARGON_MEMORY) != 0;
}

/* --- hashes from elsewhere ----------------------------------------------- */

static const struct {
	const char *scheme, *prefix;
} crypts[] = {
	{ "{ARGON2ID}", "$argon2id$" },
	{ "{SHA512-CRYPT}", "$6$" },
	{ "{SHA256-CRYPT}", "$5$" },
	{ "{BLF-CRYPT}", "$2" },
	{ "{CRYPT}", "$" },
	{ "", "$" },
};

/* Would somebody's password ever fit? crypt(3) answers '*' to a bad setting. */
static bool setting_good(const char *hash)
{
	if (is_argon2(hash))
		return crypto_pwhash_str_needs_rehash(
			       hash, ARGON_PASSES, ARGON_MEMORY) >= 0;
	int check = crypt_checksalt(hash);
	return check == CRYPT_SALT_OK || check == CRYPT_SALT_METHOD_LEGACY;
}

static bool import_crypt(struct span given, char *hash)
{
	for (size_t i = 0; i < sizeof(crypts) / sizeof(crypts[0]); i++) {
		struct span scheme = span_str(crypts[i].scheme);
		struct span prefix = span_str(crypts[i].prefix);
		if (!span_eq(span_head(given, scheme.n), scheme))
			continue;
		struct span rest = span_tail(given, scheme.n);
		return span_eq(span_head(rest, prefix.n), prefix) &&
		       span_to_text(rest, hash, PASSWORD_HASH_MAX + 1) == 0 &&
		       setting_good(hash);
	}
	return false;
}

static bool import_digest(struct span given, char *hash)
{
	unsigned char octets[EVP_MAX_MD_SIZE + DIGEST_SALT_MAX];
	size_t n;
	if (span_to_text(given, hash, PASSWORD_HASH_MAX + 1) < 0)
		return false;
	size_t kind = digest_kind(hash);
	return kind < DIGESTS && digest_decode(hash + strlen(digests[kind].scheme),
					 digests[kind].size, octets, &n) == 0;
}

int password_import(struct span given, char hash[PASSWORD_HASH_MAX + 1])
{
	struct span plain = span_str("{PLAIN}");
	if (span_eq(span_head(given, plain.n), plain))
		return password_hash(span_tail(given, plain.n), hash);
	if (import_crypt(given, hash) || import_digest(given, hash))
		return 0;
	hash[0] = '\0';
	errno = EINVAL;
	return -1;
}
