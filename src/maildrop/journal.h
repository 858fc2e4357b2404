/*
 * journal: the file that makes an mbox commit atomic. It holds what is removed
 * (written once), how far the commit has come (two records in turn), and the octets
 * of a step that overwrites its own sources (two logs in turn).
 *
 *   0      header: what is removed, of which mbox
 *   4096   record of even steps        8192  record of odd steps
 *   12288  the removed ranges
 *   then   log of even steps, log of odd steps
 *
 * All numbers are 64 bits, little-endian. Header and records end in a checksum;
 * a record that was torn is not there, and the one before it counts.
 */
#ifndef POSTERN_MAILDROP_JOURNAL_H
#define POSTERN_MAILDROP_JOURNAL_H

#include "maildrop/mbox_shift.h"

#include <sys/types.h>

#define JOURNAL_NAME "mbox-journal"
#define JOURNAL_KEPT JOURNAL_NAME ".kept"

enum {
	JOURNAL_MARK = 16,     /* octets of the mark, see mbox_rewrite.c */
	JOURNAL_NAME_MAX = 255 /* without NUL */
};

/* Where a journal is, or would be. */
struct journal_place {
	int dir;    /* -1: there can be none */
	bool owned; /* dir is closed with it */
	char name[JOURNAL_NAME_MAX + 1];
};

enum journal_step {
	JOURNAL_MOVE = 1, /* octets [from, to) of what stays go to their place */
	JOURNAL_CUT = 2,  /* the mark stands behind them; the file is cut there */
};

struct journal_record {
	uint64_t number; /* of the step: 1, 2, ... */
	enum journal_step step;
	uint64_t from, to;
	bool logged; /* the octets are in the log; else they are where they were */
	uint64_t log_sum;
	uint64_t end; /* of the mbox: shift.end, and what was appended since */
	uint64_t
		tail_sum; /* of octets before end that no step before the cut touches */
};

struct journal {
	int fd;
	uint64_t inode;		 /* of the mbox */
	uint64_t head_sum;	 /* of octets before the first removed one */
	struct mbox_shift shift; /* end follows the last record's */
	uint64_t log_room;	 /* octets that a log holds */
	unsigned char mark[JOURNAL_MARK];
	struct journal_record last;
};

/*
 * The state directory, or, when there is none (-1), the directory of the mbox
 * at path, if that can be opened.
 */
void journal_place(struct journal_place *place, int state, const char *path);
void journal_place_close(struct journal_place *place);

/*
 * Makes the file: inode, head_sum, shift, log_room are the caller's; logs of them
 * are allocated. Nothing is a record yet. Returns 0, or -1 with errno (and no
 * file). What stands under its name is removed first.
 */
int journal_create(
	struct journal *journal, const struct journal_place *place, unsigned logs);

/*
 * Reads the file and its newest whole record. Or -1 with errno. journal_close()
 * releases what was found.
 */
enum journal_found {
	JOURNAL_NONE,	 /* or of a commit that had not begun: that one is removed */
	JOURNAL_FOUND,	 /* with a record */
	JOURNAL_DAMAGED, /* a commit had begun, and how far it came can't be read */
};

int journal_open(struct journal *journal, const struct journal_place *place);

/* Writes octets into the log of step number. 0, or -1. */
int journal_log(
	struct journal *journal, uint64_t number, uint64_t at, const void *p, size_t n);
int journal_log_read(
	struct journal *journal, uint64_t number, uint64_t at, void *p, size_t n);

/* Writes the record as the newest one, and flushes it with the log. 0, or -1. */
int journal_write(struct journal *journal, const struct journal_record *record);

/* Removes the file, or keeps it under a name that no recovery looks at. */
int journal_remove(const struct journal_place *place);
int journal_set_aside(const struct journal_place *place);

void journal_close(struct journal *journal);

#endif
