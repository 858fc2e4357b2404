/*
 * deliver_source: what both kinds of delivery share: the message in its parts, and the
 * way to a directory.
 */
#ifndef POSTERN_MAILDROP_DELIVER_SOURCE_H
#define POSTERN_MAILDROP_DELIVER_SOURCE_H

#include "maildrop/deliver.h"

enum { DELIVER_BLOCK = 64 * 1024 };

/* A message, block by block. */
struct deliver_source {
	const struct deliver_message *message;
	int part; /* 0: head, 1: begun, 2: the rest */
	unsigned char *block;
};

/* 0, or -1 with errno. deliver_source_end() after either. */
int deliver_source_begin(
	struct deliver_source *source, const struct deliver_message *message);
void deliver_source_end(struct deliver_source *source);

/* The next octets into *s, none at the end. 0, or -1 with errno. */
int deliver_source_next(struct deliver_source *source, struct span *s);

/*
 * Opens (O_PATH) the directory of the first n octets of an absolute path, making what
 * is missing of it, 0700. It need not be readable: what stands above a maildrop often
 * may only be passed through. A descriptor, or -1 with errno and *fault, which names
 * the directory that could not be entered.
 */
int deliver_enter(const char *path, size_t n, struct maildrop_fault *fault);

/* From here on the exit code tells whether the message is there, and no signal ends the
 * process before it can. */
void deliver_ignore_signals(void);

/* To be called last: *fault says what failed, unless it does already. Keeps errno. */
void deliver_fail(struct maildrop_fault *fault, const char *path);

#endif
