/*
 * progress: a sign of life on a terminal, once a second; silence in a pipe or a file.
 */
#ifndef POSTERN_CLI_PROGRESS_H
#define POSTERN_CLI_PROGRESS_H

#include "base/poison.h"

#include <stddef.h>
#include <stdint.h>

struct progress {
	int64_t next; /* when the next sign is due; 0: none was given yet */
	int shown;    /* columns that stand on the terminal */
};

/* "what done of total", on standard error. */
void progress_tell(struct progress *p, const char *what, size_t done, size_t total);

/* Takes the line away again, for what is printed behind it. */
void progress_end(struct progress *p);

#endif
