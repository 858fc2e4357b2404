/*
 * kept: journals of interrupted removals that did not fit their mbox any more.
 */
#ifndef POSTERN_CLI_KEPT_H
#define POSTERN_CLI_KEPT_H

#include "cli/finding.h"

/* A warning for each one in the directory of the maildrops' state directories. */
void kept_check(struct findings *findings, const char *states);

#endif
