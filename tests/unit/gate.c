/* What the gate makes of octets, without a connection: base64, SASL messages. */
#include "gate/base64.h"
#include "gate/sasl.h"

#include <criterion/criterion.h>

struct text {
	const char *octets;
	size_t n;
	const char *base64;
};

/* RFC 4648 section 10, and every pair of the last digits. */
static const struct text texts[] = {
	{ "", 0, "" },
	{ "f", 1, "Zg==" },
	{ "fo", 2, "Zm8=" },
	{ "foo", 3, "Zm9v" },
	{ "foob", 4, "Zm9vYg==" },
	{ "fooba", 5, "Zm9vYmE=" },
	{ "foobar", 6, "Zm9vYmFy" },
	{ "\0joe\0x", 6, "AGpvZQB4" },
	{ "\xFB\xFF\xBF", 3, "+/+/" },
	{ "\0", 1, "AA==" },
};

Test(base64, known)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct text *t = &texts[i];
		unsigned char out[16];
		struct buf b;
		buf_init(&b, 64);
		base64_encode(&b, span_of(t->octets, t->n));
		cr_assert(span_is(buf_span(&b), t->base64), "encode %zu", i);
		ssize_t n = base64_decode(span_str(t->base64), out, t->n);
		cr_assert_eq(n, (ssize_t)t->n, "decode %zu", i);
		cr_assert(span_eq(span_of(out, t->n), span_of(t->octets, t->n)));
		if (t->n)
			cr_assert_lt(
				base64_decode(span_str(t->base64), out, t->n - 1), 0);
		buf_free(&b);
	}
}

static const char *const not_base64[] = { "A", "AA", "AAA", "AAAAA",
	"====", "A===", "AA=A", "=AAA", "AA==AAAA", "AAA=AAAA",
	"AB==", "AAB=", "AAAA\n", "A AA", "AA-_", "AAA\xC3",
	"AAAA=", "AAAA==", "AAAA====", "*" };

Test(base64, refused)
{
	unsigned char out[64];
	for (size_t i = 0; i < sizeof(not_base64) / sizeof(not_base64[0]); i++)
		cr_assert_lt(base64_decode(span_str(not_base64[i]), out, sizeof(out)),
			0, "%s", not_base64[i]);
	cr_assert_lt(base64_decode(span_of("AA\0=", 4), out, sizeof(out)), 0);
}

/* The decoder takes what the encoder writes, and nothing else of that length. */
Test(base64, exact)
{
	unsigned char octets[2], out[2];
	for (unsigned value = 0; value < 65536; value++) {
		char storage[8];
		struct buf b;
		buf_fixed(&b, storage, sizeof(storage));
		octets[0] = (unsigned char)(value >> 8);
		octets[1] = (unsigned char)value;
		base64_encode(&b, span_of(octets, 2));
		cr_assert_eq(base64_decode(buf_span(&b), out, 2), 2);
		cr_assert(out[0] == octets[0] && out[1] == octets[1]);
	}
}

struct plain {
	const char *message;
	size_t n;
	const char *name, *password; /* NULL: refused */
};

static const struct plain plains[] = {
	{ "\0joe\0x", 6, "joe", "x" },
	{ "joe\0joe\0x", 9, "joe", "x" },
	{ "\0joe smith\0 a b ", 16, "joe smith", " a b " },
	{ "", 0, NULL, NULL },
	{ "\0", 1, NULL, NULL },
	{ "\0\0", 2, NULL, NULL },
	{ "\0joe", 4, NULL, NULL },
	{ "\0joe\0", 5, NULL, NULL },
	{ "\0\0x", 3, NULL, NULL },
	{ "ann\0joe\0x", 9, NULL, NULL },
	{ "jo\0joe\0x", 8, NULL, NULL },
	{ "\0joe\0x\0", 7, NULL, NULL },
	{ "\0joe\0x\0y", 8, NULL, NULL },
};

Test(sasl, plain)
{
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		const struct plain *t = &plains[i];
		struct span name, password;
		int result = sasl_plain(span_of(t->message, t->n), &name, &password);
		cr_assert_eq(result, t->name ? 0 : -1, "case %zu", i);
		if (t->name) {
			cr_assert(span_is(name, t->name));
			cr_assert(span_is(password, t->password));
		}
	}
}

Test(sasl, lengths)
{
	char octets[LOGIN_PASSWORD_MAX + 1];
	memset(octets, 'x', sizeof(octets));
	cr_assert(sasl_name_fits(span_of(octets, LOGIN_NAME_MAX)));
	cr_assert_not(sasl_name_fits(span_of(octets, LOGIN_NAME_MAX + 1)));
	cr_assert(sasl_password_fits(span_of(octets, LOGIN_PASSWORD_MAX)));
	cr_assert_not(sasl_password_fits(span_of(octets, LOGIN_PASSWORD_MAX + 1)));
	cr_assert_not(sasl_name_fits(span_of("a\0", 2)));
	cr_assert_not(sasl_password_fits(span_of("", 0)));
}

struct token {
	const char *message;
	size_t n;
	const char *name, *token; /* NULL: refused */
};

#define MESSAGE(text) text, sizeof(text) - 1

static const struct token xoauth2[] = {
	{ MESSAGE("user=joe\1auth=Bearer t.k\1\1"), "joe", "t.k" },
	{ MESSAGE("user=\1auth=Bearer t.k\1\1"), "", "t.k" },
	{ MESSAGE("user=joe\1x=y\1auth=bearer t\1\1"), "joe", "t" },
	{ MESSAGE("user=joe\1auth=Bearer t\1"), NULL, NULL },
	{ MESSAGE("user=joe\1auth=Bearer t"), NULL, NULL },
	{ MESSAGE("user=joe\1auth=Bearer \1\1"), NULL, NULL },
	{ MESSAGE("user=joe\1auth=Bearer a\1auth=Bearer b\1\1"), NULL, NULL },
	{ MESSAGE("user=j\0e\1auth=Bearer t\1\1"), NULL, NULL },
	{ MESSAGE("\1\1"), NULL, NULL },
	{ MESSAGE(""), NULL, NULL },
};

static const struct token oauthbearer[] = {
	/* RFC 7628 section 4.1 */
	{ MESSAGE("n,a=user@example.com,\1host=server.example.com\1port=143\1"
		  "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"),
		"user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" },
	{ MESSAGE("n,,\1auth=Bearer t\1\1"), "", "t" },
	{ MESSAGE("y,a=a=2Cb=3Dc,\1auth=Bearer t\1\1"), "a,b=c", "t" },
	{ MESSAGE("p=tls-unique,,\1auth=Bearer t\1\1"), NULL, NULL },
	{ MESSAGE("n,a=,\1auth=Bearer t\1\1"), NULL, NULL },
	{ MESSAGE("n,joe,\1auth=Bearer t\1\1"), NULL, NULL },
	{ MESSAGE("n,a=j=2c,\1auth=Bearer t\1\1"), NULL, NULL },
	{ MESSAGE("n,a=j=,\1auth=Bearer t\1\1"), NULL, NULL },
	{ MESSAGE("n,,"), NULL, NULL },
	{ MESSAGE("n,,\1\1"), NULL, NULL },
};

static void check_tokens(const struct token *t, size_t n,
	int (*parse)(struct span message, struct sasl_name *name, struct span *token))
{
	for (size_t i = 0; i < n; i++, t++) {
		struct sasl_name name;
		struct span token;
		int result = parse(span_of(t->message, t->n), &name, &token);
		cr_assert_eq(result, t->name ? 0 : -1, "case %zu", i);
		if (!t->name)
			continue;
		cr_assert(span_is(sasl_name_span(&name), t->name), "case %zu", i);
		cr_assert(span_is(token, t->token), "case %zu", i);
	}
}

Test(sasl, tokens)
{
	check_tokens(xoauth2, sizeof(xoauth2) / sizeof(xoauth2[0]), sasl_xoauth2);
	check_tokens(oauthbearer, sizeof(oauthbearer) / sizeof(oauthbearer[0]),
		sasl_oauthbearer);
}

/* No prefix of a message is one. */
Test(sasl, prefixes)
{
	for (size_t i = 0; i < oauthbearer[0].n; i++) {
		struct sasl_name name;
		struct span token;
		struct span cut = span_of(oauthbearer[0].message, i);
		cr_assert_lt(sasl_oauthbearer(cut, &name, &token), 0, "%zu", i);
	}
}

static const struct {
	const char *message, *name, *binding;
} firsts[] = {
	/* RFC 5802 section 5, RFC 7677 section 3 */
	{ "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "user", "" },
	{ "n,a=joe,n=joe,r=x", "joe", "" },
	{ "y,,n=a=2Cb=3D,r=x", "a,b=", "" },
	{ "p=tls-exporter,,n=joe,r=x", "joe", "tls-exporter" },
	{ "p=,,n=joe,r=x", NULL, NULL },
	{ "p,,n=joe,r=x", NULL, NULL },
	{ "x,,n=joe,r=x", NULL, NULL },
	{ "n,n=joe,r=x", NULL, NULL },
	{ "n,,m=x,n=joe,r=x", NULL, NULL },
	{ "n,,n=,r=x", NULL, NULL },
	{ "n,,n=a=,r=x", NULL, NULL },
	{ "", NULL, NULL },
};

Test(sasl, scram_first)
{
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		struct sasl_name name;
		struct span binding;
		int result =
			sasl_scram_first(span_str(firsts[i].message), &name, &binding);
		cr_assert_eq(result, firsts[i].name ? 0 : -1, "%s", firsts[i].message);
		if (!firsts[i].name)
			continue;
		cr_assert(span_is(sasl_name_span(&name), firsts[i].name));
		cr_assert(span_is(binding, firsts[i].binding));
	}
}

Test(sasl, cram)
{
	const char *good = "tim tim b913a602c7eda7a495b4e6e7334d3890";
	struct span name, digest;
	cr_assert_eq(sasl_cram(span_str(good), &name, &digest), 0);
	cr_assert(span_is(name, "tim tim") && digest.n == LOGIN_DIGEST);
	for (size_t i = 0; i < strlen(good); i++)
		cr_assert_lt(
			sasl_cram(span_head(span_str(good), i), &name, &digest), 0);
	cr_assert_lt(sasl_cram(span_str(good + 7), &name, &digest), 0);
}

Test(sasl, digest)
{
	const char *good = "c4c9334bac560ecc979e58001b3e22fb";
	cr_assert(sasl_digest_fits(span_str(good)));
	cr_assert_not(sasl_digest_fits(span_head(span_str(good), 31)));
	cr_assert_not(sasl_digest_fits(span_str("C4C9334BAC560ECC979E58001B3E22FB")));
	cr_assert_not(sasl_digest_fits(span_str("g4c9334bac560ecc979e58001b3e22fb")));
	cr_assert_not(
		sasl_digest_fits(span_of("c4c9334bac560ecc979e58001b3e22f\0", 32)));
}
