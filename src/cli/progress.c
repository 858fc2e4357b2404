/*
 * progress: see progress.h.
 */
#include "cli/progress.h"

#include "base/io.h"

#include <stdio.h>
#include <unistd.h>

enum { FIRST_MS = 1000, AGAIN_MS = 1000 };

void progress_tell(struct progress *p, const char *what, size_t done, size_t total)
{
	int64_t now = io_now();
	if (p->next == 0)
		p->next = now + FIRST_MS;
	if (now < p->next || !isatty(STDERR_FILENO))
		return;
	p->next = now + AGAIN_MS;
	int n = fprintf(stderr, "\r%s %zu of %zu", what, done, total);
	p->shown = n > p->shown ? n : p->shown;
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown > 0)
		fprintf(stderr, "\r%*s\r", p->shown, "");
	p->shown = 0;
}
