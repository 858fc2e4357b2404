/* pages: what was asked for costs no faults any more, and holds what it held. */
#include "base/pages.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 64, TOLERATED = 8 /* faults of what else goes on */ };

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned char *memory(void)
{
	unsigned char *p = mmap(NULL, PAGES * page(), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(p != MAP_FAILED);
	for (size_t i = 0; i < PAGES; i++)
		p[i * page()] = (unsigned char)i;
	return p;
}

/* Faults of writing to each page, and whether all was as it should be. */
static long write_to(unsigned char *p)
{
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < PAGES; i++) {
		if (p[i * page()] != i)
			return -1;
		p[i * page() + 1] = 1;
	}
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* The faults of a child that asks, or does not. */
static long faults_in_child(unsigned char *p, int ask)
{
	long faults = -1;
	int ends[2], status;
	cr_assert_eq(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (ask)
			pages_object(p, PAGES * page());
		faults = write_to(p);
		_exit(write(ends[1], &faults, sizeof(faults)) != sizeof(faults));
	}
	cr_assert_eq(read(ends[0], &faults, sizeof(faults)), (ssize_t)sizeof(faults));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	close(ends[0]);
	close(ends[1]);
	return faults;
}

Test(pages, an_object_is_copied_at_once)
{
	unsigned char *p = memory();
#ifdef MADV_POPULATE_WRITE
	if (madvise(p, page(), MADV_POPULATE_WRITE) < 0 && errno == EINVAL)
		cr_skip("this kernel cannot (before Linux 5.14)");
#endif
	cr_assert_geq(faults_in_child(p, 0), PAGES, "writing after fork(2) faults");
	long faults = faults_in_child(p, 1);
	cr_assert(faults >= 0 && faults < TOLERATED, "%ld faults", faults);
	for (size_t i = 0; i < PAGES; i++)
		cr_assert(p[i * page()] == i && p[i * page() + 1] == 0);
}

Test(pages, text_stack_and_heap_stay_what_they_are)
{
	char near[64], *before = strdup("before");
	memset(near, 'x', sizeof(near));
	void (*const ours[])(
		void) = { (void (*)(void))strdup, (void (*)(void))write_to };
	pages_text(ours, 2);
	pages_stack(2 * page());
	pages_heap(32 * page());
	char *after = malloc(16 * page());
	cr_assert(after && before && strcmp(before, "before") == 0);
	memset(after, 'y', 16 * page());
	for (size_t i = 0; i < sizeof(near); i++)
		cr_assert_eq(near[i], 'x');
	free(after);
	free(before);
}

/* Small, large, larger: what was there is kept, and free(3) takes all of them. */
Test(pages, arrays_grow)
{
	unsigned char *p = NULL;
	size_t used = 0;
	for (size_t n = 1000; n < 20u << 20; n = n * 3 / 2) {
		p = pages_grow(p, used, n);
		cr_assert(p);
		for (size_t i = 0; i < used; i += 97)
			cr_assert_eq(
				p[i], (unsigned char)(i % 251), "%zu of %zu", i, n);
		for (size_t i = used; i < n; i++)
			p[i] = (unsigned char)(i % 251);
		used = n;
	}
	free(p);
	cr_assert_null(pages_alloc(SIZE_MAX - 1));
	cr_assert_eq(errno, ENOMEM);
}

/* An address that is in no program and no library. */
Test(pages, what_is_nowhere_is_passed_over)
{
	void (*const nowhere[])(void) = { (void (*)(void))0x10 };
	pages_text(nowhere, 1);
	long faults = faults_in_child(memory(), 0);
	cr_assert_geq(faults, PAGES);
}
