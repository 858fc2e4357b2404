/*
 * logger: with posternd in the background, descriptor 2 of every process is
 * a pipe; a small process without privileges takes its lines to syslog.
 */
#ifndef POSTERN_MASTER_LOGGER_H
#define POSTERN_MASTER_LOGGER_H

#include "config/config.h"

#include <sys/types.h>

/*
 * Makes the pipe: descriptor 2 becomes its writing end, and *reading the other one,
 * which the master keeps so that no line is lost while the logger starts
 * again. 0, or -1 with errno.
 */
int logger_open(int *reading);

/* Starts the process; it becomes the configuration's user when we are root. Its pid,
 * or 0 (nothing to log to: silent). */
pid_t logger_start(const struct config *config, int reading);

#endif
