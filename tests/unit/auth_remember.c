/* Remembered logins: that they answer for nobody else. */
#include "auth/remember.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct netaddr peer = { .family = 4, .octets = { 192, 0, 2, 1 } };

static struct remember_claim claim_of(const char *account, const char *password)
{
	return (struct remember_claim){
		.source = 1,
		.account = span_str(account),
		.stamp = span_str("stamp"),
		.password = span_str(password),
		.peer = &peer,
	};
}

static struct remember opened(uint32_t seconds)
{
	struct remember remember;
	cr_assert_geq(sodium_init(), 0);
	cr_assert_eq(remember_open(&remember, seconds), 0);
	return remember;
}

Test(remember, one_claim_for_its_time)
{
	struct remember remember = opened(300);
	struct remember_claim joe = claim_of("joe", "secret");
	cr_assert_not(remember_knows(&remember, &joe, 1000));
	remember_add(&remember, &joe, 1000);
	cr_assert(remember_knows(&remember, &joe, 1000));
	cr_assert(remember_knows(&remember, &joe, 1299));
	cr_assert_not(remember_knows(&remember, &joe, 1300));
	remember_add(&remember, &joe, 1300);
	cr_assert(remember_knows(&remember, &joe, 1599));
}

Test(remember, nothing_at_the_clock_s_zero)
{
	struct remember remember = opened(300);
	struct remember_claim joe = claim_of("joe", "secret");
	cr_assert_not(remember_knows(&remember, &joe, 0));
}

/* CVE-2025-30189: a cache whose key lacked the name let any user in as the first. */
Test(remember, never_answers_for_another)
{
	struct remember remember = opened(300);
	struct netaddr near = { .family = 4, .octets = { 192, 0, 2, 2 } };
	struct netaddr six = { .family = 6, .octets = { 192, 0, 2, 1 } };
	struct remember_claim joe = claim_of("joe", "secret"), other;
	remember_add(&remember, &joe, 1000);
	static const char *const names[] = { "ann", "jo", "joe ", "Joe", "" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		other = claim_of(names[i], "secret");
		cr_assert_not(remember_knows(&remember, &other, 1000), "%s", names[i]);
	}
	static const char *const passwords[] = { "Secret", "secre", "secret ", "" };
	for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
		other = claim_of("joe", passwords[i]);
		cr_assert_not(remember_knows(&remember, &other, 1000));
	}
	/* the same octets, cut elsewhere */
	other = claim_of("joestamp", "secret");
	other.stamp = span_str("");
	cr_assert_not(remember_knows(&remember, &other, 1000));
	other = joe;
	other.stamp = span_str("stamq");
	cr_assert_not(remember_knows(&remember, &other, 1000));
	other = joe;
	other.source = 2;
	cr_assert_not(remember_knows(&remember, &other, 1000));
	other = joe;
	other.peer = &near;
	cr_assert_not(remember_knows(&remember, &other, 1000));
	other.peer = &six;
	cr_assert_not(remember_knows(&remember, &other, 1000));
	struct remember stranger = opened(300);
	stranger.table = remember.table;
	cr_assert_not(remember_knows(&stranger, &joe, 1000), "another key");
	cr_assert(remember_knows(&remember, &joe, 1000));
}

Test(remember, off)
{
	struct remember remember = opened(0);
	struct remember_claim joe = claim_of("joe", "secret");
	remember_add(&remember, &joe, 1000);
	cr_assert_not(remember_knows(&remember, &joe, 1000));
}

Test(remember, a_full_table_forgets_and_never_errs)
{
	struct remember remember = opened(300);
	char name[32];
	size_t known = 0;
	const int n = 3 * REMEMBER_SETS * REMEMBER_WAYS;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		struct remember_claim claim = claim_of(name, "secret");
		cr_assert_not(remember_knows(&remember, &claim, 1000 + i / 1000));
		remember_add(&remember, &claim, 1000 + i / 1000);
	}
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		struct remember_claim claim = claim_of(name, "secret");
		known += remember_knows(&remember, &claim, 1000 + n / 1000);
		claim = claim_of(name, "other");
		cr_assert_not(remember_knows(&remember, &claim, 1000 + n / 1000));
	}
	cr_assert_gt(known, (size_t)REMEMBER_SETS * REMEMBER_WAYS / 2);
	cr_assert_leq(known, (size_t)REMEMBER_SETS * REMEMBER_WAYS);
}

static _Noreturn void add_for_ever(struct remember *remember)
{
	for (unsigned i = 0;; i++) {
		char name[32];
		snprintf(name, sizeof(name), "child%u", i % 100000);
		struct remember_claim claim = claim_of(name, "secret");
		remember_add(remember, &claim, 1000);
	}
}

/* Processes that write all the time and die anywhere: what was never added is never
 * known, and the table works on. */
Test(remember, children_that_die_while_writing)
{
	struct remember remember = opened(300);
	for (int round = 0; round < 40; round++) {
		pid_t pid = fork();
		cr_assert_geq(pid, 0);
		if (pid == 0)
			add_for_ever(&remember);
		for (unsigned i = 0; i < 20000; i++) {
			char name[32];
			snprintf(name, sizeof(name), "child%u", i);
			struct remember_claim claim = claim_of(name, "wrong");
			cr_assert_not(remember_knows(&remember, &claim, 1000));
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	struct remember_claim joe = claim_of("joe", "secret");
	remember_add(&remember, &joe, 1000);
	cr_assert(remember_knows(&remember, &joe, 1000));
}
