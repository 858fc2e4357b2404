/*
 * box: an mbox in a directory of its own, for the tests of the mbox driver.
 */
#ifndef POSTERN_TESTS_UNIT_BOX_H
#define POSTERN_TESTS_UNIT_BOX_H

#include "postern/maildrop.h"

#define DATED "From joe@example.org Thu Jan  1 00:00:00 1970\n"

/* Messages. */
#define A   DATED "A: 1\n\nfirst\n\n"
#define B   DATED "B: 2\n\nsecond, which is longer\n\n"
#define C   DATED "C: 3\n\n\n"
#define D   DATED "D: 4\n\nlast, without an empty line\n"
#define NEW DATED "N: 5\n\nnew\n\n"

/* What is in the directory: the mbox, its dotlock, its state directory, open. */
extern char box_dir[64], box_path[128], box_dotlock[160], box_state_path[128];
extern int box_state;

/* Around every test: TestSuite(..., .init = box_begin, .fini = box_end). */
void box_begin(void);
void box_end(void);

/* Writes the mbox, whole or behind what there is; reads it. */
void box_put_n(const char *text, size_t n, int flags);
void box_put(const char *text);
void box_append(const char *text);
char *box_get(size_t *n);
void box_expect(const char *text);

/* Writes one of BOX_MANY messages, the last of them large; the two from place on are
 * noted as read and new, or (turned) as new and read: only the second one moves. */
enum { BOX_MANY = 300 };
void box_put_many(int place, bool turned);

struct maildrop *box_open(void);

/* errno when it can't be opened, 0 when it can. */
int box_open_fails(struct maildrop_fault *fault);

/* The octets of message i, which the caller frees. */
char *box_body(struct maildrop *drop, size_t i, size_t *n);

/* The unique-id of message i of the mbox as it is now. */
void box_uid(size_t i, char uid[MAILDROP_UID_MAX + 1]);

/* Marks the messages for which there is an x. */
void box_mark(struct maildrop *drop, const char *marks);

/* errno when that fails, 0 when it does not. */
int box_body_error(struct maildrop *drop, size_t i);
int box_send_error(struct maildrop *drop, size_t i); /* opened, read, checked */
int box_commit_error(struct maildrop *drop);

/* Another program's write is later than the session's open by any clock. */
void box_touch(int seconds);

/* Runs f as somebody who is not root; 0, or what it says is wrong. */
int box_as_nobody(int (*f)(void));

#endif
