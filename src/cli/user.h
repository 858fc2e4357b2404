/*
 * user: what the commands about accounts share.
 */
#ifndef POSTERN_CLI_USER_H
#define POSTERN_CLI_USER_H

#include "accounts/edit.h"
#include "cli/cli.h"

/* The options that set an account's limits, and their help. */
#define LIMIT_OPTIONS                                                     \
	"maildrop= owner= net= expires= main-password= read-only= quota=" \
	" quota-messages="

#define LIMIT_ARGUMENTS                                                   \
	"[--maildrop KIND:PATH] [--owner USER]\n"                         \
	"    [--net CIDR]... [--expires WHEN] [--main-password on|off]\n" \
	"    [--read-only on|off] [--quota OCTETS] [--quota-messages N]"

#define LIMIT_HELP                                                                   \
	"  --maildrop maildir:PATH|mbox:PATH|default\n"                              \
	"                        the account's maildrop (default: as the server's\n" \
	"                        configuration says)\n"                              \
	"  --owner USER|default  the system's user that the mail belongs to\n"       \
	"  --net CIDR|any        accept logins only from there; may be repeated\n"   \
	"  --expires WHEN        90d, 2026-12-31, never: no logins from then on\n"   \
	"  --main-password off   accept app passwords only\n"                        \
	"  --read-only on        messages may be fetched, not deleted\n"             \
	"  --quota, --quota-messages\n"                                              \
	"                        'postern deliver' defers when it is used up:\n"     \
	"                        500M, 2G; 0: none\n"

#define SCRAM_HELP                                                                    \
	"  --scram               also keep keys for SCRAM-SHA-256; who steals them\n" \
	"                        guesses faster than with the hash alone\n"           \
	"  --scram-sha-1         and for SCRAM-SHA-1, which old clients want\n"

#define DB_HELP "  --db FILE             the database, instead of the configuration's\n"

/* Takes them over into *account. 0, or CLI_MISUSED with the reason printed. */
int user_limits(const struct cli *cli, struct account *account);

#define KEEP_HELP "  --keep-sessions       sessions that have begun go on\n"

/* --net and --expires alone. */
int user_networks(const struct cli *cli, struct networks *networks);
int user_expires(const struct cli *cli, int64_t *expires);

/* The normal form of operand i; 0, or CLI_MISUSED with the reason printed. */
int user_name(const struct cli *cli, int i, char name[ACCOUNT_NAME_MAX + 1]);

/* What is kept of a password beside its hash. Keys of SCRAM are cheaper to guess with
 * than the hash is, so nobody has them who does not want them. */
struct kept {
	bool apop, scram_sha_1, scram_sha_256;
};

/* As the options say; as is how it is: of a new account, nothing. */
struct kept user_kept(const struct cli *cli, struct kept as);

/*
 * All that a password leaves behind: hash, SCRAM keys, the sealed secret (which makes
 * the key file at first need). 0, or CLI_FAILED with the reason printed.
 */
int user_credentials(struct store *store, const char *name, struct span password,
	struct kept kept, struct credentials *credentials);

/* The keys of SCRAM alone. 0, or -1 with errno. */
int user_scram(struct span password, struct kept kept, struct credentials *credentials);

/* The sealed secret alone. 0, or CLI_FAILED with the reason printed. */
int user_seal(struct store *store, const char *name, struct span secret,
	struct credentials *credentials);

#endif
