/*
 * sense: what a configuration allows, and hardly anybody means; for `postern check`.
 */
#ifndef POSTERN_CLI_SENSE_H
#define POSTERN_CLI_SENSE_H

#include "cli/finding.h"
#include "config/config.h"

/* Certificate's time and names, passwords in the clear, descriptors, ways in. */
void sense_check(struct findings *f, const struct config *config);

#endif
