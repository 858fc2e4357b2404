/*
 * journal_file: what the files of the journal share: where things stand in the file,
 * and how they are summed. For journal*.c alone.
 */
#ifndef POSTERN_MAILDROP_JOURNAL_FILE_H
#define POSTERN_MAILDROP_JOURNAL_FILE_H

#include "base/span.h"
#include "maildrop/journal.h"

enum {
	JOURNAL_BLOCK = 4096,
	JOURNAL_RANGES_AT = 3 * JOURNAL_BLOCK,
	JOURNAL_SUM = 16,
};

uint64_t journal_ranges_size(const struct journal *journal);

/* Where the log of step number stands. */
uint64_t journal_log_at(const struct journal *journal, uint64_t number);

/* A checksum of JOURNAL_SUM octets, bound to this journal by its mark. */
void journal_sum(const struct journal *journal, struct span s, unsigned char *sum);

/* Numbers as the disk has them, and back. */
void journal_to_disk(uint64_t *words, size_t n);
void journal_from_disk(uint64_t *words, size_t n);

/* Is there anything where the record of the second step stands? It is written when that
 * of the first has been flushed, and its octets are moved. 1, 0, -1. */
int journal_has_second(struct journal *journal);

/* Header and ranges. 0, or -1. */
int journal_write_header(struct journal *journal);

/* 1, or 0 when it is none, or -1. */
int journal_read_header(struct journal *journal, uint64_t *ranges_sum);

/* 1, or 0 when they are torn or senseless, or -1. size: of the file. */
int journal_read_ranges(struct journal *journal, uint64_t size, uint64_t sum);

/* The newest whole one becomes journal->last. 1, or 0 when there is none, or -1. */
int journal_read_records(struct journal *journal);

#endif
