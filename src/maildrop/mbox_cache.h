/*
 * mbox_cache: what a scan found, kept for the next open.
 */
#ifndef POSTERN_MAILDROP_MBOX_CACHE_H
#define POSTERN_MAILDROP_MBOX_CACHE_H

#include "maildrop/driver.h"

/*
 * Under the locks, with the file's state in its struct mbox (seen, end): takes over the
 * messages and lines that an earlier open found and that still hold, and returns
 * where the scan has to go on: the file's end, or the last message's "From " line, or
 * 0 (then there are none).
 */
uint64_t mbox_cache_load(struct maildrop *drop);

/* Writes the snapshot. Failure costs the next open its time and nothing else. */
void mbox_cache_store(const struct maildrop *drop);

/* Under the locks, after the marked messages were removed from the file: brings the
 * snapshot up to date and writes it. */
void mbox_cache_committed(struct maildrop *drop);

#endif
