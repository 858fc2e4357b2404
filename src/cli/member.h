/*
 * member: the values in a line of postern user import. Each takes one that is of its
 * form: 0; or -1, when it is not.
 */
#ifndef POSTERN_CLI_MEMBER_H
#define POSTERN_CLI_MEMBER_H

#include "accounts/members.h"
#include "accounts/network.h"
#include "base/secret.h"

int member_bool(const struct member *m, bool *value);

/* 0 to max; null is 0. */
int member_number(const struct member *m, uint64_t max, uint64_t *value);

/* What text_when() reads; null is 0. */
int member_time(const struct member *m, int64_t *when);

int member_text(const struct member *m, char *text, size_t size);

/* *n octets, at most room of them. */
int member_base64(
	const struct member *m, unsigned char *octets, size_t room, size_t *n);

/* A password; null leaves it empty, a second one is a mistake. */
int member_secret(const struct member *m, struct secret *secret);

/* The store only lends its JSON parser. */
int member_networks(
	const struct member *m, struct store *store, struct networks *networks);

#endif
