/*
 * store: the account database, one SQLite file of root's. Used by auth (one open
 * per attempt: a handle never crosses fork(2)) and by the postern command.
 *
 * Write-ahead logging: whoever reads never waits for whoever writes. Writers queue
 * up to STORE_WAIT_MS. Every value is bound, none is ever part of a statement.
 *
 * Functions return 0, or -1 with errno and store_fault() a text that names the file:
 *   ENOENT   no such account, alias, label, ... (or no such file)
 *   EEXIST   the name is taken
 *   EINVAL   a value is not of its form
 *   EBUSY    another writer for longer than STORE_WAIT_MS
 *   ENOSPC   the file system is full
 *   EUCLEAN  the file is damaged, or its log is another file's
 *   EACCES   permissions; also a file that others than its owner can write
 *   EPROTO   not ours, or of a later version, or no file
 *   ESTALE   of an earlier version, and opened for reading only
 *   ENODATA  without any table, and not opened with STORE_CREATE
 *   ENOMEM, EIO
 */
#ifndef POSTERN_ACCOUNTS_STORE_H
#define POSTERN_ACCOUNTS_STORE_H

#include "accounts/name.h"
#include "accounts/network.h"
#include "accounts/password.h"
#include "accounts/scram.h"
#include "accounts/seal.h"
#include "postern/maildrop.h"

enum { STORE_WAIT_MS = 60000, STORE_FAULT_MAX = 512, APP_LABEL_MAX = 64 };

enum store_mode {
	STORE_READ,   /* never writes, never migrates */
	STORE_LOGIN,  /* auth: reads; store_note_login() and store_rehash() if they can
		       */
	STORE_WRITE,  /* migrates an older file */
	STORE_CREATE, /* and creates a missing one (0600; its directory 0711) */
};

struct store;

/*
 * Opens the database. *store is set even on failure (unless there is no memory: NULL)
 * for store_fault(); store_close() takes all of them, NULL too.
 */
int store_open(struct store **store, const char *path, enum store_mode mode);
void store_close(struct store *store);

/* Copies the log back into the file and empties it, unless somebody is in the way: the
 * file alone is whole then. Needs STORE_LOGIN at least. */
void store_settle(struct store *store);

/* SQLite's own look at all pages. 0; or -1, EUCLEAN when one is damaged. */
int store_sound(struct store *store);

/*
 * For who asks again and again, and may lose what the file's owner does in between:
 * store_rest() forgets what was read and keeps the handle; store_wake() says whether it
 * still is what store_open() would give, of the same files and to be trusted as at its
 * opening. False, of either: close it, and open it anew.
 */
bool store_rest(struct store *store);
bool store_wake(struct store *store);

/* The text of the last failure: "PATH: what". Never NULL, never ends in LF. */
const char *store_fault(const struct store *store);

/* The file's path, as it was opened: seal_key_load() wants it. */
const char *store_path(const struct store *store);

enum account_kind {
	ACCOUNT_VIRTUAL = 1, /* lives here */
	ACCOUNT_SYSTEM =
		2, /* PAM decides; here are only its app passwords and limits */
};

struct account {
	int64_t id;
	enum account_kind kind;
	char name[ACCOUNT_NAME_MAX + 1]; /* as created; the identity's */
	bool enabled;			 /* false also when its domain is disabled */
	bool read_only;			 /* may fetch, not delete */
	bool main_password;		 /* false: only app passwords are accepted */
	int64_t expires; /* Unix time from which no login is accepted; 0: never */
	struct networks networks;
	char hash[PASSWORD_HASH_MAX + 1]; /* empty: there is none */
	unsigned char sealed[SEAL_MAX];	  /* see seal.h; sealed_n 0: none */
	size_t sealed_n;
	bool scram; /* store_scram() would find keys */
	uint32_t apps_n;
	enum maildrop_kind maildrop; /* 0: as the source's template says */
	char path[MAILDROP_PATH_MAX + 1];
	bool own_ids; /* uid and gid are its own; else the source's owner */
	uint32_t uid, gid;
	uint64_t quota_octets, quota_messages; /* for delivery; 0: none */
	int64_t created, changed;
	int64_t last_login; /* 0: never */
	char last_source[NETADDR_TEXT_MAX];
	/*
	 * Changed by whatever changes who may log in as this account: passwd, disable,
	 * enable, limits, app passwords, aliases, certificates, its domains; a deleted
	 * and re-created account never has an old one again. The key of a remembered
	 * login includes it.
	 */
	uint64_t stamp;
};

/*
 * The account that a client means by that login name: its name, one of its
 * aliases, or its name at a domain that is another name of its domain. The name may be
 * in any form; what account_name() refuses is ENOENT. Wipe the struct when done.
 */
int store_find(struct store *store, struct span login, struct account *account);

/* The account of that certificate: SHA-256 of its DER form. */
int store_find_certificate(struct store *store, const unsigned char fingerprint[32],
	struct account *account);

struct app {
	int64_t id;
	char label[APP_LABEL_MAX + 1];
	bool read_only;
	int64_t created, expires; /* expires 0: never */
	struct networks networks;
	int64_t last_used; /* 0: never */
	char last_source[NETADDR_TEXT_MAX];
};

/*
 * The account's app password of that text, whatever its limits: expiry and networks are
 * the caller's to check. Cheap: ask before password_verify(), of virtual and
 * system accounts.
 */
int store_find_app(struct store *store, const struct account *account,
	struct span password, struct app *app);

/* The account's SCRAM keys. ENOENT: none. */
int store_scram(struct store *store, const struct account *account,
	enum scram_hash hash, struct scram_keys *keys);

/* For a name without keys: the same salt each time, the iterations of some account, and
 * keys that no proof fits. Names that would mean one account must come as one name here
 * (store_own_domain()), as they have one salt when there is one. */
int store_scram_fake(struct store *store, struct span name, enum scram_hash hash,
	struct scram_keys *keys);

/* A name at a domain that is another name of a domain becomes the name at that one.
 * 0, or -1. */
int store_own_domain(struct store *store, char name[ACCOUNT_NAME_MAX + 1]);

/* What some enabled account could use: for the mechanisms that auth offers. */
struct store_offer {
	int64_t generation; /* of the database, from 1 on */
	bool passwords;	    /* some virtual account has a hash */
	bool sealed;	    /* APOP */
	bool all_sealed;    /* no enabled account is without */
	/* SCRAM's keys of some and of all, a set of 1 << enum scram_hash each */
	uint32_t scram, all_scram;
	bool certificates; /* EXTERNAL */
	bool apps;
};
/* Asks all accounts, unless *offer is of the database's generation already: logins that
 * are noted do not move it. */
int store_offer(struct store *store, struct store_offer *offer);

/*
 * Remembers when and from where the account, and the app password when app is not
 * NULL, was last used. Waits for nobody: EBUSY is no reason for a log line. Does
 * nothing when less than a minute has passed at the same source. Call it
 * after the identity has gone off.
 */
int store_note_login(struct store *store, const struct account *account,
	const struct app *app, const struct netaddr *peer, int64_t now);

/*
 * The password was good, but its hash is of another kind or weaker than a new one would
 * be (password_needs_rehash()): hashes it anew. Only if the hash is still the one in
 * *account. Does not change the stamp; waits for nobody.
 */
int store_rehash(
	struct store *store, const struct account *account, struct span password);

#endif
