/*
 * identity: who the client is, decided by auth; it travels once, from auth to
 * the session parent (root to root), with the descriptors
 *   verdict (inner end), peer (client or wire, as the path says).
 */
#ifndef POSTERN_IDENTITY_H
#define POSTERN_IDENTITY_H

#include "base/drop.h"
#include "postern/facts.h"
#include "postern/login.h"
#include "postern/maildrop.h"

enum {
	IDENTITY_DESCRIPTORS = 2,
	/* and, where a PAM session is open, the lifeline: auth's keeper of that session
	 * closes it when nobody holds this descriptor any more. Nothing is ever
	 * written to it. */
	IDENTITY_OPTIONAL = 1,
};

struct identity {
	uint64_t connection;
	struct netaddr peer;
	enum listener_kind listener;
	bool plaintext;	     /* as in facts: CAPA must say the same in both states */
	bool tls_possible;   /* facts.tls */
	uint32_t mechanisms; /* facts.mechanisms, for the same CAPA */
	bool read_only;	     /* DELE is refused */
	enum login_mechanism mechanism;
	enum login_path path;
	char tls[LOGIN_TLS_MAX + 1];
	char account[LOGIN_NAME_MAX + 1];
	uint32_t uid, gid;
	uint32_t groups[DROP_GROUPS_MAX];
	uint32_t groups_n;
	enum maildrop_kind maildrop;
	char path_name[MAILDROP_PATH_MAX + 1]; /* absolute */
};

void identity_encode(struct buf *message, const struct identity *identity);
int identity_decode(struct span message, struct identity *identity);

#endif
