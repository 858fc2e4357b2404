/*
 * place: from a name to a maildrop and its owner. Runs as root, or as the owner.
 * Trusts the configuration and the account databases, not the name: it passes
 * through account_name() and template_expand(), as in auth.
 */
#include "cli/place.h"

#include "accounts/store.h"
#include "auth/names.h"
#include "auth/owner.h"
#include "auth/template.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static enum place_result fault(const char *name, const char *what)
{
	cli_error("%s: %s", name, what);
	return PLACE_FAULT;
}

static enum place_result fill_path(
	const struct source_setup *source, const char *home, struct identity *identity)
{
	identity->maildrop = source->maildrop;
	if (template_expand(source->template, span_str(identity->account), home,
		    identity->path_name) == 0)
		return PLACE_FOUND;
	return fault(identity->account, "the maildrop's template does not fit");
}

/* --- system accounts
 * ------------------------------------------------------------------ */

static int read_record(struct store *store, const char *name, struct identity *identity)
{
	struct account account;
	int result = store_find(store, span_str(name), &account);
	if (result < 0)
		return errno == ENOENT ? 0 : -1;
	if (account.kind == ACCOUNT_SYSTEM && account.maildrop) {
		identity->maildrop = account.maildrop;
		span_to_text(span_str(account.path), identity->path_name,
			sizeof(identity->path_name));
	}
	explicit_bzero(&account, sizeof(account));
	return 0;
}

/*
 * Its record may name a maildrop of its own (postern user add --system). Who may not
 * read the database, a user's own delivery agent, goes by the template.
 */
static enum place_result follow_record(
	const struct config *config, struct identity *identity)
{
	for (size_t i = 0; i < config->sources_n; i++) {
		const struct source_setup *source = &config->sources[i];
		struct store *store;
		if (source->kind != SOURCE_SQLITE)
			continue;
		bool closed = false;
		int result = store_open(&store, source->argument, STORE_READ);
		if (result < 0)
			closed = errno == ENOENT || (errno == EACCES && geteuid() != 0);
		else
			result = read_record(store, identity->account, identity);
		if (result < 0 && !closed)
			fault(identity->account, store_fault(store));
		store_close(store);
		if (result < 0 && !closed)
			return PLACE_FAULT;
	}
	return PLACE_FOUND;
}

static enum place_result find_system(const struct config *config,
	const struct source_setup *source, const char *name, struct identity *identity)
{
	struct owner owner;
	int found = owner_find(name, &owner);
	if (found < 0)
		return fault(name, strerror(errno));
	if (found == 0 || !owner_is_person(&owner, config->names.first_uid))
		return PLACE_NONE;
	if (span_to_text(span_str(owner.name), identity->account,
		    sizeof(identity->account)) < 0 ||
		owner_become(&owner, identity) < 0)
		return fault(name, strerror(errno));
	identity->path_name[0] = '\0';
	enum place_result result = follow_record(config, identity);
	return result != PLACE_FOUND || identity->path_name[0]
		       ? result
		       : fill_path(source, owner.home, identity);
}

/* --- virtual accounts
 * ------------------------------------------------------------------ */

static enum place_result fill_owner(const struct source_setup *source,
	const struct account *account, struct identity *identity)
{
	struct owner owner;
	if (geteuid() != 0) {
		identity->uid = getuid();
		identity->gid = getgid();
	} else if (account && account->own_ids) {
		identity->uid = account->uid;
		identity->gid = account->gid;
	} else if (owner_find(source->owner, &owner) == 1) {
		identity->uid = owner.uid;
		identity->gid = owner.gid;
	} else {
		return fault(identity->account, "no Unix user owns its mail (owner)");
	}
	return PLACE_FOUND;
}

static enum place_result fill_virtual(const struct source_setup *source,
	const struct account *account, struct identity *identity)
{
	span_to_text(
		span_str(account->name), identity->account, sizeof(identity->account));
	enum place_result result = fill_owner(source, account, identity);
	if (result != PLACE_FOUND || !account->maildrop)
		return result == PLACE_FOUND ? fill_path(source, NULL, identity)
					     : result;
	identity->maildrop = account->maildrop;
	span_to_text(span_str(account->path), identity->path_name,
		sizeof(identity->path_name));
	return PLACE_FOUND;
}

static enum place_result by_template(
	const struct source_setup *source, const char *name, struct identity *identity)
{
	if (account_name(span_str(name), identity->account) < 0)
		return PLACE_NONE;
	enum place_result result = fill_owner(source, NULL, identity);
	return result == PLACE_FOUND ? fill_path(source, NULL, identity) : result;
}

/* Is the caller the one whose mail the source's template speaks of? */
static bool may_own(const struct source_setup *source)
{
	struct owner owner;
	return source->owner[0] == '\0' ||
	       (owner_find(source->owner, &owner) == 1 && owner.uid == getuid());
}

static enum place_result look_up(struct store *store, const struct source_setup *source,
	const char *name, struct identity *identity)
{
	struct account account;
	enum place_result result = PLACE_NONE;
	if (store_find(store, span_str(name), &account) == 0) {
		if (account.kind == ACCOUNT_VIRTUAL)
			result = fill_virtual(source, &account, identity);
	} else if (errno != ENOENT) {
		result = fault(name, store_fault(store));
	}
	explicit_bzero(&account, sizeof(account));
	return result;
}

static enum place_result find_virtual(
	const struct source_setup *source, const char *name, struct identity *identity)
{
	struct store *store;
	enum place_result result;
	if (store_open(&store, source->argument, STORE_READ) == 0)
		result = look_up(store, source, name, identity);
	else if (errno == EACCES && geteuid() != 0)
		result = may_own(source) ? by_template(source, name, identity)
					 : PLACE_HIDDEN;
	else
		result = fault(name, store_fault(store));
	store_close(store);
	return result;
}

static enum place_result find_in(const struct config *config,
	const struct source_setup *source, const char *name, struct identity *identity)
{
	return source->kind == SOURCE_PAM ? find_system(config, source, name, identity)
					  : find_virtual(source, name, identity);
}

/* In all sources, or (kind) those of one kind. */
static enum place_result find_as(const struct config *config, const char *name,
	enum source_kind kind, const struct source_setup **hidden,
	struct identity *identity)
{
	enum place_result result = PLACE_NONE;
	*identity = (struct identity){ 0 };
	for (size_t i = 0; i < config->sources_n && result == PLACE_NONE; i++) {
		const struct source_setup *source = &config->sources[i];
		if (kind && source->kind != kind)
			continue;
		result = find_in(config, source, name, identity);
		if (result != PLACE_HIDDEN)
			continue;
		*hidden = source;
		result = PLACE_NONE;
	}
	return result;
}

enum place_result place_find(
	const struct config *config, const char *name, struct identity *identity)
{
	const struct source_setup *hidden = NULL;
	char other[LOGIN_NAME_MAX + 1];
	bool local;
	enum place_result result =
		find_as(config, name, (enum source_kind)0, &hidden, identity);
	for (int i = 1; i <= NAMES_LAST && result == PLACE_NONE && !hidden; i++)
		if (names_other(&config->names, name, i, &local, other))
			result = find_as(config, other,
				local ? SOURCE_PAM : SOURCE_SQLITE, &hidden, identity);
	if (result != PLACE_NONE || !hidden)
		return result;
	cli_error("'%s' may be in %s, which the caller may not read", name,
		hidden->argument);
	return PLACE_FAULT;
}

int place_become(const struct identity *identity)
{
	umask(077);
	if (geteuid() != 0 && identity->uid != getuid())
		return cli_error(
			"%s: its mail belongs to another user", identity->account);
	if (geteuid() != 0 || drop_to(identity->uid, identity->gid, identity->groups,
				      identity->groups_n) == 0)
		return 0;
	return cli_error("%s: cannot become uid %lu: %s", identity->account,
		(unsigned long)identity->uid, strerror(errno));
}

int place_of_operand(
	const struct cli *cli, int i, struct config **config, struct identity *identity)
{
	const char *name = cli->operands[i];
	int result = cli_config(cli, config);
	if (result)
		return result;
	enum place_result found = place_find(*config, name, identity);
	if (found == PLACE_NONE)
		return cli_error("there is no account '%s'", name);
	if (found == PLACE_FOUND && identity->maildrop != MAILDROP_MAILDIR)
		return cli_error(
			"%s: deleted messages are kept for a Maildir only", name);
	return found == PLACE_FOUND ? 0 : CLI_FAILED;
}
