/*
 * mbox: what the files of the mbox driver share.
 */
#ifndef POSTERN_MAILDROP_MBOX_H
#define POSTERN_MAILDROP_MBOX_H

#include "maildrop/driver.h"
#include "maildrop/mbox_rewrite.h"

#include <sys/stat.h>

enum {
	MBOX_LOCK_SECONDS = 15,	 /* how long open and commit wait for the locks */
	MBOX_LINE_SEEN = 256,	 /* octets of a "From " line that are remembered */
	MBOX_TAIL_SEEN = 4096,	 /* octets at the snapshot's end that are */
	MBOX_BLOCK = 256 * 1024, /* octets read at once */
};

/* A message's "From " line: where it begins, and what its beginning hashes to. */
struct mbox_line {
	uint64_t from;
	uint64_t sum;
};

struct mbox {
	int fd; /* -1: there is no mbox */
	bool writable;
	bool fresh;	  /* something was read that the cache did not know */
	uint64_t end;	  /* of the snapshot: octets of the file at open */
	uint64_t tail;	  /* hash of the snapshot's last MBOX_TAIL_SEEN octets */
	struct stat seen; /* the file as it was then */
	struct journal_place journal;
	struct mbox_tuning tuning;
	struct mbox_line *lines; /* one for each message */
	size_t room;
	uint32_t *twins; /* how many earlier messages have the same id; see mbox_id.c */
};

/* Hash of the first MBOX_LINE_SEEN octets of the line at from, or of what there is
 * of it before at. */
uint64_t mbox_line_sum(struct span line);

/* Of the octets of the file before end. 0, or -1 with errno (EAGAIN: there are
 * fewer). */
int mbox_tail_sum(int fd, uint64_t end, uint64_t *sum);

/*
 * Do messages first to end - 1 still have the places that the snapshot gave them? Asks
 * the file only when its times or its size say that they may not: for its end, and for
 * the "From " lines of these messages. Growth is no change. Returns 0, or -1 with errno
 * ESTALE and *fault.
 */
int mbox_verify(
	struct maildrop *drop, size_t first, size_t end, struct maildrop_fault *fault);

/* Is the open file still the one that has the maildrop's name? 0, or -1 with errno
 * (ESTALE: no) and *fault. */
int mbox_check_name(struct maildrop *drop, struct maildrop_fault *fault);

/* The "From " lines of messages first to end - 1: 1: all still stand there; 0: not; -1
 * with errno. */
int mbox_check_lines(struct maildrop *drop, size_t first, size_t end);

int mbox_commit(struct maildrop *drop, struct maildrop_done *done,
	struct maildrop_fault *fault);

#endif
