/* What auth decides without a database, a module or root. */
#include "auth/apop.h"
#include "auth/owner.h"
#include "auth/pam.h"
#include "auth/template.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct span s(const char *text)
{
	return span_str(text);
}

struct expansion {
	const char *template, *account, *home, *path;
	int error;
};

static const struct expansion expansions[] = {
	{ "/var/mail/%u", "joe", NULL, "/var/mail/joe", 0 },
	{ "/v/%d/%n", "joe@example.org", NULL, "/v/example.org/joe", 0 },
	{ "/v/%d/%n", "a@b@example.org", NULL, "/v/example.org/a@b", 0 },
	{ "/v/%u", "joe@example.org", NULL, "/v/joe@example.org", 0 },
	{ "%h/Maildir", "joe", "/home/joe", "/home/joe/Maildir", 0 },
	{ "/v/100%%/%n", "joe", NULL, "/v/100%/joe", 0 },
	{ "/v/%n/.mail", "joe", NULL, "/v/joe/.mail", 0 },
	{ "/v/%n", "%u", NULL, "/v/%u", 0 },
	{ "/v/%n", "%h%n%s", "/home/x", "/v/%h%n%s", 0 },
	/* names that would lead out of the tree, or hide in it */
	{ "/v/%n", "..", NULL, NULL, EPERM },
	{ "/v/%n", ".", NULL, NULL, EPERM },
	{ "/v/%n", ".hidden", NULL, NULL, EPERM },
	{ "/v/%n", "../etc", NULL, NULL, EPERM },
	{ "/v/%n", "a/b", NULL, NULL, EPERM },
	{ "/v/%n", "/etc/passwd", NULL, NULL, EPERM },
	{ "/v/%d/%n", "joe@..", NULL, NULL, EPERM },
	{ "/v/%d/%n", "joe@", NULL, NULL, EPERM },
	{ "/v/%d/%n", "@example.org", NULL, NULL, EPERM },
	{ "/v/%d/%n", "joe", NULL, NULL, EPERM },
	{ "/v/%d/%n", "..@example.org", NULL, NULL, EPERM },
	{ "/v/%n", "a\nb", NULL, NULL, EPERM },
	{ "/v/%n", "a\177", NULL, NULL, EPERM },
	{ "/v/%n", "", NULL, NULL, EPERM },
	{ "/v/x%n/m", "/../../etc", NULL, NULL, EPERM },
	/* templates that are wrong */
	{ "%h/Maildir", "joe", NULL, NULL, EINVAL },
	{ "%h/Maildir", "joe", "home/joe", NULL, EINVAL },
	{ "/v/%x", "joe", NULL, NULL, EINVAL },
	{ "/v/%", "joe", NULL, NULL, EINVAL },
	{ "v/%n", "joe", NULL, NULL, EINVAL },
	{ "%n", "joe", NULL, NULL, EINVAL },
	{ "", "joe", NULL, NULL, EINVAL },
};

Test(template, expansions)
{
	for (size_t i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++) {
		const struct expansion *e = &expansions[i];
		char path[MAILDROP_PATH_MAX + 1];
		errno = 0;
		int result = template_expand(e->template, s(e->account), e->home, path);
		cr_assert_eq(result, e->path ? 0 : -1, "case %zu: %s for %s", i,
			e->template, e->account);
		if (e->path)
			cr_assert_str_eq(path, e->path);
		else
			cr_assert_eq(errno, e->error, "case %zu: errno %d", i, errno);
	}
}

Test(template, a_nul_in_a_name_is_no_way_out)
{
	char path[MAILDROP_PATH_MAX + 1];
	cr_assert_eq(template_expand("/v/%n", span_of("joe\0x", 5), NULL, path), -1);
	cr_assert_eq(errno, EPERM);
}

Test(template, length)
{
	char home[MAILDROP_PATH_MAX + 2], path[MAILDROP_PATH_MAX + 1];
	memset(home, 'a', sizeof(home));
	home[0] = '/';
	home[MAILDROP_PATH_MAX] = '\0';
	cr_assert_eq(template_expand("%h", s("joe"), home, path), 0);
	cr_assert_eq(strlen(path), MAILDROP_PATH_MAX);
	cr_assert_eq(template_expand("%h/", s("joe"), home, path), -1);
	cr_assert_eq(errno, ENAMETOOLONG);
}

Test(pam, names_that_modules_may_see)
{
	static const struct {
		const char *name;
		bool fits;
	} cases[] = {
		{ "joe", true },
		{ "joe.user", true },
		{ "joe_user-2", true },
		{ "joe@example.org", true },
		{ "DOM+joe", true },
		{ "host$", true },
		{ "j\xc3\xb6rg", true },
		{ "", false },
		{ "-joe", false },
		{ ".joe", false },
		{ "..", false },
		{ "a/b", false },
		{ "joe:x", false },
		{ "host:joe", false },
		{ "%n%s", false },
		{ "joe user", false },
		{ "joe\n", false },
		{ "a,b", false },
		{ "*", false },
		{ "a\\b", false },
		{ "$(id)", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(pam_name_fits(s(cases[i].name)), cases[i].fits, "%s",
			cases[i].name);
	char name[65];
	memset(name, 'a', sizeof(name));
	cr_assert(pam_name_fits(span_of(name, 64)));
	cr_assert_not(pam_name_fits(span_of(name, 65)));
}

Test(owner, who_is_a_person)
{
	cr_assert(owner_is_person(&(struct owner){ .uid = 1000, .gid = 1000 }, 1000));
	cr_assert_not(owner_is_person(&(struct owner){ .uid = 0, .gid = 0 }, 1000));
	cr_assert_not(
		owner_is_person(&(struct owner){ .uid = 999, .gid = 1000 }, 1000));
	cr_assert_not(owner_is_person(&(struct owner){ .uid = 1000, .gid = 0 }, 1000));
	cr_assert_not(
		owner_is_person(&(struct owner){ .uid = 65534, .gid = 65534 }, 1000));
	cr_assert_not(
		owner_is_person(&(struct owner){ .uid = UINT32_MAX, .gid = 1 }, 1000));
}

Test(owner, root_is_found_and_nobody_else_by_its_number)
{
	struct owner owner;
	cr_assert_eq(owner_find("root", &owner), 1);
	cr_assert_eq(owner.uid, 0);
	cr_assert_eq(owner_find("no such user", &owner), 0);
	cr_assert_eq(owner_find("0", &owner), 0);
	cr_assert_eq(owner_find("", &owner), 0);
}

/* RFC 1939 section 7, the example. */
static const char challenge[] = "<1896.697170952@dbc.mtview.ca.us>";
static const char digest[] = "c4c9334bac560ecc979e58001b3e22fb";

Test(apop, example_of_the_rfc)
{
	cr_assert_eq(apop_init(), 0);
	cr_assert(apop_verify(s(challenge), s("tanstaaf"), s(digest)));
	cr_assert_not(apop_verify(s(challenge), s("tanstaaF"), s(digest)));
	cr_assert_not(apop_verify(
		s("<1896.697170953@dbc.mtview.ca.us>"), s("tanstaaf"), s(digest)));
	cr_assert_not(apop_verify(
		s(challenge), s("tanstaaf"), s("c4c9334bac560ecc979e58001b3e22f")));
	cr_assert_not(apop_verify(
		s(challenge), s("tanstaaf"), s("C4C9334BAC560ECC979E58001B3E22FB")));
}

Test(apop, nobody_has_an_empty_secret)
{
	/* MD5 of the challenge alone */
	cr_assert_eq(apop_init(), 0);
	cr_assert_not(apop_verify(s(""), s(""), s("d41d8cd98f00b204e9800998ecf8427e")));
}
