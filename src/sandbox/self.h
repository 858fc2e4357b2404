/*
 * self: the value that stands for the own process id in the programs that
 * mkfilter prints; linux.c replaces it. No pid and no other constant of a
 * filter has it (pids end at 2^22).
 */
#ifndef POSTERN_SANDBOX_SELF_H
#define POSTERN_SANDBOX_SELF_H

enum { FILTER_SELF = 0x5E1F5E1F };

#endif
