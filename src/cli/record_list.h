/*
 * record_list: one element each of an account's lists; arg is the struct record, which
 * grows by it. 0; or -1, when it is not of its form.
 */
#ifndef POSTERN_CLI_RECORD_LIST_H
#define POSTERN_CLI_RECORD_LIST_H

#include "accounts/members.h"

int record_alias(void *arg, const struct member *m);
int record_app(void *arg, const struct member *m);
int record_scram(void *arg, const struct member *m);
int record_certificate(void *arg, const struct member *m);

#endif
