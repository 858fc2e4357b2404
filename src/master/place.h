/*
 * place: the master's own directories, made when they are missing, refused
 * when somebody else could write there.
 */
#ifndef POSTERN_MASTER_PLACE_H
#define POSTERN_MASTER_PLACE_H

#include "base/poison.h"

/*
 * Makes path (0755, with its parents) and in it name (0700); an empty name means
 * path itself (0700). Returns a descriptor of the last one, or -1 after a log line.
 */
int place_open(const char *path, const char *name);

/*
 * Takes the server's lock (locks/server.lock in directory path) and writes our pid into
 * the pid file. Returns the lock's descriptor, to be kept; or -1 after a log line that
 * names the process which runs already.
 */
int place_lock_pid(const char *path);

/* Empties the pid file and lets the lock go. */
void place_unlock_pid(int fd, const char *path);

#endif
