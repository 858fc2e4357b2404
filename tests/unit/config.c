/*
 * config: postern.conf. Tables of good files and what they mean, and of bad ones
 * and every message that they must give.
 */
#include "config/config.h"
#include "config/suggest.h"
#include "postern/login.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE "listen pop3 *:110\naccounts pam:postern mbox:/var/mail/%u\n"

static char path[64];

static void make_file(void)
{
	snprintf(path, sizeof(path), "/tmp/postern-config.XXXXXX");
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void remove_file(void)
{
	unlink(path);
}

/* config_load() of that text; what it said, the path in front of lines cut off. */
static int load_octets(
	const void *text, size_t n, struct config *config, char *said, size_t size)
{
	struct buf errors;
	FILE *file = fopen(path, "w");
	cr_assert(file && fwrite(text, 1, n, file) == n && fclose(file) == 0);
	buf_init(&errors, 1 << 20);
	int result = config_load(config, path, &errors);
	struct span rest = buf_span(&errors);
	size_t at = 0;
	said[0] = '\0';
	while (rest.n) {
		struct span line = span_cut(&rest, '\n');
		cr_assert(line.n > strlen(path) &&
			  memcmp(line.p, path, strlen(path)) == 0);
		line = span_tail(line, strlen(path));
		at += (size_t)snprintf(
			said + at, size - at, "%.*s\n", (int)line.n, line.p);
		cr_assert_lt(at, size);
	}
	buf_free(&errors);
	return result;
}

static int load(const char *text, struct config *config, char *said, size_t size)
{
	return load_octets(text, strlen(text), config, said, size);
}

TestSuite(config, .init = make_file, .fini = remove_file);

Test(config, defaults)
{
	struct config c;
	char said[4096];
	cr_assert_eq(load(BASE, &c, said, sizeof(said)), 0, "%s", said);
	cr_expect_eq(c.listeners_n, 1);
	cr_expect_eq(c.listeners[0].kind, LISTENER_POP3);
	cr_expect_str_eq(c.listeners[0].host, "*");
	cr_expect_eq(c.listeners[0].port, 110);
	cr_expect_eq(c.listeners[0].line, 1);
	cr_expect_eq(c.sources_n, 1);
	cr_expect_eq(c.sources[0].kind, SOURCE_PAM);
	cr_expect_str_eq(c.sources[0].argument, "postern");
	cr_expect_eq(c.sources[0].maildrop, MAILDROP_MBOX);
	cr_expect_str_eq(c.sources[0].template, "/var/mail/%u");
	cr_expect_str_eq(c.sources[0].owner, "");
	cr_expect_eq(c.plaintext, PLAINTEXT_LOOPBACK);
	cr_expect_eq(c.connections, 4096);
	cr_expect_eq(c.per_source, 50);
	cr_expect_eq(c.attempts, 5);
	cr_expect_eq(c.login_seconds, 60);
	cr_expect_eq(c.idle_seconds, 600);
	cr_expect_eq(c.takeover_seconds, 60);
	cr_expect_eq(c.undo_seconds, 7 * 86400);
	cr_expect_eq(c.remember_seconds, 300);
	cr_expect_str_eq(c.names.domain, "");
	cr_expect_str_eq(c.names.strip, "");
	cr_expect_not(c.names.fold);
	cr_expect_eq(c.names.first_uid, 1000);
	cr_expect_not(c.pam_session);
	cr_expect_not(c.kernel_tls);
	cr_expect_not(c.client_certificates);
	cr_expect_eq(c.mechanisms, 0);
	cr_expect_str_eq(c.user, "_postern");
	cr_expect_str_eq(c.certificate, "");
	cr_expect_neq(c.hostname[0], '\0');
}

Test(config, every_statement)
{
	static const char text[] =
		"# a comment\n"
		"\n"
		"listen\tpop3   127.0.0.1:2110  # TLS by STLS\n"
		"listen pop3s [::1]:995\r\n"
		"  listen pop3s 192.0.2.1\n"
		"certificate \"/etc/my certs/chain#1.pem\" /etc/key.pem\n"
		"accounts pam:postern mbox:/var/mail/%u\n"
		"accounts sqlite:/tmp maildir:/var/mail/%d/%n owner _postmail\n"
		"plaintext always\n"
		"limits per-source 7 connections 300 attempts 3\n"
		"limits bad-commands 4 logins 2\n"
		"timeouts login 90s idle 2h takeover 3m\n"
		"undo off\n"
		"remember off\n"
		"mechanisms plain SCRAM-SHA-256 USER\n"
		"names default-domain example.org fold-case on\n"
		"names strip-domain mail.example.org\n"
		"first-uid 500\n"
		"pam-session on\n"
		"kernel-tls on\n"
		"client-certificates on\n"
		"issuer https://id.example.org / audience mail\n"
		"issuer \"a b\" / audience * system domain example.org a.example\n"
		"hostname mail.example.org\n"
		"user nobody keys\n"
		"runtime /run/x\n"
		"state /var/x\n"
		"programs /opt/x#y";
	struct config c;
	char said[4096];
	cr_assert_eq(load(text, &c, said, sizeof(said)), 0, "%s", said);
	cr_expect_eq(c.listeners_n, 3);
	cr_expect_str_eq(c.listeners[0].host, "127.0.0.1");
	cr_expect_eq(c.listeners[0].port, 2110);
	cr_expect_str_eq(c.listeners[1].host, "::1");
	cr_expect_eq(c.listeners[1].kind, LISTENER_POP3S);
	cr_expect_eq(c.listeners[2].port, 995);
	cr_expect_eq(c.listeners[2].line, 5);
	cr_expect_str_eq(c.certificate, "/etc/my certs/chain#1.pem");
	cr_expect_str_eq(c.key, "/etc/key.pem");
	cr_expect_eq(c.sources_n, 2);
	cr_expect_eq(c.sources[1].kind, SOURCE_SQLITE);
	cr_expect_str_eq(c.sources[1].owner, "_postmail");
	cr_expect_eq(c.plaintext, PLAINTEXT_ALWAYS);
	cr_expect_eq(c.per_source, 7);
	cr_expect_eq(c.connections, 300);
	cr_expect_eq(c.attempts, 3);
	cr_expect_eq(c.bad_commands, 4);
	cr_expect_eq(c.logins, 2);
	cr_expect_eq(c.login_seconds, 90);
	cr_expect_eq(c.idle_seconds, 7200);
	cr_expect_eq(c.takeover_seconds, 180);
	cr_expect_eq(c.undo_seconds, 0);
	cr_expect_eq(c.remember_seconds, 0);
	cr_expect_eq(c.mechanisms,
		1 << LOGIN_PLAIN | 1 << LOGIN_SCRAM_SHA_256 | 1 << LOGIN_USER);
	cr_expect_str_eq(c.names.domain, "example.org");
	cr_expect_str_eq(c.names.strip, "mail.example.org");
	cr_expect(c.names.fold);
	cr_expect_eq(c.names.first_uid, 500);
	cr_expect(c.pam_session);
	cr_expect(c.kernel_tls);
	cr_expect(c.client_certificates);
	cr_expect_eq(c.issuers_n, 2);
	cr_expect_str_eq(c.issuers[0].issuer, "https://id.example.org");
	cr_expect_str_eq(c.issuers[0].key, "/");
	cr_expect_str_eq(c.issuers[0].audience, "mail");
	cr_expect_str_eq(c.issuers[0].domains, "");
	cr_expect_not(c.issuers[0].for_system);
	cr_expect_str_eq(c.issuers[1].issuer, "a b");
	cr_expect_str_eq(c.issuers[1].audience, "");
	cr_expect_str_eq(c.issuers[1].domains, "example.org a.example");
	cr_expect(c.issuers[1].for_system);
	cr_expect_str_eq(c.hostname, "mail.example.org");
	cr_expect_str_eq(c.user, "nobody");
	cr_expect_str_eq(c.keeper_user, "keys");
	cr_expect_str_eq(c.runtime, "/run/x");
	cr_expect_str_eq(c.state, "/var/x");
	cr_expect_str_eq(c.programs, "/opt/x#y");
}

/* As some editors save it. */
Test(config, byte_order_mark)
{
	struct config c;
	char said[4096];
	cr_assert_eq(load("\xEF\xBB\xBF" BASE, &c, said, sizeof(said)), 0, "%s", said);
	cr_expect_eq(c.listeners_n, 1);
}

/* What config_print() says is read back as the same configuration. */
Test(config, print_round_trips)
{
	static const char *const files[] = {
		BASE,
		"listen pop3s [2001:db8::1]:0\nlisten pop3 *\n"
		"certificate \"/etc/my certs/c.pem\" \"/#k\"\n"
		"accounts \"sqlite:/a b/u.db\" \"maildir:/m a/%d/%n\" owner x\n"
		"accounts pam:x maildir:%h/Maildir\n"
		"issuer a /k audience * system domain x.example y.example\n"
		"issuer b /k audience \"a b\" domain x.example\n"
		"plaintext never\nlimits logins 3\ntimeouts login 61s takeover "
		"1s\nundo 36h\nnames default-domain a.b strip-domain c fold-case on\n"
		"first-uid 1\n",
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct config first, second;
		char said[4096], again[8192];
		struct buf out;
		cr_assert_eq(load(files[i], &first, said, sizeof(said)), 0, "%s", said);
		buf_init(&out, 1 << 16);
		config_print(&first, &out);
		cr_assert(buf_ok(&out));
		cr_assert_eq(span_to_text(buf_span(&out), again, sizeof(again)), 0);
		buf_free(&out);
		cr_assert_eq(load(again, &second, said, sizeof(said)), 0, "%s%s", again,
			said);
		cr_expect_eq(first.listeners_n, second.listeners_n);
		cr_expect_eq(
			memcmp(first.sources, second.sources, sizeof(first.sources)),
			0);
		cr_expect_eq(
			memcmp(first.issuers, second.issuers, sizeof(first.issuers)),
			0);
		struct buf once_more;
		buf_init(&once_more, 1 << 16);
		config_print(&second, &once_more);
		cr_expect(span_is(buf_span(&once_more), again));
		buf_free(&once_more);
	}
}

/* Files with mistakes, and all that must be said about them. */
Test(config, mistakes)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "", ": there is no listen statement\n: there is no accounts "
		      "statement\n" },
		{ "lisen pop3 *:110\n" BASE,
			":1: \"lisen\" is no statement; did you mean \"listen\"?\n" },
		{ BASE "LISTEN pop3 *:111\n",
			":3: \"LISTEN\" is no statement; did you mean \"listen\"?\n" },
		{ BASE "frobnicate\n", ":3: \"frobnicate\" is no statement; there are: "
				       "listen, certificate, client-certificates, "
				       "kernel-tls, "
				       "accounts, issuer, mechanisms, pam-session, "
				       "names, first-uid, "
				       "remember, "
				       "plaintext, limits, timeouts, undo, "
				       "hostname, user, runtime, "
				       "state, programs\n" },
		{ BASE "accounts sqlite:/tmp maildir:/m/%d/%n owner _postern\n",
			":3: _postern runs a part of the server and must own no mail; "
			"name another user as the owner\n" },
		{ BASE "accounts sqlite:/tmp maildir:%h/%u\n",
			":3: %h: virtual users have no home directory; use %d and "
			"%n\n" },
		{ BASE "listen pop3\n",
			":3: write: listen pop3|pop3s ADDRESS[:PORT]\n" },
		{ BASE "listen pop *:111\n",
			":3: \"pop\" is no protocol; did you mean \"pop3\"?\n" },
		{ BASE "listen imap *:111\n",
			":3: \"imap\" is no protocol; there are: pop3, pop3s\n" },
		{ BASE "listen pop3 localhost:111\n",
			":3: \"localhost:111\" is no numeric address; write *:110, "
			"192.0.2.1:110 or [2001:db8::1]:110\n" },
		{ BASE "listen pop3 ::1:111\n", ":3: \"::1:111\": an IPv6 address "
						"stands in brackets: [::1]:110\n" },
		{ BASE "listen pop3 [::1:111\n", ":3: \"[::1:111\": an IPv6 address "
						 "stands in brackets: [::1]:110\n" },
		{ BASE "listen pop3 [127.0.0.1]:111\n",
			":3: \"[127.0.0.1]:111\" is no numeric address; write *:110, "
			"192.0.2.1:110 or [2001:db8::1]:110\n" },
		{ BASE "listen pop3 127.0.0.1:65536\n",
			":3: \"127.0.0.1:65536\": no port from 0 to 65535\n" },
		{ BASE "listen pop3 127.0.0.1:\n",
			":3: \"127.0.0.1:\": no port from 0 to 65535\n" },
		{ BASE "listen pop3 [::1]111\n",
			":3: \"[::1]111\": no port from 0 to 65535\n" },
		{ BASE "listen pop3 *:110\n", ":3: line 1 already listens on *:110\n" },
		{ BASE "listen pop3 [::1]:110\n",
			":3: *:110 and ::1:110 (line 1) cannot both be listened on\n" },
		{ BASE "listen pop3s *:995\n",
			":3: pop3s needs a certificate statement\n" },
		{ BASE "plaintext never\n",
			":1: nobody can log in here: plaintext is never, and without a "
			"certificate there is no TLS\n" },
		{ BASE "plaintext sometimes\nplaintext nevr\n",
			":3: \"sometimes\" is no policy; there are: never, loopback, "
			"always\n"
			":4: \"nevr\" is no policy; did you mean \"never\"?\n" },
		{ BASE "plaintext always\nplaintext always\n",
			":4: plaintext is already set in line 3\n" },
		{ BASE "certificate chain.pem /k\n",
			":3: certificate: \"chain.pem\" is no absolute path\n" },
		{ BASE "certificate /a/../c /k/./k\n",
			":3: certificate: \"/a/../c\" must not have \".\" or \"..\" in "
			"it\n"
			":3: key: \"/k/./k\" must not have \".\" or \"..\" in it\n" },
		{ BASE "accounts sqlit:/x maildr:/y/%n ownr z\n",
			":3: \"sqlit:\" is no source of accounts; did you mean "
			"\"sqlite:\"?\n"
			":3: \"maildr:\" is no kind of maildrop; did you mean "
			"\"maildir:\"?\n"
			":3: \"ownr\" is no option; did you mean \"owner\"?\n" },
		{ BASE "accounts pam:postern maildir:%h/Maildir\n",
			":3: this source of accounts is already in line 2\n" },
		{ BASE "accounts pam:../x maildir:/y/%n\n",
			":3: \"../x\" is no name of a PAM service\n" },
		{ BASE "accounts pam:x maildir:/y/%n owner z\n",
			":3: owner is for virtual users; a system account owns its "
			"mail "
			"itself\n" },
		{ BASE "accounts sqlite:/x maildir:/y/%n owner\n",
			":3: write: owner USER, and nothing behind it\n" },
		{ BASE "accounts sqlite:/x maildir:/y/%n owner root\n",
			":3: the user must not be root\n" },
		{ BASE "accounts sqlite:/x maildir:/y/%x/%\n",
			":3: \"/y/%x/%\": after a % stands u (account), n (its part "
			"before "
			"@), d (behind @), h (home) or %\n" },
		{ BASE "accounts sqlite:/x maildir:/y/%d\n",
			":3: \"/y/%d\" has neither %u, %n nor %h: all accounts would "
			"share "
			"it\n" },
		{ BASE "accounts sqlite:/x maildir:/y/%h\n",
			":3: \"/y/%h\": %h stands at the begin only\n" },
		{ BASE "accounts sqlite:/x maildir:%h/../y/%n\n",
			":3: maildrop: \"%h/../y/%n\" is no absolute path\n" },
		{ BASE "limits conections 3 per-source\n",
			":3: \"conections\" is no name; did you mean \"connections\"?\n"
			":3: per-source: its value is missing\n" },
		{ BASE "limits attempts 0 logins -1 connections 4294967297\n",
			":3: attempts: \"0\" is no number from 1 to 1000\n"
			":3: logins: \"-1\" is no number from 1 to 1000\n"
			":3: connections: \"4294967297\" is no number from 1 to "
			"1000000\n" },
		{ BASE "limits attempts 3\nlimits attempts 4\n",
			":4: attempts is already set in line 3\n" },
		{ BASE "timeouts login never idle 10\n",
			":3: login: \"never\" is no time; write a number and its unit: "
			"60s, "
			"10m, 2h, 7d\n"
			":3: idle: \"10\" is no time; write a number and its unit: "
			"60s, 10m, "
			"2h, 7d\n" },
		{ BASE "timeouts login 2h\ntimeouts idle 99999999d\n",
			":3: login: 2h is not between 1s and 3600s\n"
			":4: idle: 99999999d is not between 1s and 86400s\n" },
		{ BASE "timeouts takeover 11m\n",
			":3: takeover is longer than idle, so it would never come\n" },
		{ BASE "issuer a /k audience x\nissuer a /k audience x\n"
		       "issuer b k audienc c\n",
			":4: this issuer is already in line 3\n"
			":5: key: \"k\" is no absolute path\n"
			":5: \"audienc\" is no option; did you mean \"audience\"?\n" },
		{ BASE "issuer a /k\nissuer b /k audience \"\"\n"
		       "issuer c /k audience x sytem\n"
		       "issuer d /k audience x domain\n"
		       "issuer e /k audience x domain @\n",
			":3: the audience is missing: what this issuer signs for any "
			"other service would open accounts here; write: audience NAME "
			"(audience *: let it)\n"
			":4: audience: \"\" is not of 1 to 255 printable ASCII "
			"characters\n"
			":5: \"sytem\" is no option; did you mean \"system\"?\n"
			":6: write: domain NAME ..., of up to 511 characters in all\n"
			":7: \"@\" is no host name\n" },
		{ BASE "pam-session yes\nremember 2d\n",
			":3: \"yes\" is no choice; there are: on, off\n"
			":4: remember: 2d is not between 1s and 86400s\n" },
		{ BASE "mechanisms auto PLAN\nmechanisms PLAIN\n",
			":3: \"auto\" is no mechanism; there are: USER, APOP, PLAIN, "
			"LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, "
			"SCRAM-SHA-1-PLUS, SCRAM-SHA-256-PLUS, EXTERNAL, "
			"OAUTHBEARER, XOAUTH2\n"
			":3: \"PLAN\" is no mechanism; did you mean \"PLAIN\"?\n"
			":4: mechanisms is already set in line 3\n" },
		{ BASE "undo maybe\n",
			":3: undo: \"maybe\" is no time; write a number and "
			"its unit: 60s, 10m, 2h, 7d\n" },
		{ BASE "hostname a_b\nuser -x\n",
			":3: \"a_b\" is no host name\n"
			":4: \"-x\" is no name of a Unix user\n" },
		{ BASE "runtime run\n", ":3: runtime: \"run\" is no absolute path\n" },
		{ BASE "runtime \"/run\n",
			":3: the closing quotation mark is missing\n" },
		{ BASE "runtime \"/run\"x\n",
			":3: a blank is missing behind a closing quotation mark\n" },
		{ BASE "runtime /r\"un\n", ":3: a quotation mark inside a word\n" },
		{ BASE "runtime /\x01\n", ":3: a control character\n" },
		{ BASE "limits 1 2 3 4 5 6 7 8 9 a b c d e f g\n",
			":3: too many words\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config c;
		char said[4096];
		cr_expect_eq(load(cases[i].text, &c, said, sizeof(said)), -1, "%s",
			cases[i].text);
		cr_expect_str_eq(said, cases[i].said, "case %zu:\n%s----\n%s", i, said,
			cases[i].said);
	}
}

Test(config, warnings)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ BASE, ":1: nobody can log in from another host: plaintext is "
			"loopback, and "
			"without a certificate there is no TLS\n" },
		{ "listen pop3 127.0.0.1:110\naccounts sqlite:/nonexistent/u.db "
		  "maildir:/m/%u\n",
			":2: /nonexistent/u.db does not exist yet; `postern user add` "
			"makes "
			"it\n" },
		{ BASE "certificate /nonexistent/c /\n",
			":3: /nonexistent/c does not exist\n" },
		{ BASE "plaintext always\ntimeouts idle 9m\n",
			":4: RFC 1939 wants an idle time of 10m at least\n" },
		{ BASE "plaintext always\nlimits connections 5 per-source 6\n",
			":4: per-source is above connections (5)\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config c;
		char said[4096];
		cr_expect_eq(
			load(cases[i].text, &c, said, sizeof(said)), 0, "%s", said);
		cr_expect_str_eq(said, cases[i].said, "case %zu:\n%s----\n%s", i, said,
			cases[i].said);
	}
}

/* A default follows what was set: no takeover after the idle time. */
Test(config, defaults_follow)
{
	struct config c;
	char said[4096];
	cr_assert_eq(load(BASE "timeouts idle 30s\nlimits connections 9\n", &c, said,
			     sizeof(said)),
		0, "%s", said);
	cr_expect_eq(c.takeover_seconds, 30);
	cr_expect_eq(c.per_source, 9);
}

Test(config, octets_of_all_kinds)
{
	/* Every octet, in the middle of a word: an error or not, never a crash. */
	for (int c = 0; c < 256; c++) {
		char text[] = BASE "hostname a.b\n", said[4096];
		struct config config;
		text[sizeof(BASE) + 9] = (char)c;
		load_octets(text, sizeof(text) - 1, &config, said, sizeof(said));
	}
	struct config config;
	char said[4096];
	cr_expect_eq(load_octets(BASE "user a\0b\n", sizeof(BASE "user a\0b\n") - 1,
			     &config, said, sizeof(said)),
		-1);
	cr_expect_str_eq(said, ":3: a control character\n");
}

Test(config, too_many)
{
	char text[8192] = "accounts pam:p mbox:/m/%u\nplaintext always\n", said[4096];
	struct config c;
	size_t at = strlen(text);
	for (int i = 0; i < 17; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"listen pop3 127.0.0.1:%d\n", 2000 + i);
	for (int i = 0; i < 8; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"accounts sqlite:/%d mbox:/m/%%u\n", i);
	cr_expect_eq(load(text, &c, said, sizeof(said)), -1);
	cr_expect_str_eq(said, ":19: more than 16 listen statements\n"
			       ":27: more than 8 sources of accounts\n");
}

Test(config, unsafe_file)
{
	struct config c;
	struct buf errors;
	static const struct {
		mode_t mode;
		const char *said;
	} cases[] = {
		{ 0646, "can be written by everybody; chmod go-w" },
		{ 0660, "can be written by its group; chmod go-w" },
	};
	for (size_t i = 0; i < 2; i++) {
		char said[4096];
		load(BASE, &c, said, sizeof(said));
		cr_assert_eq(chmod(path, cases[i].mode), 0);
		buf_init(&errors, 4096);
		cr_expect_eq(config_load(&c, path, &errors), -1);
		snprintf(said, sizeof(said), "%s: %s\n", path, cases[i].said);
		cr_expect(span_is(buf_span(&errors), said));
		buf_free(&errors);
		chmod(path, 0600);
	}
	if (geteuid() == 0) {
		cr_assert_eq(chown(path, 65534, 65534), 0);
		buf_init(&errors, 4096);
		cr_expect_eq(config_load(&c, path, &errors), -1);
		buf_free(&errors);
	}
}

/* etc/postern.conf, and what its comments give as defaults. */
Test(config, example)
{
	const char *source = getenv("POSTERN_SOURCE");
	char name[512], text[16384] = "", said[8192], bare[8192];
	struct config example, plain;
	struct buf out, other;
	snprintf(name, sizeof(name), "%s/etc/postern.conf", source ? source : ".");
	FILE *file = fopen(name, "r");
	if (!file)
		cr_skip_test("POSTERN_SOURCE is not set");
	size_t at = 0;
	bool is_example = false;
	for (char line[256]; fgets(line, sizeof(line), file);) {
		/* "#word" is a default, unless "Example:" stands above it. */
		if (strstr(line, "Example:"))
			is_example = true;
		bool commented = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s",
			commented && !is_example ? line + 1 : line);
		if (commented)
			is_example = false;
	}
	fclose(file);
	cr_assert_eq(load(text, &example, said, sizeof(said)), 0, "%s", said);
	snprintf(bare, sizeof(bare),
		"listen pop3 *\nlisten pop3s *\naccounts pam:postern "
		"mbox:/var/mail/%%u\n"
		"certificate /etc/postern/tls/fullchain.pem "
		"/etc/postern/tls/privkey.pem\n");
	cr_assert_eq(load(bare, &plain, said, sizeof(said)), 0, "%s", said);
	/* Where configure put things is not the example's affair. */
	memcpy(plain.runtime, example.runtime, sizeof(plain.runtime));
	memcpy(plain.state, example.state, sizeof(plain.state));
	buf_init(&out, 65536);
	buf_init(&other, 65536);
	config_print(&example, &out);
	config_print(&plain, &other);
	cr_expect(span_eq(buf_span(&out), buf_span(&other)), "%.*s----\n%.*s",
		(int)buf_len(&out), buf_span(&out).p, (int)buf_len(&other),
		buf_span(&other).p);
	buf_free(&out);
	buf_free(&other);
}

Test(config, no_file)
{
	static const char *const paths[] = { "/nonexistent/postern.conf", "/",
		"/dev/null" };
	for (size_t i = 0; i < 3; i++) {
		struct config c;
		struct buf errors;
		buf_init(&errors, 4096);
		cr_expect_eq(config_load(&c, paths[i], &errors), -1);
		cr_expect_gt(buf_len(&errors), strlen(paths[i]) + 2);
		buf_free(&errors);
	}
}

Test(suggest, distances)
{
	static const char *const words[] = { "listen", "accounts", "undo", NULL };
	static const struct {
		const char *word, *nearest;
	} cases[] = { { "listen", "listen" }, { "lsiten", "listen" },
		{ "LISTEN", "listen" }, { "listens", "listen" }, { "lists", NULL },
		{ "acounts", "accounts" }, { "account", "accounts" },
		{ "udno", "undo" }, { "do", NULL }, { "", NULL }, { "nothing", NULL },
		{ "listenlistenlistenlistenlistenlistenlisten", NULL } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *nearest = suggest(span_str(cases[i].word), words);
		if (!cases[i].nearest)
			cr_expect_null(nearest, "%s: %s", cases[i].word, nearest);
		else
			cr_expect_str_eq(nearest ? nearest : "", cases[i].nearest);
	}
}
