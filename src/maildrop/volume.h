/*
 * volume: what the file system under a maildrop may be trusted with.
 */
#ifndef POSTERN_MAILDROP_VOLUME_H
#define POSTERN_MAILDROP_VOLUME_H

#include <stdbool.h>

/*
 * Is the open file on a file system that this machine's kernel alone keeps: whose times
 * are this machine's, and whose flock(2) has nothing to do with fcntl(2)'s locks? Of
 * others (FUSE, network, unknown ones): false.
 */
bool volume_is_local(int fd);

#endif
