/*
 * logger: descriptor 2 of every process of ours is a pipe, one for each domain; a
 * small process without privileges takes their lines to where posternd logs: syslog(3),
 * or in the foreground what was its own descriptor 2.
 */
#ifndef POSTERN_MASTER_LOGGER_H
#define POSTERN_MASTER_LOGGER_H

#include "config/config.h"
#include "master/line.h"

#include <sys/types.h>

struct logger {
	const struct config *config;
	pid_t pid; /* 0: none */
	int64_t born;
	unsigned deaths;       /* at birth, one after the other */
	int reading[SPEAKERS]; /* held, so that no line is lost while it starts again */
	int writing[SPEAKERS]; /* descriptor 2 of each domain's processes */
	int foreground;	       /* the descriptor 2 that we were given; -1: syslog */
	int starter;	       /* who waits for our start sees the lines; -1: nobody */
};

/*
 * Makes the pipes, our own descriptor 2 becomes the writing end of one, and starts the
 * process; it becomes the configuration's user when we are root. starter: with it in
 * the background, a pipe that each line goes into as well, until nobody reads it.
 * The configuration must live on. 0, or -1 with errno.
 */
int logger_start(struct logger *logger, const struct config *config, bool foreground,
	int starter);

/* It was reaped: another one goes on. */
void logger_again(struct logger *logger);

/* Our own last line is written: waits until the logger has taken what is there, as long
 * as it has no other writer; a few seconds at most. */
void logger_finish(struct logger *logger);

#endif
