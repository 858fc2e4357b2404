/*
 * prompt: a password from the administrator.
 */
#ifndef POSTERN_CLI_PROMPT_H
#define POSTERN_CLI_PROMPT_H

#include "base/secret.h"
#include "cli/cli.h"

/*
 * The new password of an account: from the terminal, twice and without echo; or with
 * --stdin the first line of standard input. At least 1 octet and at most
 * LOGIN_PASSWORD_MAX, valid UTF-8, no control characters. 0, or an exit code with
 * the reason printed. Wipe it when done.
 */
int prompt_password(const struct cli *cli, const char *name, struct secret *password);

#endif
