/*
 * reach: of `postern check`: can the owner of an account source's mail get to it? A
 * directory on the way that only root may enter stops every session and delivery.
 */
#ifndef POSTERN_CLI_REACH_H
#define POSTERN_CLI_REACH_H

#include "cli/finding.h"
#include "postern/setup.h"

void reach_check(struct findings *f, const struct source_setup *source);

#endif
