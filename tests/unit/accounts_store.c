/*
 * The account database: lookups, limits, versions, damage, and many processes at once.
 */
#include "accounts/db.h"
#include "accounts/schema.h"
#include "accounts_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void set_up(void)
{
	fixture_set_up();
	fixture_open(STORE_CREATE);
}

TestSuite(store, .init = set_up, .fini = fixture_tear_down);

static struct account found(const char *login)
{
	struct account a;
	cr_assert_eq(store_find(fixture.store, span_str(login), &a), 0, "%s: %s", login,
		store_fault(fixture.store));
	return a;
}

static void missing(const char *login)
{
	struct account a;
	cr_expect_eq(store_find(fixture.store, span_str(login), &a), -1, "%s", login);
	cr_expect_eq(errno, ENOENT);
}

static struct netaddr peer(const char *text)
{
	struct netaddr a = { .family = 4 };
	cr_assert_eq(inet_pton(AF_INET, text, a.octets), 1);
	return a;
}

/* --- accounts ------------------------------------------------------------ */

Test(store, finds_what_was_added)
{
	struct account a = { .kind = ACCOUNT_VIRTUAL,
		.enabled = true,
		.name = "Joe@example.org",
		.expires = 4000000000,
		.maildrop = MAILDROP_MBOX,
		.path = "/var/mail/x",
		.own_ids = true,
		.uid = 1000,
		.gid = 4294967294u,
		.read_only = true,
		.quota_octets = 1ull << 40,
		.quota_messages = 7 };
	cr_assert_eq(networks_parse(&a.networks, span_str("10.0.0.0/8 ::1")), 0);
	cr_assert_eq(edit_add(fixture.store, &a), 0, "%s", store_fault(fixture.store));
	fixture_open(STORE_LOGIN);
	struct account b = found("joe@EXAMPLE.org");
	cr_expect_str_eq(b.name, "Joe@example.org");
	cr_expect_eq(b.id, a.id);
	cr_expect_eq(b.stamp, a.stamp);
	cr_expect_eq(b.expires, 4000000000);
	cr_expect_eq(b.maildrop, MAILDROP_MBOX);
	cr_expect_str_eq(b.path, "/var/mail/x");
	cr_expect(b.own_ids && b.uid == 1000 && b.gid == 4294967294u);
	cr_expect(b.enabled && b.read_only && !b.main_password);
	cr_expect_eq(b.networks.n, 2);
	cr_expect_eq(b.quota_octets, 1ull << 40);
	cr_expect_eq(b.quota_messages, 7);
	cr_expect_eq(b.last_login, 0);
	cr_expect_eq(b.hash[0], '\0');
}

Test(store, nobody)
{
	fixture_account("joe");
	missing("jo");
	missing("joe@");
	missing("");
	missing("../joe");
	missing("joe' OR '1'='1");
	missing("j%");
	struct account a;
	cr_expect_eq(store_find(fixture.store, span_of("joe\0x", 5), &a), -1);
}

Test(store, a_name_is_taken_once)
{
	struct account a = fixture_account("joe");
	struct account b = { .kind = ACCOUNT_VIRTUAL, .name = "JOE" };
	cr_expect_eq(edit_add(fixture.store, &b), -1);
	cr_expect_eq(errno, EEXIST);
	cr_assert_eq(edit_alias_add(fixture.store, &a, "joseph"), 0);
	snprintf(b.name, sizeof(b.name), "Joseph");
	cr_expect_eq(edit_add(fixture.store, &b), -1);
	cr_expect_eq(errno, EEXIST);
	cr_expect_eq(edit_alias_add(fixture.store, &a, "joe"), -1);
	cr_expect_eq(errno, EEXIST);
	cr_expect_eq(edit_alias_add(fixture.store, &a, "JOSEPH"), -1);
	cr_expect_eq(errno, EEXIST);
	cr_expect(strncmp(store_fault(fixture.store), fixture.path,
			  strlen(fixture.path)) == 0);
}

Test(store, aliases_and_domains)
{
	struct account a = fixture_account("joe@example.org");
	struct domain real = { .name = "example.org", .enabled = true };
	struct domain other = {
		.name = "example.net", .alias_of = "example.org", .enabled = true
	};
	cr_expect_eq(edit_domain_put(fixture.store, &other), -1);
	cr_assert_eq(edit_domain_put(fixture.store, &real), 0);
	cr_assert_eq(edit_domain_put(fixture.store, &other), 0, "%s",
		store_fault(fixture.store));
	cr_assert_eq(edit_alias_add(fixture.store, &a, "info@example.org"), 0);
	cr_assert_eq(edit_alias_add(fixture.store, &a, "joe"), 0);
	static const char *const logins[] = { "joe@example.org", "JOE@Example.Net",
		"joe", "info@example.org", "info@example.net" };
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
		cr_expect_str_eq(found(logins[i]).name, "joe@example.org");
	missing("eve@example.net");
	other.enabled = false;
	cr_assert_eq(edit_domain_put(fixture.store, &other), 0);
	missing("joe@example.net");
	cr_expect(found("joe").enabled);
	real.enabled = false;
	cr_assert_eq(edit_domain_put(fixture.store, &real), 0);
	cr_expect_not(found("joe").enabled);
	cr_assert_eq(edit_domain_remove(fixture.store, "example.org"), 0);
	cr_expect(found("joe").enabled);
	cr_assert_eq(edit_alias_remove(fixture.store, "joe"), 0);
	missing("joe");
	cr_assert_eq(edit_remove(fixture.store, &a), 0);
	missing("info@example.org");
}

static struct credentials credentials(const char *password)
{
	struct credentials c = { .scram_n = 1, .sealed_n = 60 };
	cr_assert_eq(password_hash(span_str(password), c.hash), 0);
	cr_assert_eq(scram_derive(&c.scram[0], SCRAM_SHA_256, span_str(password)), 0);
	memset(c.sealed, 7, c.sealed_n);
	return c;
}

/* The account's stamp, which must not be one that was seen before. */
static void moved(const char *login, const char *by)
{
	static uint64_t seen[64];
	static size_t n;
	uint64_t stamp = found(login).stamp;
	for (size_t i = 0; i < n; i++)
		cr_expect_neq(stamp, seen[i], "%s: %s", login, by);
	cr_assert(n < sizeof(seen) / sizeof(seen[0]));
	seen[n++] = stamp;
}

Test(store, every_change_of_a_credential_changes_the_stamp)
{
	struct account a = fixture_account("joe");
	struct app app = { .label = "phone" };
	unsigned char hash[APP_PASSWORD_HASH] = { 1 };
	moved("joe", "add");
	struct credentials c = credentials("x");
	cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0);
	moved("joe", "passwd");
	a.enabled = false;
	cr_assert_eq(edit_update(fixture.store, &a), 0);
	moved("joe", "disable");
	a.enabled = true;
	cr_assert_eq(edit_update(fixture.store, &a), 0);
	moved("joe", "enable");
	cr_assert_eq(edit_app_add(fixture.store, &a, &app, hash), 0);
	moved("joe", "app add");
	cr_assert_eq(edit_app_remove(fixture.store, &a, span_str("phone")), 0);
	moved("joe", "app del");
	cr_assert_eq(edit_certificate_add(fixture.store, &a, hash, "laptop"), 0);
	moved("joe", "certificate add");
	cr_assert_eq(edit_certificate_remove(fixture.store, &a, hash), 0);
	moved("joe", "certificate del");
	cr_assert_eq(edit_alias_add(fixture.store, &a, "joseph"), 0);
	moved("joe", "alias add");
	cr_assert_eq(edit_alias_remove(fixture.store, "joseph"), 0);
	moved("joe", "alias del");
	cr_assert_eq(edit_remove(fixture.store, &a), 0);
	fixture_account("joe");
	moved("joe", "del and add");
}

Test(store, a_change_of_a_domain_changes_the_stamps_of_its_accounts)
{
	struct account eve = fixture_account("eve@example.com");
	fixture_account("joe@example.org");
	uint64_t other = fixture_account("ann@elsewhere.org").stamp;
	struct domain org = { .name = "example.org", .enabled = true };
	struct domain net = {
		.name = "example.net", .alias_of = "example.org", .enabled = true
	};
	moved("joe@example.org", "add");
	cr_assert_eq(edit_domain_put(fixture.store, &org), 0);
	moved("joe@example.org", "domain add");
	cr_assert_eq(edit_domain_put(fixture.store, &net), 0);
	moved("joe@example.org", "a name of its domain added");
	cr_assert_eq(edit_alias_add(fixture.store, &eve, "eve@Example.net"), 0);
	moved("eve@example.com", "alias add");
	net.alias_of[0] = '\0';
	cr_assert_eq(edit_domain_put(fixture.store, &net), 0);
	moved("joe@example.org", "a name of its domain is no longer one");
	moved("eve@example.com", "a change of the domain of its alias");
	cr_assert_eq(edit_domain_remove(fixture.store, "example.org"), 0);
	moved("joe@example.org", "domain del");
	cr_expect_eq(found("ann@elsewhere.org").stamp, other);
}

Test(store, credentials)
{
	struct account a = fixture_account("joe");
	struct credentials c = credentials("x");
	struct scram_keys keys;
	cr_expect_eq(store_scram(fixture.store, &a, SCRAM_SHA_256, &keys), -1);
	cr_expect_eq(errno, ENOENT);
	cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0, "%s",
		store_fault(fixture.store));
	a = found("joe");
	cr_expect_str_eq(a.hash, c.hash);
	cr_expect_eq(a.sealed_n, 60);
	cr_expect(a.scram);
	cr_assert_eq(store_scram(fixture.store, &a, SCRAM_SHA_256, &keys), 0);
	cr_expect_eq(memcmp(&keys, &c.scram[0], sizeof(keys)), 0);
	cr_expect_eq(store_scram(fixture.store, &a, SCRAM_SHA_1, &keys), -1);
	c = (struct credentials){ 0 };
	cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0);
	a = found("joe");
	cr_expect(a.hash[0] == '\0' && a.sealed_n == 0 && !a.scram);
}

Test(store, scram_of_unknown_names)
{
	struct scram_keys a, b;
	cr_assert_eq(
		store_scram_fake(fixture.store, span_str("joe"), SCRAM_SHA_256, &a), 0);
	fixture_open(STORE_LOGIN);
	cr_assert_eq(
		store_scram_fake(fixture.store, span_str("joe"), SCRAM_SHA_256, &b), 0);
	cr_expect_eq(memcmp(a.salt, b.salt, SCRAM_SALT), 0);
	cr_expect_neq(memcmp(a.stored, b.stored, 32), 0);
	cr_expect_eq(a.iterations, SCRAM_ITERATIONS);
	cr_assert_eq(
		store_scram_fake(fixture.store, span_str("eve"), SCRAM_SHA_256, &b), 0);
	cr_expect_neq(memcmp(a.salt, b.salt, SCRAM_SALT), 0);
	cr_assert_eq(
		store_scram_fake(fixture.store, span_str("joe"), SCRAM_SHA_1, &b), 0);
	cr_expect_neq(memcmp(a.salt, b.salt, SCRAM_SALT), 0);
}

/* So many iterations as accounts have that came from elsewhere. */
Test(store, scram_of_unknown_names_beside_imported_ones)
{
	static const uint32_t counts[] = { 15000, 20000 };
	size_t seen[2] = { 0 };
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "joe%d", i);
		struct account a = fixture_account(name);
		struct credentials c = credentials("x");
		c.scram[0].iterations = counts[i % 2];
		cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0);
	}
	for (int i = 0; i < 100; i++) {
		struct scram_keys keys, again;
		char name[16];
		snprintf(name, sizeof(name), "nobody%d", i);
		cr_assert_eq(store_scram_fake(fixture.store, span_str(name),
				     SCRAM_SHA_256, &keys),
			0);
		cr_assert_eq(store_scram_fake(fixture.store, span_str(name),
				     SCRAM_SHA_256, &again),
			0);
		cr_expect_eq(keys.iterations, again.iterations);
		seen[keys.iterations == counts[1]]++;
		cr_expect(keys.iterations == counts[0] || keys.iterations == counts[1]);
	}
	cr_expect(seen[0] > 20 && seen[1] > 20, "%zu %zu", seen[0], seen[1]);
}

/* Whatever name leads to a domain's own account, nobody's name leads to one salt. */
Test(store, own_domain)
{
	const struct domain domains[] = {
		{ .name = "example.org", .enabled = true },
		{ .name = "example.com", .alias_of = "example.org", .enabled = true },
		{ .name = "example.net", .alias_of = "example.org" },
	};
	static const char *const names[][2] = {
		{ "joe@example.com", "joe@example.org" },
		{ "joe@EXAMPLE.com", "joe@example.org" },
		{ "joe@example.org", "joe@example.org" },
		{ "joe@example.net", "joe@example.net" },
		{ "joe@elsewhere", "joe@elsewhere" },
		{ "joe", "joe" },
	};
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		cr_assert_eq(edit_domain_put(fixture.store, &domains[i]), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[ACCOUNT_NAME_MAX + 1];
		snprintf(name, sizeof(name), "%s", names[i][0]);
		cr_expect_eq(store_own_domain(fixture.store, name), 0);
		cr_expect_str_eq(name, names[i][1]);
	}
}

Test(store, app_passwords)
{
	struct account joe = fixture_account("joe"), eve = fixture_account("eve");
	struct app app = { .label = "phone", .expires = 4000000000, .read_only = true };
	struct app got;
	unsigned char hash[APP_PASSWORD_HASH];
	char text[APP_PASSWORD_TEXT + 1];
	app_password_draw(text);
	cr_assert_eq(app_password_hash(span_str(text), hash), 0);
	cr_assert_eq(edit_app_add(fixture.store, &joe, &app, hash), 0);
	cr_expect_eq(edit_app_add(fixture.store, &joe, &app, hash), -1);
	cr_expect_eq(errno, EEXIST);
	joe = found("joe");
	cr_expect_eq(joe.apps_n, 1);
	cr_assert_eq(store_find_app(fixture.store, &joe, span_str(text), &got), 0);
	cr_expect_str_eq(got.label, "phone");
	cr_expect(got.read_only && got.expires == 4000000000);
	cr_expect_eq(store_find_app(fixture.store, &eve, span_str(text), &got), -1);
	text[0] = text[0] == 'a' ? 'b' : 'a';
	cr_expect_eq(store_find_app(fixture.store, &joe, span_str(text), &got), -1);
	cr_expect_eq(errno, ENOENT);
}

Test(store, certificates)
{
	struct account a = fixture_account("joe"), got;
	unsigned char print[32] = { 1, 2, 3 };
	cr_expect_eq(store_find_certificate(fixture.store, print, &got), -1);
	cr_assert_eq(edit_certificate_add(fixture.store, &a, print, "laptop"), 0);
	cr_assert_eq(store_find_certificate(fixture.store, print, &got), 0);
	cr_expect_str_eq(got.name, "joe");
	cr_expect_eq(edit_certificate_add(fixture.store, &a, print, "again"), -1);
	cr_expect_eq(errno, EEXIST);
	cr_assert_eq(edit_certificate_remove(fixture.store, &a, print), 0);
	cr_expect_eq(store_find_certificate(fixture.store, print, &got), -1);
}

/* --- what a login leaves behind ------------------------------------------ */

Test(store, notes_a_login)
{
	struct account a = fixture_account("joe");
	struct netaddr home = peer("192.0.2.1"), away = peer("198.51.100.7");
	uint64_t stamp = a.stamp;
	fixture_open(STORE_LOGIN);
	cr_assert_eq(store_note_login(fixture.store, &a, NULL, &home, 1000), 0);
	a = found("joe");
	cr_expect_eq(a.last_login, 1000);
	cr_expect_str_eq(a.last_source, "192.0.2.1");
	cr_expect_eq(a.stamp, stamp);
	cr_assert_eq(store_note_login(fixture.store, &a, NULL, &home, 1059), 0);
	cr_expect_eq(found("joe").last_login, 1000);
	cr_assert_eq(store_note_login(fixture.store, &a, NULL, &away, 1059), 0);
	cr_expect_eq(found("joe").last_login, 1059);
	cr_assert_eq(store_note_login(fixture.store, &a, NULL, &home, 1060), 0);
	cr_expect_eq(found("joe").last_login, 1060);
}

Test(store, a_note_waits_for_nobody)
{
	struct account a = fixture_account("joe");
	struct netaddr home = peer("192.0.2.1");
	struct store *login;
	struct timespec before, after;
	cr_assert_eq(store_open(&login, fixture.path, STORE_LOGIN), 0);
	cr_assert_eq(edit_begin(fixture.store), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	cr_expect_eq(store_note_login(login, &a, NULL, &home, 1000), -1);
	cr_expect_eq(errno, EBUSY);
	cr_expect_eq(store_rehash(login, &a, span_str("x")), -1);
	cr_expect_eq(errno, EBUSY);
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_expect_lt(after.tv_sec - before.tv_sec, 2);
	cr_expect_eq(store_find(login, span_str("joe"), &a), 0);
	cr_assert_eq(edit_end(fixture.store, 0), 0);
	cr_expect_eq(store_note_login(login, &a, NULL, &home, 1000), 0);
	store_close(login);
}

/* Somebody else's handle, which neither waits nor is waited for. */
static sqlite3 *outside(const char *sql)
{
	sqlite3 *db;
	cr_assert_eq(sqlite3_open(fixture.path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* An account's note that fails is told, and no other is written in its place. */
Test(store, a_note_that_fails)
{
	struct account joe = fixture_account("joe");
	struct netaddr home = peer("192.0.2.1");
	struct app app = { .label = "phone" };
	unsigned char hash[APP_PASSWORD_HASH] = { 1 };
	cr_assert_eq(edit_app_add(fixture.store, &joe, &app, hash), 0);
	sqlite3_close(
		outside("CREATE TRIGGER no BEFORE UPDATE OF last_login ON account "
			"BEGIN SELECT RAISE(ABORT, 'no'); END"));
	cr_expect_eq(store_note_login(fixture.store, &joe, &app, &home, 1000), -1);
	sqlite3 *db = outside("DROP TRIGGER no");
	cr_assert_eq(sqlite3_exec(db,
			     "CREATE TRIGGER no BEFORE UPDATE OF last_used ON app "
			     "BEGIN SELECT RAISE(ABORT, 'no'); END",
			     NULL, NULL, NULL),
		SQLITE_OK);
	cr_expect_eq(store_note_login(fixture.store, &joe, &app, &home, 1000), -1);
	cr_expect_eq(found("joe").last_login, 0, "all or nothing");
	cr_assert_eq(sqlite3_exec(db, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	cr_expect_eq(store_note_login(fixture.store, &joe, &app, &home, 1000), 0);
	cr_expect_eq(found("joe").last_login, 1000);
}

/* While another writes for longer than anybody waits, no edit says that it was made. */
Test(store, edits_of_a_locked_database)
{
	struct account joe = fixture_account("joe"), eve = { .kind = ACCOUNT_VIRTUAL };
	struct account before = found("joe");
	struct credentials c = credentials("x");
	struct app app = { .label = "phone" };
	unsigned char octets[32] = { 1 };
	struct domain domain = { .name = "example.org" };
	snprintf(eve.name, sizeof(eve.name), "eve");
	sqlite3 *db = outside("BEGIN IMMEDIATE");
	fixture.store->waits = false;
	struct store *s = fixture.store;
	const int results[] = {
		account_touch(s, joe.id),
		edit_add(s, &eve),
		edit_update(s, &joe),
		edit_credentials(s, &joe, &c),
		edit_app_add(s, &joe, &app, octets),
		edit_app_remove(s, &joe, span_str("phone")),
		edit_alias_add(s, &joe, "info"),
		edit_alias_remove(s, "info"),
		edit_domain_put(s, &domain),
		edit_domain_remove(s, "example.org"),
		edit_certificate_add(s, &joe, octets, "laptop"),
		edit_certificate_remove(s, &joe, octets),
		edit_remove(s, &joe),
	};
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		cr_expect_eq(results[i], -1, "edit %zu", i);
	cr_expect(strstr(store_fault(s), "another process"), "%s", store_fault(s));
	sqlite3_close(db);
	cr_expect_eq(found("joe").stamp, before.stamp);
	cr_expect_eq(account_touch(s, joe.id), 0);
}

Test(store, rehash_only_what_was_read)
{
	struct account a = fixture_account("joe"), b;
	struct credentials c = { .hash = "$6$old" };
	cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0);
	a = found("joe");
	cr_assert_eq(store_rehash(fixture.store, &a, span_str("x")), 0, "%s",
		store_fault(fixture.store));
	b = found("joe");
	cr_expect(password_verify(b.hash, span_str("x")));
	cr_expect_not(password_needs_rehash(b.hash));
	cr_expect_not(b.scram, "nobody wanted keys that are cheaper to guess with");
	cr_expect_eq(b.stamp, a.stamp);
	cr_expect_eq(store_rehash(fixture.store, &a, span_str("late")), -1);
	cr_expect_eq(errno, ENOENT);
	cr_expect_str_eq(found("joe").hash, b.hash);
}

Test(store, offer)
{
	struct store_offer offer = { 0 };
	cr_assert_eq(store_offer(fixture.store, &offer), 0);
	cr_expect(!offer.passwords && !offer.sealed && !offer.scram && !offer.apps);
	struct account a = fixture_account("joe");
	struct credentials c = credentials("x");
	cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0);
	cr_assert_eq(store_offer(fixture.store, &offer), 0);
	cr_expect(offer.passwords && offer.sealed && !offer.apps);
	cr_expect_eq(offer.scram, 1U << SCRAM_SHA_256);
	cr_expect_eq(offer.all_scram, 1U << SCRAM_SHA_256);
	cr_expect(offer.all_sealed);
	struct account eve = fixture_account("eve");
	cr_assert_eq(store_offer(fixture.store, &offer), 0);
	cr_expect(offer.sealed && !offer.all_sealed);
	cr_expect(offer.scram && !offer.all_scram);
	c.scram[0].hash = SCRAM_SHA_1;
	c.scram[0].size = 20;
	cr_assert_eq(edit_credentials(fixture.store, &eve, &c), 0);
	cr_assert_eq(store_offer(fixture.store, &offer), 0);
	cr_expect_eq(offer.scram, 1U << SCRAM_SHA_1 | 1U << SCRAM_SHA_256);
	cr_expect_eq(offer.all_scram, 0);
}

/* Has the database another generation than when it was last asked? */
static bool moves(struct store_offer *offer)
{
	int64_t before = offer->generation;
	cr_assert_eq(store_offer(fixture.store, offer), 0);
	return offer->generation != before;
}

Test(store, offer_is_asked_again_when_it_may_have_changed)
{
	struct store_offer offer = { 0 };
	struct netaddr home = peer("192.0.2.1");
	struct app app = { .label = "phone" };
	unsigned char hash[APP_PASSWORD_HASH] = { 1 };
	cr_expect(moves(&offer));
	cr_expect_not(moves(&offer));
	struct account a = fixture_account("joe");
	cr_expect(moves(&offer));
	struct credentials c = credentials("x");
	cr_assert_eq(edit_credentials(fixture.store, &a, &c), 0);
	cr_expect(moves(&offer) && offer.scram);
	cr_assert_eq(edit_app_add(fixture.store, &a, &app, hash), 0);
	cr_expect(moves(&offer) && offer.apps);
	cr_assert_eq(edit_app_remove(fixture.store, &a, span_str("phone")), 0);
	cr_expect(moves(&offer) && !offer.apps);
	cr_assert_eq(edit_certificate_add(fixture.store, &a, hash, ""), 0);
	cr_expect(moves(&offer) && offer.certificates);
	cr_assert_eq(edit_certificate_remove(fixture.store, &a, hash), 0);
	cr_expect(moves(&offer) && !offer.certificates);
	a.enabled = false;
	cr_assert_eq(edit_update(fixture.store, &a), 0);
	cr_expect(moves(&offer) && !offer.passwords);
	/* What was learnt stays, unasked, while logins are noted. */
	cr_assert_eq(store_note_login(fixture.store, &a, NULL, &home, 1000), 0);
	offer.passwords = true;
	cr_expect(!moves(&offer) && offer.passwords);
	cr_assert_eq(edit_remove(fixture.store, &a), 0);
	cr_expect(moves(&offer) && !offer.passwords);
}

/* --- a handle at rest ---------------------------------------------------- */

/* Another handle for what the fixture's, at rest meanwhile, is to see. */
static struct store *other_handle(enum store_mode mode)
{
	struct store *other;
	cr_assert_eq(
		store_open(&other, fixture.path, mode), 0, "%s", store_fault(other));
	return other;
}

static void rested_handle(void)
{
	fixture_account("joe");
	fixture_open(STORE_LOGIN);
	found("joe");
	cr_assert(store_rest(fixture.store));
	cr_assert(store_wake(fixture.store));
	cr_assert(store_rest(fixture.store));
}

Test(store, at_rest_sees_what_others_commit)
{
	rested_handle();
	struct store *other = other_handle(STORE_WRITE);
	struct account joe;
	cr_assert_eq(store_find(other, span_str("joe"), &joe), 0);
	joe.enabled = false;
	cr_assert_eq(edit_update(other, &joe), 0);
	store_close(other);
	cr_expect(store_wake(fixture.store));
	cr_expect_not(found("joe").enabled);
}

Test(store, at_rest_keeps_no_writer_out)
{
	rested_handle();
	struct store *other = other_handle(STORE_WRITE);
	struct account eve = { .kind = ACCOUNT_VIRTUAL, .name = "eve" };
	cr_expect_eq(edit_add(other, &eve), 0, "%s", store_fault(other));
	store_close(other);
	struct stat st;
	char log[128];
	snprintf(log, sizeof(log), "%s-wal", fixture.path);
	cr_assert_eq(stat(log, &st), 0);
	cr_expect_eq(st.st_size, 0, "the log was copied back and emptied");
}

Test(store, does_not_wake_to_another_file)
{
	rested_handle();
	char kept[128], log[128];
	snprintf(kept, sizeof(kept), "%s.kept", fixture.path);
	snprintf(log, sizeof(log), "%s-wal", fixture.path);
	cr_assert_eq(rename(fixture.path, kept), 0);
	cr_expect_not(store_wake(fixture.store), "there is none");
	store_close(other_handle(STORE_CREATE));
	cr_expect_not(store_wake(fixture.store), "it is another one");
	cr_assert_eq(rename(kept, fixture.path), 0);
	cr_expect(store_wake(fixture.store));
	cr_assert_eq(unlink(log), 0);
	cr_expect_not(store_wake(fixture.store), "its log is gone");
}

/* SQLite calls this when it has opened the file, and asked it nothing yet. */
static int replace_file(
	sqlite3 *db, const char **error, const struct sqlite3_api_routines *api)
{
	char other[128];
	(void)db, (void)error, (void)api;
	snprintf(other, sizeof(other), "%s.other", fixture.path);
	return rename(other, fixture.path);
}

Test(store, does_not_wake_to_a_file_that_came_while_it_was_opened)
{
	char other[128];
	fixture_open(STORE_LOGIN); /* the one that writes has closed it: it is whole */
	snprintf(other, sizeof(other), "VACUUM INTO '%s.other'", fixture.path);
	cr_assert_eq(store_exec(fixture.store, other), 0);
	cr_assert_eq(sqlite3_auto_extension((void (*)(void))replace_file), SQLITE_OK);
	fixture_open(STORE_LOGIN);
	sqlite3_reset_auto_extension();
	cr_assert(store_rest(fixture.store));
	cr_expect_not(store_wake(fixture.store));
}

Test(store, does_not_wake_to_a_file_that_others_can_write)
{
	rested_handle();
	cr_assert_eq(chmod(fixture.path, 0666), 0);
	cr_expect_not(store_wake(fixture.store));
}

Test(store, does_not_rest_within_a_transaction)
{
	cr_assert_eq(store_begin(fixture.store), 0);
	cr_expect_not(store_rest(fixture.store));
	cr_assert_eq(store_end(fixture.store, 0), 0);
	cr_expect(store_rest(fixture.store));
}

/* --- the transactions of several edits ----------------------------------- */

Test(store, all_or_none)
{
	cr_assert_eq(edit_begin(fixture.store), 0);
	fixture_account("joe");
	cr_expect_eq(edit_end(fixture.store, -1), -1);
	missing("joe");
	cr_assert_eq(edit_begin(fixture.store), 0);
	fixture_account("joe");
	struct account twice = { .kind = ACCOUNT_VIRTUAL, .name = "joe" };
	cr_expect_eq(edit_add(fixture.store, &twice), -1);
	cr_expect_eq(errno, EEXIST);
	fixture_account("eve");
	cr_expect_eq(edit_end(fixture.store, 0), 0);
	found("joe");
	found("eve");
}
