/*
 * Names, networks, passwords, sealed secrets and SCRAM keys of the account store.
 */
#include "accounts/name.h"
#include "accounts/network.h"
#include "accounts/password.h"
#include "accounts/saslprep.h"
#include "accounts/scram.h"
#include "accounts/seal.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void init(void)
{
	cr_assert_eq(password_init(), 0);
}

TestSuite(values, .init = init);

/* --- names --------------------------------------------------------------- */

Test(values, names)
{
	static const struct {
		const char *raw;
		size_t n;	  /* 0: strlen */
		const char *name; /* NULL: refused */
	} cases[] = {
		{ "joe", 0, "joe" }, { "Joe", 0, "Joe" },
		{ "Joe@Example.ORG", 0, "Joe@example.org" }, { "a b", 0, "a b" },
		{ "j\xc3\xb6"
		  "e@b\xc3\xbc"
		  "cher.example",
			0,
			"j\xc3\xb6"
			"e@b\xc3\xbc"
			"cher.example" },
		{ "joe+tag@example.org", 0, "joe+tag@example.org" },
		{ "%n%s", 0, "%n%s" }, { "a..b", 0, "a..b" }, { "", 0, NULL },
		{ "@", 0, NULL }, { "@example.org", 0, NULL }, { "joe@", 0, NULL },
		{ "joe@a@b", 0, NULL }, { ".", 0, NULL }, { "..", 0, NULL },
		{ ".joe", 0, NULL }, { "joe@.", 0, NULL }, { "joe@..", 0, NULL },
		{ "joe@.example", 0, NULL }, { "..@example", 0, NULL },
		{ "../joe", 0, NULL }, { "a/b", 0, NULL }, { "joe@a/b", 0, NULL },
		{ "/joe", 0, NULL }, { " joe", 0, NULL }, { "joe ", 0, NULL },
		{ "joe @x", 0, NULL }, { "joe@ x", 0, NULL }, { "a\nb", 0, NULL },
		{ "a\x7f", 0, NULL }, { "a\0b", 3, NULL }, { "\0", 1, NULL },
		{ "a\xc2\x85", 0, NULL },	  /* C1 */
		{ "a\xc0\xaf", 0, NULL },	  /* overlong '/' */
		{ "a\xe0\x80\xaf", 0, NULL },	  /* overlong '/' */
		{ "a\xed\xa0\x80", 0, NULL },	  /* surrogate */
		{ "a\xf4\x90\x80\x80", 0, NULL }, /* above U+10FFFF */
		{ "a\xc3", 0, NULL },		  /* cut off */
		{ "a\xff", 0, NULL }, { "\xf0\x9f\x93\xac", 0, "\xf0\x9f\x93\xac" },
		/* prepared */
		{ "jo\xcc\x88"
		  "e@bu\xcc\x88"
		  "cher.Example",
			0,
			"j\xc3\xb6"
			"e@b\xc3\xbc"
			"cher.example" },
		{ "\xef\xbc\xaa\xef\xbd\x8f\xef\xbd\x85", 0, "Joe" }, /* full width */
		{ "joe@x\xef\xbc\x8eORG", 0, "joe@x.org" },
		{ "j\xc2\xado"
		  "e",
			0, "joe" }, /* soft hyphen */
		{ "\xd7\x90\xd7\x91"
		  "1@x",
			0,
			"\xd7\x90\xd7\x91"
			"1@x" }, /* both directions */
		{ "a\xef\xbc\x8f"
		  "b",
			0, NULL },			 /* a full-width '/' */
		{ "\xef\xbc\x8e\xef\xbc\x8e", 0, NULL }, /* ".." */
		{ "x@y\xef\xbc\xa0z", 0, NULL },	 /* a second '@' */
		{ "\xc2\xa0joe", 0, NULL },		 /* a blank in front */
		{ "\xc2\xad", 0, NULL },		 /* nothing */
		{ "\xe2\x80\xae"
		  "eoj",
			0, NULL },	     /* turned around */
		{ "\xee\x80\x80", 0, NULL }, /* private use */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[ACCOUNT_NAME_MAX + 1];
		size_t n = cases[i].n ? cases[i].n : strlen(cases[i].raw);
		int result = account_name(span_of(cases[i].raw, n), name);
		cr_expect_eq(result, cases[i].name ? 0 : -1, "case %zu", i);
		cr_expect_str_eq(name, cases[i].name ? cases[i].name : "");
	}
}

Test(values, name_lengths)
{
	char raw[ACCOUNT_NAME_MAX + 2], name[ACCOUNT_NAME_MAX + 1];
	memset(raw, 'x', sizeof(raw));
	cr_expect_eq(account_name(span_of(raw, ACCOUNT_NAME_MAX), name), 0);
	cr_expect_eq(strlen(name), ACCOUNT_NAME_MAX);
	cr_expect_eq(account_name(span_of(raw, ACCOUNT_NAME_MAX + 1), name), -1);
}

Test(values, name_parts)
{
	cr_expect(span_is(account_local("joe@example.org"), "joe"));
	cr_expect(span_is(account_domain("joe@example.org"), "example.org"));
	cr_expect(span_is(account_local("joe"), "joe"));
	cr_expect_eq(account_domain("joe").n, 0);
}

Test(values, name_that_grows)
{
	/* 22 octets become 33 each: 11 of them fit before and not after. */
	char raw[ACCOUNT_NAME_MAX + 1] = "", name[ACCOUNT_NAME_MAX + 1];
	for (int i = 0; i < 11; i++)
		strcat(raw, "\xef\xb7\xba");
	cr_expect_eq(account_name(span_str(raw), name), -1);
	cr_expect_str_eq(name, "");
}

/* --- SASLprep ------------------------------------------------------------ */

/* RFC 4013 section 3, and what we add. */
Test(values, prepared)
{
	static const struct {
		const char *raw, *prepared; /* NULL: refused, as it came */
	} cases[] = {
		{ "I\xc2\xadX", "IX" },
		{ "user", "user" },
		{ "USER", "USER" },
		{ "\xc2\xaa", "a" },
		{ "\xe2\x85\xa8", "IX" },
		{ "\x07", "\x07" }, /* ASCII is the caller's to judge */
		{ "\xd8\xa7\x31", "\xd8\xa7\x31" },
		{ "\xc2\xa0x\xe3\x80\x80", " x " },
		{ "pass\xe2\x80\xa8word", NULL },
		{ "\xc2\xad", NULL },
		{ "\xe9t\xe9", NULL }, /* ISO 8859-1 */
		{ "", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[SASLPREP_MAX];
		struct span got;
		int result = saslprep(span_str(cases[i].raw), text, &got);
		cr_expect_eq(result, cases[i].prepared ? 0 : -1, "case %zu", i);
		cr_expect(span_is(got,
				  cases[i].prepared ? cases[i].prepared : cases[i].raw),
			"case %zu", i);
	}
}

Test(values, prepared_to_the_end_of_the_room)
{
	char raw[SASLPREP_MAX], text[SASLPREP_MAX];
	struct span got;
	memset(raw, 'x', sizeof(raw));
	memcpy(raw, "\xc2\xaa", 2);
	cr_expect_eq(saslprep(span_of(raw, SASLPREP_MAX - 1), text, &got), 0);
	cr_expect_eq(got.n, SASLPREP_MAX - 2);
	for (int i = 0; i < LOGIN_PASSWORD_MAX / 3; i++)
		memcpy(raw + 3 * i, "\xef\xb7\xba", 3);
	cr_expect_eq(
		saslprep(span_of(raw, LOGIN_PASSWORD_MAX / 3 * 3), text, &got), -1);
	cr_expect_eq(got.n, LOGIN_PASSWORD_MAX / 3 * 3);
}

/* --- networks ------------------------------------------------------------ */

static struct netaddr peer(const char *text)
{
	struct netaddr a = { .family = strchr(text, ':') ? 6 : 4 };
	cr_assert_eq(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.octets), 1);
	return a;
}

Test(values, networks)
{
	static const struct {
		const char *networks, *peer;
		bool allowed;
	} cases[] = {
		{ "", "192.0.2.1", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.4/30", "192.0.2.7", true },
		{ "192.0.2.4/30", "192.0.2.8", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },
		{ "10.0.0.0/8 ::1", "::1", true },
		{ "10.0.0.0/8 ::1", "11.0.0.1", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct networks networks;
		struct netaddr a = peer(cases[i].peer);
		cr_assert_eq(networks_parse(&networks, span_str(cases[i].networks)), 0);
		cr_expect_eq(
			networks_allow(&networks, &a), cases[i].allowed, "case %zu", i);
		char text[256];
		struct buf b;
		buf_fixed(&b, text, sizeof(text));
		networks_put(&b, &networks);
		cr_expect(span_is(buf_span(&b), cases[i].networks));
	}
}

/* A peer's address is never a mapped one, so neither is a network. */
Test(values, mapped_networks)
{
	static const struct {
		const char *text, *is;
	} cases[] = {
		{ "::ffff:192.0.2.0/120", "192.0.2.0/24" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:0.0.0.0/96", "0.0.0.0/0" },
		{ "::/0", "::/0" },
		{ "::fffe:0:0/112", "::fffe:0:0/112" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct network network;
		char text[NETWORK_TEXT_MAX];
		cr_assert_eq(network_parse(&network, span_str(cases[i].text)), 0);
		network_text(&network, text);
		cr_expect_str_eq(text, cases[i].is);
	}
	struct networks networks;
	struct netaddr peer = { .family = 4, .octets = { 192, 0, 2, 7 } };
	cr_assert_eq(networks_parse(&networks, span_str("::ffff:192.0.2.0/120")), 0);
	cr_expect(networks_allow(&networks, &peer));
}

Test(values, networks_refused)
{
	static const char *const cases[] = { "192.0.2.1/24", "192.0.2.0/33",
		"192.0.2.0/", "192.0.2", "x", "2001:db8::1/32", "::/129",
		"192.0.2.1  10.0.0.0/8", "192.0.2.0/-1", " ", "192.0.2.0/24/8" };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct networks networks;
		cr_expect_eq(networks_parse(&networks, span_str(cases[i])), -1,
			"case %zu", i);
	}
}

/* --- passwords ----------------------------------------------------------- */

static bool verify(const char *hash, const char *password)
{
	return password_verify(hash, span_str(password));
}

Test(values, password_round_trip)
{
	char hash[PASSWORD_HASH_MAX + 1], again[PASSWORD_HASH_MAX + 1];
	cr_assert_eq(password_hash(span_str(" pass word "), hash), 0);
	cr_assert_eq(password_hash(span_str(" pass word "), again), 0);
	cr_expect_str_neq(hash, again);
	cr_expect(strncmp(hash, "$argon2id$", 10) == 0);
	cr_expect(verify(hash, " pass word "));
	cr_expect_not(verify(hash, "pass word"));
	cr_expect_not(verify(hash, ""));
	cr_expect_not(password_verify(hash, span_of(" pass word \0", 12)));
	cr_expect_not(password_needs_rehash(hash));
}

Test(values, password_refused)
{
	char hash[PASSWORD_HASH_MAX + 1], text[LOGIN_PASSWORD_MAX + 1];
	memset(text, 'x', sizeof(text));
	cr_expect_eq(password_hash(span_str(""), hash), -1);
	cr_expect_eq(password_hash(span_of("a\0b", 3), hash), -1);
	cr_expect_eq(password_hash(span_of(text, sizeof(text)), hash), -1);
	cr_expect_eq(password_hash(span_of(text, LOGIN_PASSWORD_MAX), hash), 0);
}

/* Made by other programs: mkpasswd, openssl, slappasswd, doveadm's documentation. */
Test(values, password_imported)
{
	static const struct {
		const char *given, *password; /* NULL: refused */
	} cases[] = {
		{ "{SHA512-CRYPT}$6$saltsalt$qFmFH."
		  "bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
		  "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
			"password" },
		{ "{SSHA512}+mohhbPgqahe9B/7Z+88H7b3SYD46/lw5OcuNT7ZU31ZMIPCAd/"
		  "W5D4cinqsK8"
		  "jbsRnH37fUuPExEROVvXDpf3NhbHQ=",
			"password" },
		{ "{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC."
		  "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
			"U*U" },
		{ "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0", "password" },
		{ "{PLAIN}open sesame", "open sesame" },
		{ "{SHA512-CRYPT}$5$saltsalt$x", NULL },
		{ "{BLF-CRYPT}$6$saltsalt$x", NULL },
		{ "{ARGON2ID}$argon2id$v=19$nonsense", NULL },
		{ "{MD5}5f4dcc3b5aa765d61d8327deb882cf99", NULL },
		{ "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", NULL }, /* no salt */
		{ "{SSHA}????", NULL },
		/* long enough, and broken behind that; whole, and too short */
		{ "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0!", NULL },
		{ "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0 x", NULL },
		{ "{SSHA}yI6c!", NULL },
		{ "{SSHA}yI6c", NULL },
		{ "{SSHA}", NULL },
		{ "{PLAIN}", NULL },
		{ "password", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char hash[PASSWORD_HASH_MAX + 1];
		int result = password_import(span_str(cases[i].given), hash);
		if (!cases[i].password) {

			cr_expect_eq(result, -1, "case %zu", i);
			continue;
		}
		cr_expect_eq(result, 0, "case %zu", i);
		cr_expect(verify(hash, cases[i].password), "case %zu", i);
		cr_expect_not(verify(hash, "Password"), "case %zu", i);
		cr_expect_eq(password_needs_rehash(hash),
			strncmp(hash, "$argon2id$", 10) != 0, "case %zu", i);
	}
}

Test(values, password_of_nobody)
{
	cr_expect_not(password_nobody(span_str("x")));
	cr_expect_not(verify("", ""));
	cr_expect_not(verify("", "x"));
	cr_expect_not(verify("x", "x"));
	cr_expect_not(verify("*", "x"));
	cr_expect_not(verify("!$6$saltsalt$x", "x"));
	cr_expect_not(verify("$", "x"));
	cr_expect_not(verify("$argon2id$", "x"));
	cr_expect_not(verify("{SSHA}", ""));
}

#define COMPOSED   "p\xc3\xa4ss"
#define DECOMPOSED "pa\xcc\x88ss"

Test(values, password_in_either_form)
{
	char hash[PASSWORD_HASH_MAX + 1];
	cr_assert_eq(password_hash(span_str(DECOMPOSED), hash), 0);
	cr_expect(verify(hash, COMPOSED));
	cr_expect(verify(hash, DECOMPOSED));
	cr_expect_not(verify(hash, "pass"));
	cr_assert_eq(password_hash(span_str("\xe9t\xe9"), hash), 0);
	cr_expect(verify(hash, "\xe9t\xe9"));
	cr_expect_not(verify(hash, "\xc3\xa9t\xc3\xa9"));
	/* Another server hashed what the client sent: openssl passwd -6. */
	cr_assert_eq(
		password_import(
			span_str("{SHA512-CRYPT}"
				 "$6$saltsalt$Z20lgvKmh7xYTIuglQ3DcidCLPKoH4F8qPztu2Rp/"
				 "ZP.H4.G4oWVL6dT4DYFQQnUpgXMjufgPI1AHZE/7Th9K0"),
			hash),
		0);
	cr_expect(verify(hash, DECOMPOSED));
	cr_expect_not(verify(hash, COMPOSED));
	cr_expect_not(verify(hash, "pass"));
}

Test(values, app_passwords)
{
	char a[APP_PASSWORD_TEXT + 1], b[APP_PASSWORD_TEXT + 1];
	unsigned char first[APP_PASSWORD_HASH], second[APP_PASSWORD_HASH];
	app_password_draw(a);
	app_password_draw(b);
	cr_expect_str_neq(a, b);
	cr_expect_eq(strlen(a), APP_PASSWORD_TEXT);
	cr_assert_eq(app_password_hash(span_str(a), first), 0);
	cr_assert_eq(app_password_hash(span_str(b), second), 0);
	cr_expect_neq(memcmp(first, second, sizeof(first)), 0);
	for (char *c = a; *c; c++)
		*c = *c == '-' ? ' ' : (char)toupper(*c);
	cr_assert_eq(app_password_hash(span_str(a), second), 0);
	cr_expect_eq(memcmp(first, second, sizeof(first)), 0);
	cr_expect_eq(app_password_hash(span_str("secret"), first), -1);
	cr_expect_eq(app_password_hash(span_str(""), first), -1);
	cr_expect_eq(
		app_password_hash(span_of("abcd\0fghabcdefghabcdefgh", 24), first), -1);
}

/* --- SCRAM --------------------------------------------------------------- */

Test(values, scram_keys)
{
	struct scram_keys keys, again;
	cr_assert_eq(scram_derive(&keys, SCRAM_SHA_256, span_str("pencil")), 0);
	cr_assert_eq(scram_derive(&again, SCRAM_SHA_256, span_str("pencil")), 0);
	cr_expect_eq(keys.size, 32);
	cr_expect_neq(memcmp(keys.salt, again.salt, SCRAM_SALT), 0);
	cr_expect_neq(memcmp(keys.stored, again.stored, 32), 0);
	cr_assert_eq(scram_derive(&keys, SCRAM_SHA_1, span_str("pencil")), 0);
	cr_expect_eq(keys.size, 20);
}

/* --- sealed secrets ------------------------------------------------------ */

static void temporary(char *path, size_t size)
{
	char directory[] = "/tmp/postern-unit-XXXXXX";
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, size, "%s/users.db", directory);
}

static void clean(const char *path)
{
	char text[512];
	snprintf(text, sizeof(text), "%s.key", path);
	unlink(text);
	*strrchr(text, '/') = '\0';
	rmdir(text);
}

Test(values, seal)
{
	char path[256];
	struct seal_key key, other;
	struct secret secret = { 0 };
	unsigned char sealed[SEAL_MAX];
	size_t n;
	temporary(path, sizeof(path));
	cr_expect_eq(seal_key_load(&key, path), -1);
	cr_expect_eq(errno, ENOENT);
	cr_assert_eq(seal_key_make(&key, path), 0);
	cr_assert_eq(seal_key_make(&other, path), 0);
	cr_expect_eq(memcmp(&key, &other, sizeof(key)), 0);
	cr_assert_eq(seal_close(&key, "joe", span_str("tanstaaf"), sealed, &n), 0);
	cr_expect_eq(n, 8 + SEAL_OVERHEAD);
	cr_assert_eq(seal_open(&key, "joe", span_of(sealed, n), &secret), 0);
	cr_expect(span_is(secret_span(&secret), "tanstaaf"));
	cr_expect_eq(seal_open(&key, "eve", span_of(sealed, n), &secret), -1);
	cr_expect_eq(secret.n, 0);
	cr_expect_eq(seal_open(&key, "joe", span_of(sealed, n - 1), &secret), -1);
	cr_expect_eq(seal_open(&key, "joe", span_of(sealed, 0), &secret), -1);
	sealed[n - 1] ^= 1;
	cr_expect_eq(seal_open(&key, "joe", span_of(sealed, n), &secret), -1);
	sealed[n - 1] ^= 1;
	key.octets[0] ^= 1;
	cr_expect_eq(seal_open(&key, "joe", span_of(sealed, n), &secret), -1);
	clean(path);
}

Test(values, seal_key_file)
{
	char path[256], file[300];
	struct seal_key key;
	struct stat st;
	temporary(path, sizeof(path));
	snprintf(file, sizeof(file), "%s.key", path);
	umask(0);
	cr_assert_eq(seal_key_make(&key, path), 0);
	cr_assert_eq(stat(file, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_expect_eq(st.st_nlink, 1);
	chmod(file, 0640);
	cr_expect_eq(seal_key_load(&key, path), -1);
	cr_expect_eq(errno, EPERM);
	chmod(file, 0600);
	cr_assert_eq(truncate(file, 31), 0);
	cr_expect_eq(seal_key_make(&key, path), -1);
	cr_expect_eq(errno, EINVAL);
	unlink(file);
	cr_assert_eq(symlink("/dev/zero", file), 0);
	cr_expect_eq(seal_key_load(&key, path), -1);
	clean(path);
}

/* Many at once get one and the same key. */
Test(values, seal_key_race)
{
	enum { PROCESSES = 16 };
	char path[256];
	int fds[2];
	struct seal_key key, theirs;
	temporary(path, sizeof(path));
	cr_assert_eq(pipe(fds), 0);
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			bool good = seal_key_make(&key, path) == 0;
			_exit(good && write(fds[1], &key, sizeof(key)) == sizeof(key)
					? 0
					: 1);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		cr_assert_gt(wait(&status), 0);
		cr_expect_eq(status, 0);
	}
	cr_assert_eq(seal_key_load(&key, path), 0);
	for (int i = 0; i < PROCESSES; i++) {
		cr_assert_eq(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
		cr_expect_eq(memcmp(&key, &theirs, sizeof(key)), 0);
	}
	clean(path);
}
