/*
 * place: which account a name means, where its maildrop is and whose, for commands
 * that work on maildrops. The same sources in the same order as a login.
 */
#ifndef POSTERN_CLI_PLACE_H
#define POSTERN_CLI_PLACE_H

#include "cli/cli.h"
#include "config/config.h"
#include "postern/identity.h"

enum place_result {
	PLACE_FOUND,
	PLACE_NONE,  /* no source has the name; nothing is printed */
	PLACE_FAULT, /* printed */
};

/*
 * Fills account, uid, gid, groups, maildrop and path_name of *identity. Who is not
 * root and may not read an account database gets what its template says of the name.
 */
enum place_result place_find(
	const struct config *config, const char *name, struct identity *identity);

/* Becomes the owner, for good; umask 077. Whoever is not root stays who they are. 0, or
 * CLI_FAILED (printed). */
int place_become(const struct identity *identity);

/* place_find() of operand i with the configuration of -c, for Maildirs only. 0 or an
 * exit code. */
int place_of_operand(const struct cli *cli, int i, struct config **config,
	struct identity *identity);

#endif
