/*
 * setup: what the master's configuration means for one domain; the first
 * message on each control channel. Each domain is told what it needs and no
 * more: the gate does not learn where accounts are kept.
 */
#ifndef POSTERN_SETUP_H
#define POSTERN_SETUP_H

#include "base/buf.h"
#include "postern/maildrop.h"
#include "postern/witness.h"

#include <stdint.h>

enum {
	SETUP_HOSTNAME_MAX = 255,
	SETUP_PATH_MAX = 511,
	SETUP_SOURCES_MAX = 8,
	SETUP_NAME_MAX = 32, /* a Unix user name */
	SETUP_ISSUERS_MAX = 4,
	SETUP_ISSUER_MAX = 255,
	SETUP_DOMAINS_MAX = 511, /* octets of an issuer's domains */
};

struct gate_setup {
	char hostname[SETUP_HOSTNAME_MAX + 1];
	uint32_t login_seconds; /* from the connection to a good login */
	uint32_t attempts;	/* logins tried per connection */
	uint32_t bad_commands;	/* per connection */
	bool certificate;	/* FD_GATE_CERTIFICATE holds PEM; there is a keeper */
	uint32_t kernel_tls;	/* what ktls_probe() found, for PATH_KERNEL; 0: off */
	char certificate_path[SETUP_PATH_MAX + 1]; /* for messages only */
};

enum source_kind {
	SOURCE_PAM = 1,	   /* argument: the PAM service */
	SOURCE_SQLITE = 2, /* argument: the database file */
};

struct source_setup {
	enum source_kind kind;
	char argument[SETUP_PATH_MAX + 1];
	enum maildrop_kind maildrop;
	char template[SETUP_PATH_MAX + 1]; /* absolute; %u %n %d %h */
	char owner[SETUP_NAME_MAX + 1];	   /* virtual users' Unix user; or empty */
};

/* What a login name may mean besides itself; all off: a name is one account's or none.
 */
struct names_setup {
	char domain[SETUP_HOSTNAME_MAX + 1]; /* added to a name without one; or empty */
	char strip[SETUP_HOSTNAME_MAX + 1];  /* is this system's own; or empty */
	bool fold;			     /* system users' names in lower case */
	uint32_t first_uid;		     /* no system user below is served */
};

/* Who may issue tokens (OAUTHBEARER, XOAUTH2), and how they are checked. */
struct issuer_setup {
	char issuer[SETUP_ISSUER_MAX + 1];   /* the token's "iss" */
	char key[SETUP_PATH_MAX + 1];	     /* file: a public key, PEM */
	char audience[SETUP_ISSUER_MAX + 1]; /* its "aud"; empty: not looked at */
	/* Of whose accounts it may speak, a blank between two; empty: of all */
	char domains[SETUP_DOMAINS_MAX + 1];
	bool for_system; /* of system accounts, too */
};

struct auth_setup {
	unsigned char witness_key[WITNESS_KEY]; /* shared with the keeper */
	char hostname[SETUP_HOSTNAME_MAX + 1];
	bool root;  /* the server changes users; else PAM and owners are refused */
	bool check; /* only to see whether it would start: change nothing */
	bool pam_session; /* pam_open_session(3) before the drop, closed at the end */
	/* A set as facts.mechanisms: no other is accepted. 0: what works for all. */
	uint32_t mechanisms;
	uint32_t remember_seconds; /* a verified login is remembered so long; 0: not */
	struct names_setup names;
	uint32_t issuers_n;
	struct issuer_setup issuers[SETUP_ISSUERS_MAX];
	uint32_t sources_n;
	struct source_setup sources[SETUP_SOURCES_MAX];
};

struct session_setup {
	bool root;
	uint32_t idle_seconds; /* the autologout timer, RFC 1939 section 3 */
	uint32_t bad_commands;
	/* A session without a command for so long yields to a new login; at most
	 * idle_seconds. */
	uint32_t takeover_seconds;
	uint32_t undo_seconds;	/* deleted Maildir messages are kept so long; 0: not */
	uint32_t login_seconds; /* the gate's; for the baton nobody waits longer */
};

void gate_setup_encode(struct buf *message, const struct gate_setup *setup);
int gate_setup_decode(struct span message, struct gate_setup *setup);
void auth_setup_encode(struct buf *message, const struct auth_setup *setup);
int auth_setup_decode(struct span message, struct auth_setup *setup);
void session_setup_encode(struct buf *message, const struct session_setup *setup);
int session_setup_decode(struct span message, struct session_setup *setup);

#endif
