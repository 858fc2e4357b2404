/*
 * mbox: what the files of the mbox driver share.
 */
#ifndef POSTERN_MAILDROP_MBOX_H
#define POSTERN_MAILDROP_MBOX_H

#include "maildrop/driver.h"
#include "maildrop/mbox_id.h"
#include "maildrop/mbox_known.h"
#include "maildrop/mbox_rewrite.h"

#include <sys/stat.h>

enum {
	MBOX_LOCK_SECONDS = 15, /* how long open and commit wait for the locks */
	MBOX_HEAD_SEEN = 512,  /* octets of a message's beginning that are remembered */
	MBOX_TAIL_SEEN = 4096, /* octets at the snapshot's end that are */
	MBOX_BLOCK = 256 * 1024, /* octets read at once */
};

/* A message's "From " line: where it begins, and what the message's first
 * MBOX_HEAD_SEEN octets, from there on, hash to. */
struct mbox_line {
	uint64_t from;
	uint64_t sum;
};

/* What was read of the body that is open since the file was found touched. */
struct mbox_sent {
	bool summed;
	uint64_t from, to;
	struct mbox_sum sum;
};

struct mbox {
	int fd; /* -1: there is no mbox */
	bool writable;
	bool fresh;   /* something was read that the cache did not know */
	bool former;  /* the cache has unique-ids of the former form */
	bool touched; /* it was found changed since open, if only by mail */
	/*
	 * So many of the messages, from the first on, have their ids from a cache that
	 * was made before the file was changed last: their beginnings stand where they
	 * stood, and they are looked at as a whole before they are sent or removed.
	 */
	size_t believed;
	uint64_t end;	  /* of the snapshot: octets of the file at open */
	uint64_t tail;	  /* hash of the snapshot's last MBOX_TAIL_SEEN octets */
	struct stat seen; /* the file as it was then */
	struct journal_place journal;
	struct mbox_tuning tuning;
	struct mbox_line *lines; /* one for each message */
	size_t room;
	uint32_t *twins; /* how many earlier messages have the same id; see mbox_id.c */
	struct mbox_known known;
	struct mbox_sent sent;
};

/* Of the octets of the file before end. 0, or -1 with errno (EAGAIN: there are
 * fewer). */
int mbox_tail_sum(int fd, uint64_t end, uint64_t *sum);

/*
 * Do messages first to last - 1 still have the places that the snapshot gave them? Asks
 * the file only when its times or its size say that they may not: for its end, and for
 * the beginnings of these messages. Growth is no change. Returns 0, or -1 with errno
 * ESTALE and *fault.
 */
int mbox_verify(
	struct maildrop *drop, size_t first, size_t last, struct maildrop_fault *fault);

/* Behind mbox_verify(): is each marked message the one that its unique-id names? Reads
 * those about which there can be a doubt. 0, or -1 as above. */
int mbox_verify_marked(struct maildrop *drop, struct maildrop_fault *fault);

/* Is message i the one that its unique-id names, and was it read as that one since
 * mbox_sent_begin()? 0, or -1 as above. */
int mbox_verify_sent(struct maildrop *drop, size_t i, struct maildrop_fault *fault);

/* Of the open body these octets were read at that place. */
void mbox_sent_begin(struct mbox *box);
void mbox_sent_add(struct maildrop *drop, uint64_t at, struct span octets);

/* Is the open file still the one that has the maildrop's name? 0, or -1 with errno
 * (ESTALE: no) and *fault. */
int mbox_check_name(struct maildrop *drop, struct maildrop_fault *fault);

/* Do the beginnings of messages first to last - 1, of which the snapshot's last one
 * goes to end, stand where they stood (or, where a flag was changed in one, the same
 * message)? 1, 0, or -1 with errno. */
int mbox_check_heads(struct maildrop *drop, size_t first, size_t last, uint64_t end);

/* The same of a whole message, by its unique-id. */
int mbox_check_message(struct maildrop *drop, size_t i, uint64_t end);

int mbox_commit(struct maildrop *drop, struct maildrop_done *done,
	struct maildrop_fault *fault);

#endif
