/*
 * steps: what the verbs of sandbox.h are made of on Linux (linux.c). Each returns
 * 0, or -1 with errno.
 */
#ifndef POSTERN_SANDBOX_STEPS_H
#define POSTERN_SANDBOX_STEPS_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* What every domain gives up first: core files, being looked at, new privileges. */
int step_begin(void);

/* Keeps of the capabilities only those in the set keep (bits 1 << CAP_x). */
int step_capabilities(uint32_t keep);

/* No program that runs later gets more capabilities than keep. Not root: nothing. */
int step_bounding(uint32_t keep);

/* No descriptor from that number on. */
int step_descriptors(rlim_t most);

/* No file at all (Landlock). */
int step_no_files(void);

/* A process at the end of the line: no process of its own, no descriptor from
 * that number on, no more octets of data. */
int step_limits(rlim_t descriptors, rlim_t data);

/* What a warm parent holds for a moment beside its channels: a message's descriptors.
 */
enum { PARENT_DESCRIPTORS = 32 };

/* Loads a program of filters.h; the last step, as a program may forbid it. */
int step_filter(const struct sock_filter *program, size_t n);

#define STEP_FILTER(name) \
	step_filter(filter_##name, sizeof(filter_##name) / sizeof(*filter_##name))

#endif
