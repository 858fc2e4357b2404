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
	PLACE_NONE,   /* no source has the name; nothing is printed */
	PLACE_FAULT,  /* printed */
	PLACE_HIDDEN, /* of one source: the caller can't see whether it has the name */
};

/*
 * Fills account, uid, gid, groups, maildrop and path_name of *identity. The
 * owner of an account database's mail who may not read the database gets what its
 * template says of the name; for others the next source is asked.
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
