/* The mechanisms' own arithmetic and messages, without an account: SCRAM on the
 * example of RFC 7677, CRAM-MD5 on that of RFC 2195, sealed steps, tokens. */
#include "auth/apop.h"
#include "auth/cram.h"
#include "auth/scram.h"
#include "auth/step.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

static struct span s(const char *text)
{
	return span_str(text);
}

/* --- SCRAM ---------------------------------------------------------------------- */

static const char client_first[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char server_nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char server_first[] =
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char client_final[] =
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char server_final[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static struct scram_keys keys_of(enum scram_hash hash, const char *password)
{
	const EVP_MD *md = hash == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
	struct scram_keys keys = {
		.hash = hash, .iterations = 4096, .size = hash == SCRAM_SHA_1 ? 20 : 32
	};
	unsigned char salted[32], client[32];
	size_t n;
	sodium_base642bin(keys.salt, sizeof(keys.salt), "W22ZaJ0SNY7soEsUEjb6gQ==", 24,
		NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL);
	PKCS5_PBKDF2_HMAC(
		password, -1, keys.salt, (int)n, 4096, md, (int)keys.size, salted);
	HMAC(md, salted, (int)keys.size, (const void *)"Client Key", 10, client, NULL);
	EVP_Digest(client, keys.size, keys.stored, NULL, md, NULL);
	HMAC(md, salted, (int)keys.size, (const void *)"Server Key", 10, keys.server,
		NULL);
	return keys;
}

static void auth_message(struct buf *out, const struct scram_final *final)
{
	buf_puts(out, "n=user,r=rOprNGfwEbeRWgbNEkqO,");
	buf_puts(out, server_first);
	buf_puts(out, ",");
	buf_put_span(out, final->without_proof);
}

Test(scram, the_example_of_rfc_7677)
{
	struct scram_first first;
	struct scram_final final;
	struct scram_keys keys = keys_of(SCRAM_SHA_256, "pencil");
	struct buf out, message;
	buf_init(&out, 1024);
	buf_init(&message, 1024);
	cr_assert_eq(scram_parse_first(s(client_first), &first), 0);
	cr_assert(span_is(first.gs2, "n,,"));
	cr_assert(span_is(first.bare, "n=user,r=rOprNGfwEbeRWgbNEkqO"));
	cr_assert_eq(first.flag, 'n');
	cr_assert_eq(first.authzid.n, 0);
	cr_assert(scram_name_is(first.name, s("user")));
	scram_put_server_first(&out, first.nonce, s(server_nonce), &keys);
	cr_assert(span_is(buf_span(&out), server_first));
	cr_assert_eq(scram_parse_final(s(client_final), &final), 0);
	cr_assert(scram_binding_is(final.binding, first.gs2, s("")));
	auth_message(&message, &final);
	cr_assert(scram_proof_fits(&keys, buf_span(&message), final.proof));
	buf_reset(&out);
	scram_put_server_final(&out, &keys, buf_span(&message));
	cr_assert(span_is(buf_span(&out), server_final));
	struct scram_keys wrong = keys_of(SCRAM_SHA_256, "pencil ");
	cr_assert_not(scram_proof_fits(&wrong, buf_span(&message), final.proof));
	wrong = keys_of(SCRAM_SHA_1, "pencil");
	cr_assert_not(scram_proof_fits(&wrong, buf_span(&message), final.proof));
	buf_puts(&message, "x");
	cr_assert_not(scram_proof_fits(&keys, buf_span(&message), final.proof));
	cr_assert_not(scram_proof_fits(&keys, buf_span(&message), s("dHzb")));
	cr_assert_not(scram_proof_fits(&keys, buf_span(&message), s("!!!!")));
	buf_free(&out);
	buf_free(&message);
}

Test(scram, client_first_has_one_form)
{
	static const char *const good[] = {
		"n,,n=user,r=abc",
		"y,,n=user,r=abc",
		"p=tls-exporter,,n=user,r=abc",
		"n,a=user,n=user,r=abc",
		"n,,n=us=2Cer=3D,r=abc",
		"n,,n=user,r=abc,ext=1",
		"n,,n=user,r=!",
		"n,,n=user,r=~",
		"n,,n=user,r=!~!",
	};
	static const char *const bad[] = {
		"",
		"n",
		"n,",
		"n,,",
		"x,,n=user,r=abc",
		"nn,,n=user,r=abc",
		"p,,n=user,r=abc",
		"p=,,n=user,r=abc",
		"n,b=user,n=user,r=abc",
		"n,a=,n=user,r=abc",
		"n,user,n=user,r=abc",
		"n,,m=ext,n=user,r=abc",
		"n,,r=abc,n=user",
		"n,,n=,r=abc",
		"n,,n=user",
		"n,,n=user,r=",
		"n,,n=user,r=a\x01z",
		"n,,n=user,r=a z",
		"n,,n=user,r= ",
		"n,,n=user,r=\x7f",
		"n,,n=user,r=a\x80",
		"n=user,r=abc",
	};
	struct scram_first first;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_assert_eq(scram_parse_first(s(good[i]), &first), 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(scram_parse_first(s(bad[i]), &first), -1, "%s", bad[i]);
	char longest[SCRAM_FIRST_MAX + 1];
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "n,,n=user,r=", 12);
	cr_assert_eq(scram_parse_first(span_of(longest, SCRAM_FIRST_MAX), &first), 0);
	cr_assert_eq(
		scram_parse_first(span_of(longest, SCRAM_FIRST_MAX + 1), &first), -1);
}

Test(scram, names)
{
	cr_assert(scram_name_is(s("us=2Cer=3D"), s("us,er=")));
	cr_assert_not(scram_name_is(s("us=2cer"), s("us,er")));
	cr_assert_not(scram_name_is(s("us=er"), s("us=er")));
	cr_assert_not(scram_name_is(s("user="), s("user=")));
	cr_assert_not(scram_name_is(s("user=2"), s("user")));
	cr_assert_not(scram_name_is(s("user"), s("use")));
	cr_assert_not(scram_name_is(s("use"), s("user")));
	cr_assert_not(scram_name_is(s("User"), s("user")));
}

Test(scram, client_final_has_one_form)
{
	static const char *const bad[] = {
		"",
		"c=biws,r=abc",
		"c=biws,r=abc,p=",
		"r=abc,c=biws,p=AA==",
		"c=biws,p=AA==",
		"c=,r=abc,p=AA==",
		"p=AA==",
		",p=AA==",
		"c=biws,r=abc,p=AA==,x=y",
	};
	struct scram_final final;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(scram_parse_final(s(bad[i]), &final), -1, "%s", bad[i]);
	cr_assert_eq(scram_parse_final(s("c=biws,r=abc,x=y,p=AA=="), &final), 0);
	cr_assert(span_is(final.without_proof, "c=biws,r=abc,x=y"));
}

Test(scram, binding)
{
	cr_assert(scram_binding_is(s("biws"), s("n,,"), s("")));
	cr_assert_not(scram_binding_is(s("eSws"), s("n,,"), s("")));
	cr_assert_not(scram_binding_is(s("biws="), s("n,,"), s("")));
	cr_assert(scram_binding_is(
		s("cD10bHMtZXhwb3J0ZXIsLGFiYw=="), s("p=tls-exporter,,"), s("abc")));
	cr_assert_not(scram_binding_is(
		s("cD10bHMtZXhwb3J0ZXIsLGFiYw=="), s("p=tls-exporter,,"), s("abd")));
	cr_assert_not(scram_binding_is(
		s("cD10bHMtZXhwb3J0ZXIsLGFiYw=="), s("p=tls-exporter,,"), s("")));
}

/* --- CRAM-MD5: RFC 2195 section 2 ------------------------------------------------ */

Test(cram, the_example_of_rfc_2195)
{
	struct span challenge = s("<1896.697170952@postoffice.reston.mci.net>");
	cr_assert_eq(apop_init(), 0);
	cr_assert(cram_verify(challenge, s("tanstaaftanstaaf"),
		s("b913a602c7eda7a495b4e6e7334d3890")));
	cr_assert_not(cram_verify(challenge, s("tanstaaftanstaag"),
		s("b913a602c7eda7a495b4e6e7334d3890")));
	cr_assert_not(cram_verify(challenge, s("tanstaaftanstaaf"),
		s("b913a602c7eda7a495b4e6e7334d389")));
	/* HMAC-MD5 of nothing with an empty key: nobody's secret */
	cr_assert_not(cram_verify(s(""), s(""), s("74e6f7298a9c2d168935f58c001bad88")));
}

/* --- steps ------------------------------------------------------------------------ */

static const unsigned char key[STEP_KEY] = "a key of thirty-two octets......";

static struct facts facts_of(uint64_t connection, const char *challenge)
{
	struct facts facts = { .connection = connection };
	cr_assert_eq(
		span_to_text(s(challenge), facts.challenge, sizeof(facts.challenge)),
		0);
	return facts;
}

Test(step, opens_only_where_it_was_closed)
{
	struct facts facts = facts_of(7, "<7@host>");
	struct login login = { .mechanism = LOGIN_SCRAM_SHA_256, .name = s("joe") };
	struct step step = { .kind = STEP_SCRAM_FIRST, .n = 3, .data = "abc" }, opened;
	unsigned char storage[LOGIN_STATE_MAX];
	struct buf sealed;
	buf_fixed(&sealed, storage, sizeof(storage));
	step_close(key, &facts, &login, &step, &sealed);
	cr_assert(buf_ok(&sealed));
	login.state = buf_span(&sealed);
	cr_assert_eq(step_open(key, &facts, &login, &opened), 0);
	cr_assert_eq(opened.kind, STEP_SCRAM_FIRST);
	cr_assert(span_is(span_of(opened.data, opened.n), "abc"));

	struct facts others[] = { facts_of(8, "<7@host>"), facts_of(7, "<8@host>") };
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(step_open(key, &others[i], &login, &opened), -1);
	struct login other = login;
	other.mechanism = LOGIN_SCRAM_SHA_1;
	cr_assert_eq(step_open(key, &facts, &other, &opened), -1);
	other = login;
	other.name = s("jo");
	cr_assert_eq(step_open(key, &facts, &other, &opened), -1);
	unsigned char another[STEP_KEY] = { 0 };
	cr_assert_eq(step_open(another, &facts, &login, &opened), -1);
	for (size_t i = 0; i < buf_len(&sealed); i++) {
		storage[i] ^= 1;
		cr_assert_eq(step_open(key, &facts, &login, &opened), -1);
		storage[i] ^= 1;
		other = login;
		other.state.n = i;
		cr_assert_eq(step_open(key, &facts, &other, &opened), -1);
	}
	cr_assert_eq(step_open(key, &facts, &login, &opened), 0);
}

Test(step, the_largest_fits)
{
	char name[LOGIN_NAME_MAX];
	struct facts facts = { .connection = UINT64_MAX };
	struct login login = { .mechanism = LOGIN_XOAUTH2,
		.name = span_of(name, sizeof(name)) };
	struct step step = { .kind = STEP_TOKEN_REFUSED, .n = STEP_DATA_MAX };
	unsigned char storage[LOGIN_STATE_MAX];
	struct buf sealed;
	memset(name, 'x', sizeof(name));
	memset(facts.challenge, 'x', FACTS_CHALLENGE_MAX);
	buf_fixed(&sealed, storage, sizeof(storage));
	step_close(key, &facts, &login, &step, &sealed);
	cr_assert(buf_ok(&sealed));
	login.state = buf_span(&sealed);
	cr_assert_eq(step_open(key, &facts, &login, &step), 0);
	cr_assert_eq(step.n, STEP_DATA_MAX);
}
