/*
 * source: a place that accounts come from. A source is a file and a row in
 * decide.c's table: pam (the host's own users), sqlite (virtual users).
 *
 * Which source answers for a name is decided before any secret is looked at
 * (find() in decide.c): the first in the configured order that holds the name; if
 * none does, the first that might (PAM may map names). That one's answer is final: a
 * name never means one account with this password and another account with that
 * one. A system account may have a record in a database beside it (limits, app
 * passwords): all databases are asked for it.
 */
#ifndef POSTERN_AUTH_SOURCE_H
#define POSTERN_AUTH_SOURCE_H

#include "auth/record.h"
#include "auth/remember.h"
#include "auth/step.h"
#include "auth/token.h"
#include "postern/facts.h"
#include "postern/identity.h"
#include "postern/login.h"
#include "postern/setup.h"
#include "postern/verdict.h"

enum source_holds {
	HOLDS_NO,
	HOLDS_MAYBE, /* only a verification can tell */
	HOLDS_YES,
	HOLDS_FAULT, /* it cannot be asked; logged */
};

enum source_result {
	RESULT_ACCEPTED, /* the claim's identity is filled in */
	RESULT_REFUSED,	 /* the claim's reason says why */
	RESULT_FAULT,	 /* ours; logged */
	RESULT_MORE,	 /* the claim's challenge and step are for the client */
};

/* What the warm parent drew or read at its start and every child shares. */
struct memory {
	unsigned char step_key[STEP_KEY];
	struct remember remember;
	struct issuers issuers;
};

/* One attempt: what the gate claims, what the master knows, what comes of it. */
struct claim {
	const struct facts *facts;
	const struct login *login;
	const struct memory *memory;
	/* The name that sources are asked for: the login's, or what a token says. */
	char name[LOGIN_NAME_MAX + 1];
	/* A database's record of a system account of this name; NULL: none. */
	struct record *beside;
	/* A source that accepts fills in account, uid, gid, groups, maildrop,
	 * path_name and read_only; the rest is attempt.c's. */
	struct identity identity;
	int lifeline;	    /* of a PAM session (vigil.h), for the session; or -1 */
	const char *reason; /* a stable word of postern-log(7) */
	/* A library that leaves things behind was at work on a secret: PAM's modules,
	 * libidn. The process takes no claim after this one. */
	bool soiled;
	bool worked; /* a password has been hashed in this attempt */
	bool logged; /* the refusal is in the log already */
	/* RESULT_MORE */
	struct step step;
	struct buf challenge;
	unsigned char challenge_octets[VERDICT_TEXT_MAX];
};

struct source;

struct source_driver {
	enum source_kind kind;
	/* In the warm parent, once: what is slow and needs no name. 0; or -1, logged:
	 * the source is unusable and holds no name. */
	int (*prepare)(struct source *source);
	/* The mechanisms that it could verify for some account, as a set; and of them
	 * into *all those that it can verify for each of its accounts. */
	uint32_t (*offer)(struct source *source, uint32_t *all);
	/* In the warm parent, when its files were quiet, and at its end; or NULL. */
	void (*settle)(struct source *source);
	/* In a child: is the name one of its accounts? */
	enum source_holds (*holds)(struct source *source, struct claim *claim);
	/* The claim's password or digest. */
	enum source_result (*verify)(struct source *source, struct claim *claim);
	/* The client has shown otherwise that it is claim->name (a token, a
	 * certificate, SCRAM): may this account be used now and from there? */
	enum source_result (*authorize)(struct source *source, struct claim *claim);
	/* What is only worth doing for an accepted claim, once the identity has gone
	 * off: nobody waits for it. */
	void (*accepted)(struct source *source, struct claim *claim);
};

struct source {
	const struct source_driver *driver;
	const struct source_setup *setup;
	uint32_t place; /* in the configured order */
	bool root;	/* the server changes users */
	bool check;	/* only a trial: change nothing */
	bool pam_session;
	uint32_t first_uid;
	bool usable;
	/* sqlite: of the warm parent, as it was last asked */
	struct store_offer held;
	/* sqlite: of the one claim that a child serves */
	struct record record;
};

extern const struct source_driver source_pam, source_sqlite;

/* The mechanisms whose secret is a password in the clear. */
enum {
	SOURCE_PASSWORDS = 1 << LOGIN_USER | 1 << LOGIN_PLAIN | 1 << LOGIN_LOGIN,
};

static inline bool source_is_password(enum login_mechanism mechanism)
{
	return SOURCE_PASSWORDS >> mechanism & 1;
}

static inline enum source_result source_refuse(struct claim *claim, const char *reason)
{
	claim->reason = reason;
	return RESULT_REFUSED;
}

#endif
