/*
 * kill: runs a function in a process that is killed at a chosen system call.
 */
#ifndef POSTERN_TESTS_FAULT_KILL_H
#define POSTERN_TESTS_FAULT_KILL_H

#include <stdint.h>

/*
 * Runs act(self) in a child that is killed at its nth stop, before or behind a system
 * call (0: never). Returns how many stops there were: n, or less when it ended by
 * itself. Ends the program: with 77 where ptrace(2) is not allowed, with 1 when
 * the child fails by itself.
 */
long kill_at(void (*act)(void *self), void *self, long n);

/*
 * Runs act(self) in a child that is killed after so many nanoseconds, in or between
 * system calls (UINT64_MAX: never). Returns the nanoseconds that it lived. Ends the
 * program with 1 when the child fails by itself.
 */
uint64_t kill_after(void (*act)(void *self), void *self, uint64_t nanoseconds);

#endif
