/*
 * cache: hostile files are no cache; and a Maildir with a cache is what it is without
 * one, at the price of no message read. openat and readdir are counted (wrapped by
 * the linker).
 */
#include "maildrop/cache.h"
#include "unit/place.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static unsigned opened, entries;

int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, mode_t mode)
{
	opened += name[0] >= '0' && name[0] <= '9'; /* the messages' names */
	return __real_openat(dir, name, flags, mode);
}

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir)
{
	entries++;
	return __real_readdir(dir);
}

TestSuite(cache, .init = place_begin, .fini = place_end, .timeout = 120);

static struct maildrop *open_drop(void)
{
	opened = entries = 0;
	return place_open(0);
}

static void fill(int n)
{
	char name[64], text[64];
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/%d.%d.host%s", i % 3 ? "cur" : "new",
			1000 + i / 2, i, i % 3 ? ":2,S" : "");
		snprintf(text, sizeof(text), "Subject: %d\n\n%.*s\n", i, i % 40,
			"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
			"\n");
		place_put(name, text);
	}
}

/* Count, sizes and unique-ids as one number. */
static uint64_t digest(struct maildrop *drop)
{
	uint64_t h = maildrop_count(drop);
	char uid[MAILDROP_UID_MAX + 1];
	for (size_t i = 0; i < maildrop_count(drop); i++) {
		cr_assert_eq(maildrop_uid(drop, i, uid), 0);
		for (const char *p = uid; *p; p++)
			h = h * 31 + (unsigned char)*p;
		h = h * 31 + maildrop_size(drop, i);
	}
	return h;
}

static uint64_t digest_now(void)
{
	struct maildrop *drop = open_drop();
	uint64_t h = digest(drop);
	maildrop_close(drop);
	return h;
}

static uint64_t digest_without_cache(void)
{
	int kept = place_state;
	place_state = -1;
	uint64_t h = digest_now();
	place_state = kept;
	return h;
}

Test(cache, unchanged_maildrop_opens_no_message)
{
	fill(100);
	uint64_t h = digest_now();
	cr_assert_eq(opened, 100);
	cr_assert_eq(digest_now(), h);
	cr_assert_eq(opened, 0);
	place_put("new/5000.new", "one\n");
	cr_assert_neq(digest_now(), h);
	cr_assert_eq(opened, 1);
	cr_assert_eq(digest_now(), digest_without_cache());
}

/* Opens it until its directories have been at rest for so long that none is read. Each
 * opening sees the same. */
static void rest(void)
{
	time_t deadline = time(NULL) + 20;
	uint64_t h = digest_now();
	do {
		struct timespec t = { .tv_nsec = 100000000 };
		nanosleep(&t, NULL);
		cr_assert_eq(digest_now(), h);
		cr_assert(time(NULL) < deadline);
	} while (entries);
}

/* Nor reads the directories, once they have been at rest for some seconds. */
Test(cache, directories_at_rest_are_not_read)
{
	rest(); /* with no message */
	fill(100);
	uint64_t h = digest_now();
	rest();
	cr_assert_eq(digest_now(), h);
	cr_assert_eq(opened, 0);
	cr_assert_eq(
		rename("Maildir/new/1000.0.host", "Maildir/cur/1000.0.host:2,S"), 0);
	struct maildrop *drop = open_drop();
	cr_assert(entries > 0);
	cr_assert_eq(digest(drop), h);
	cr_assert_eq(opened, 0);
	maildrop_close(drop);
	cr_assert_eq(unlink("Maildir/cur/1000.0.host:2,S"), 0);
	cr_assert_eq(digest_now(), digest_without_cache());
	place_put("cur/1.first", "x\n");
	cr_assert_eq(digest_now(), digest_without_cache());
}

/* How many entries an open reads, which sees what one without the cache sees. */
static int entries_read(void)
{
	uint64_t h = digest_now();
	int n = entries;
	cr_assert_eq(h, digest_without_cache());
	return n;
}

/* A directory that has changed is read, one at rest is not: with a removal, a message
 * that goes from one to the other. New has 34 messages of the 100. */
Test(cache, only_the_directory_that_changed_is_read)
{
	fill(100);
	place_put("cur/990.early", "one\n");
	rest();
	place_put("new/1000.3.gone", "two\n\n");
	place_put("new/995.late", "three\n");
	place_put("new/5000.last", "three\n");
	int new = entries_read();
	cr_expect(new >= 37 && new < 50, "%d", new);
	rest();
	place_put("cur/1000.3.tvin", "x\n");
	int cur = entries_read();
	cr_expect(cur >= 69 && cur < 80, "%d", cur);
	rest();
	cr_assert_eq(unlink("Maildir/new/1000.3.gone"), 0);
	cr_expect_leq(entries_read(), new);
	rest();
	cr_assert_eq(rename("Maildir/new/995.late", "Maildir/cur/995.late:2,"), 0);
	cr_expect_geq(entries_read(), 100);
}

/* Of a message with two names both directories are read: which of them stays is not
 * known. */
Test(cache, twins_are_looked_for)
{
	place_put("cur/1.a:2,S", "one\n");
	place_put("new/1.a", "one\n");
	digest_now();
	cr_assert_geq(entries_read(), 6);
	cr_assert_eq(unlink("Maildir/new/1.a"), 0);
	struct maildrop *drop = open_drop();
	cr_assert_eq(maildrop_count(drop), 1);
	maildrop_close(drop);
}

/* Names that came from the cache, and one that is longer than all of them. */
Test(cache, renamed_to_a_long_name)
{
	struct maildrop_body body;
	struct maildrop_fault fault;
	char to[300];
	place_put("cur/1.a", "a\n");
	rest();
	struct maildrop *drop = open_drop();
	snprintf(to, sizeof(to), "Maildir/cur/1.a:%0*d", 240, 2);
	cr_assert_eq(rename("Maildir/cur/1.a", to), 0);
	cr_assert_eq(maildrop_body_open(drop, 0, &body, &fault), 0, "%s", fault.text);
	cr_assert_eq(body.end, 2);
	maildrop_body_close(&body);
	maildrop_close(drop);
}

Test(cache, wrong_entry_costs_one_look)
{
	place_put("cur/1.a", "a\n");
	place_put("cur/2.b", "b\n");
	digest_now();
	place_put("cur/1.a", "written over\nin place\n");
	struct maildrop *drop = open_drop();
	cr_assert_eq(opened, 1);
	cr_assert_eq(maildrop_size(drop, 0), 24);
	maildrop_close(drop);
	/* At once, a further change could leave the file's time as it is. */
	do {
		drop = open_drop();
		cr_assert_eq(maildrop_size(drop, 0), 24, "the cache is right again");
		maildrop_close(drop);
	} while (opened);
}

Test(cache, other_file_of_the_same_name_is_another_message)
{
	place_put("cur/1.a", "a\n");
	digest_now();
	place_put("tmp", "bbbb\n");
	cr_assert_eq(rename("Maildir/tmp", "Maildir/cur/1.a"), 0);
	cr_assert_eq(digest_now(), digest_without_cache());
}

Test(cache, commit_leaves_a_cache_of_the_rest)
{
	struct maildrop_done done;
	struct maildrop_fault fault;
	fill(50);
	struct maildrop *drop = open_drop();
	for (size_t i = 0; i < 50; i += 2)
		maildrop_mark(drop, i, true);
	cr_assert_eq(maildrop_commit(drop, &done, &fault), 0);
	maildrop_close(drop);
	uint64_t h = digest_now();
	cr_assert_eq(opened, 0);
	cr_assert_eq(h, digest_without_cache());
}

/* Every change is seen, however soon after the last one. */
Test(cache, never_hides_a_change)
{
	char name[64];
	srand(7);
	fill(20);
	for (int i = 0; i < 400; i++) {
		if (rand() % 2) {
			snprintf(name, sizeof(name), "%s/%d.%d",
				rand() % 2 ? "new" : "cur", 900 + rand() % 200, i);
			place_put(name, "text\n\ntext\n");
		} else {
			struct maildrop_done done;
			struct maildrop_fault fault;
			struct maildrop *drop = open_drop();
			size_t n = maildrop_count(drop);
			if (n)
				maildrop_mark(drop, (size_t)rand() % n, true);
			cr_assert_eq(maildrop_commit(drop, &done, &fault), 0);
			maildrop_close(drop);
		}
		cr_assert_eq(digest_now(), digest_without_cache(), "round %d", i);
	}
}

/* --- hostile files ------------------------------------------------------------------
 */

static unsigned char *slurp(size_t *n)
{
	struct stat st;
	int fd = openat(place_state, CACHE_NAME, O_RDONLY);
	cr_assert(fd >= 0 && fstat(fd, &st) == 0);
	*n = (size_t)st.st_size;
	unsigned char *p = malloc(*n);
	cr_assert_eq(read(fd, p, *n), (ssize_t)*n);
	close(fd);
	return p;
}

static void spew(const void *p, size_t n)
{
	int fd = openat(place_state, CACHE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, p, n), (ssize_t)n);
	close(fd);
}

Test(cache, damaged_file_is_no_cache)
{
	size_t n;
	fill(7);
	uint64_t h = digest_now();
	unsigned char *good = slurp(&n), *bad = malloc(n + 1);
	for (size_t i = 0; i < n; i++) {
		memcpy(bad, good, n);
		bad[i] ^= (unsigned char)(1 + i % 255);
		spew(bad, n);
		cr_assert_eq(digest_now(), h, "octet %zu", i);
		cr_assert_eq(opened, 7, "octet %zu", i);
	}
	for (size_t i = 0; i < n; i++) {
		spew(good, i);
		cr_assert_eq(digest_now(), h, "%zu octets", i);
		cr_assert_eq(opened, 7);
	}
	memcpy(bad, good, n);
	bad[n] = 0;
	spew(bad, n + 1);
	cr_assert_eq(digest_now(), h);
	cr_assert_eq(opened, 7);
	spew(good, n);
	cr_assert_eq(digest_now(), h);
	cr_assert_eq(opened, 0);
	free(good);
	free(bad);
}

/* A file of the right form whose content lies: written by our own hand. */
struct lie {
	const char *names; /* with NULs */
	size_t names_n;
	size_t count;
};

Test(cache, lying_names_are_no_cache)
{
#define LIE(names, count)                          \
	{                                          \
		names "", sizeof(names) - 1, count \
	}
	static const struct lie lies[] = {
		LIE("1.a\0002.b\0", 3),		      /* too few */
		LIE("1.a\0002.b\0003.c\0004.d\0", 3), /* too many */
		LIE("1.a\0002.b\0003.c", 3),	      /* no end */
		LIE("2.b\0001.a\0003.c\0", 3),	      /* no order */
		LIE("1.a\0001.a\0003.c\0", 3),	      /* twice */
		LIE("1.a\0../2.b\0003.c\0", 3),	      /* elsewhere */
		LIE("1.a\0/etc/passwd\0003.c\0", 3),
		LIE(".a\0002.b\0003.c\0", 3),
		LIE("\0\0\0", 3),
		LIE("", 3),
		LIE("", 0),
	};
	place_put("cur/1.a", "a\n");
	place_put("cur/2.b", "b\n");
	place_put("cur/3.c", "c\n");
	uint64_t h = digest_without_cache();
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct maildrop_message messages[3] = { 0 };
		struct maildrop drop = {
			.driver = &maildrop_maildir,
			.state = place_state,
			.messages = messages,
			.count = lies[i].count,
		};
		char text[64];
		memcpy(text, lies[i].names, lies[i].names_n);
		struct cache cache = { .text = text, .text_n = lies[i].names_n };
		memset(cache.key, 0xFF, sizeof(cache.key));
		for (size_t k = 0; k < 3; k++)
			messages[k] = (struct maildrop_message){ .size = UINT64_MAX,
				.stored = UINT64_MAX,
				.at = UINT64_MAX,
				.id = { 5, 5 } };
		cr_assert_eq(cache_store(&drop, &cache), 0);
		cr_assert_eq(digest_now(), h, "lie %zu", i);
		cr_assert_eq(opened, 3, "lie %zu", i);
	}
}

Test(cache, links_and_other_things_are_no_cache)
{
	fill(5);
	uint64_t h = digest_now();
	cr_assert_eq(renameat(place_state, CACHE_NAME, place_state, "elsewhere"), 0);
	cr_assert_eq(symlinkat("elsewhere", place_state, CACHE_NAME), 0);
	struct maildrop *drop = open_drop();
	cr_assert_eq(opened, 5);
	cr_assert_eq(digest(drop), h);
	place_put("new/7000.z", "z\n");
	maildrop_close(drop);
	struct stat st;
	cr_assert_eq(fstatat(place_state, CACHE_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_assert(S_ISREG(st.st_mode), "the link was replaced, not followed");

	cr_assert_eq(unlinkat(place_state, CACHE_NAME, 0), 0);
	cr_assert_eq(mkfifoat(place_state, CACHE_NAME, 0600), 0);
	cr_assert_eq(digest_now(), digest_without_cache());
	cr_assert_eq(unlinkat(place_state, CACHE_NAME, 0), 0);
	cr_assert_eq(mkdirat(place_state, CACHE_NAME, 0700), 0);
	cr_assert_eq(digest_now(), digest_without_cache());
}

Test(cache, beside_is_no_way_out)
{
	struct stat st;
	fill(3);
	cr_assert_eq(symlinkat("../victim", place_state, CACHE_NEW), 0);
	digest_now();
	cr_assert_eq(stat("victim", &st), -1);
	cr_assert_eq(unlinkat(place_state, CACHE_NAME, 0), 0);
	cr_assert_eq(mkdirat(place_state, CACHE_NEW, 0700), 0);
	digest_now();
	cr_assert_eq(opened, 3);
	digest_now();
	cr_assert_eq(opened, 3, "no cache could be written: slow, and all there");
}

/* Huge, and costs its owner nothing: neither memory nor time of ours. */
Test(cache, sparse_file_is_no_cache)
{
	size_t n;
	fill(3);
	uint64_t h = digest_now();
	unsigned char *good = slurp(&n);
	struct cache_header *header = (struct cache_header *)good;
	for (int i = 0; i < 3; i++) {
		header->count = i == 0 ? UINT64_MAX / 48 : i == 1 ? 16000000 : 1000000;
		spew(good, n);
		cr_assert_eq(truncate("state/" CACHE_NAME,
				     (off_t)(sizeof(*header) +
					     header->count % 100000000 * 48 +
					     header->text_n)),
			0);
		cr_assert_eq(digest_now(), h);
		cr_assert_eq(opened, 3);
	}
	free(good);
}

Test(cache, full_disk_only_costs_speed)
{
	struct rlimit limit = { 100, 100 };
	fill(30);
	uint64_t h = digest_without_cache();
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(digest_now(), h);
	cr_assert_eq(digest_now(), h);
	cr_assert_eq(opened, 30);
	cr_assert_eq(
		faccessat(place_state, CACHE_NEW, F_OK, 0), -1, "nothing is left over");
}

Test(cache, other_kind_is_no_cache)
{
	struct maildrop drop = { .driver = &maildrop_mbox, .state = place_state };
	struct cache cache = { 0 };
	cr_assert_eq(cache_store(&drop, &cache), 0);
	drop.driver = &maildrop_maildir;
	cr_assert(!cache_load(&drop, &cache));
	drop.driver = &maildrop_mbox;
	cr_assert(cache_load(&drop, &cache));
	free(cache.text);
	cache_forget(&drop);
	cr_assert(!cache_load(&drop, &cache));
	free(drop.messages);
}
