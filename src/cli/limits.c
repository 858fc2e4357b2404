/*
 * limits: options that say what an account may, and what its password leaves behind.
 */
#include "base/num.h"
#include "cli/text.h"
#include "cli/user.h"

#include <errno.h>
#include <time.h>

int user_name(const struct cli *cli, int i, char name[ACCOUNT_NAME_MAX + 1])
{
	if (account_name(span_str(cli->operands[i]), name) == 0)
		return 0;
	return cli_misuse(cli,
		"'%s' cannot be a name: at most %d octets of UTF-8, no '/' and no"
		" control characters, no part empty or with a '.' in front",
		cli->operands[i], (int)ACCOUNT_NAME_MAX);
}

static int no_network(const struct cli *cli, const char *text)
{
	struct network meant;
	char better[NETWORK_TEXT_MAX];
	if (!network_meant(&meant, span_str(text)))
		return cli_misuse(cli,
			"--net: '%s' is no network such as 192.0.2.0/24 or"
			" 2001:db8::/32",
			text);
	network_text(&meant, better);
	return cli_misuse(cli,
		"--net: '%s' has bits behind its prefix; did you mean '%s'?", text,
		better);
}

int user_networks(const struct cli *cli, struct networks *networks)
{
	const char *text;
	for (int i = 0; (text = cli_option_at(cli, "net", i)); i++) {
		if (i == 0)
			*networks = (struct networks){ 0 };
		if (strcmp(text, "any") == 0)
			continue;
		if (networks->n == NETWORKS_MAX)
			return cli_misuse(
				cli, "--net: more than %d networks", (int)NETWORKS_MAX);
		if (network_parse(&networks->list[networks->n], span_str(text)) < 0)
			return no_network(cli, text);
		networks->n++;
	}
	return 0;
}

int user_expires(const struct cli *cli, int64_t *expires)
{
	const char *text = cli_option(cli, "expires");
	if (!text || text_when(span_str(text), time(NULL), expires) == 0)
		return 0;
	return cli_misuse(
		cli, "--expires: '%s' is none of 90d, 2026-12-31, never", text);
}

static int set_maildrop(const struct cli *cli, struct account *account)
{
	const char *text = cli_option(cli, "maildrop");
	if (!text)
		return 0;
	account->maildrop = 0;
	account->path[0] = '\0';
	if (strcmp(text, "default") == 0)
		return 0;
	if (text_maildrop(span_str(text), &account->maildrop, account->path) == 0)
		return 0;
	return cli_misuse(cli,
		"--maildrop: '%s' is not maildir: or mbox: and an absolute path%s",
		text, strstr(text, ".lock") ? ", and no name of a lock" : "");
}

static int set_owner(const struct cli *cli, struct account *account)
{
	const char *text = cli_option(cli, "owner"), *why;
	if (!text)
		return 0;
	account->own_ids = strcmp(text, "default") != 0;
	if (!account->own_ids ||
		text_owner(text, &account->uid, &account->gid, &why) == 0)
		return 0;
	return cli_misuse(cli, "--owner %s: %s", text, why);
}

static int set_on_off(const struct cli *cli, const char *option, bool *on)
{
	const char *text = cli_option(cli, option);
	if (!text || text_on_off(text, on) == 0)
		return 0;
	return cli_misuse(cli, "--%s is on or off", option);
}

static int set_quotas(const struct cli *cli, struct account *account)
{
	const char *octets = cli_option(cli, "quota");
	const char *messages = cli_option(cli, "quota-messages");
	if (octets && text_octets(span_str(octets), &account->quota_octets) < 0)
		return cli_misuse(cli, "--quota: '%s' is no size", octets);
	if (messages &&
		num_parse(span_str(messages), INT64_MAX, &account->quota_messages) < 0)
		return cli_misuse(cli, "--quota-messages: '%s' is no number", messages);
	return 0;
}

int user_limits(const struct cli *cli, struct account *account)
{
	int result = set_maildrop(cli, account);
	if (result == 0)
		result = set_owner(cli, account);
	if (result == 0)
		result = user_networks(cli, &account->networks);
	if (result == 0)
		result = user_expires(cli, &account->expires);
	if (result == 0)
		result = set_on_off(cli, "main-password", &account->main_password);
	if (result == 0)
		result = set_on_off(cli, "read-only", &account->read_only);
	return result ? result : set_quotas(cli, account);
}

int user_seal(struct store *store, const char *name, struct span password,
	struct credentials *credentials)
{
	struct seal_key key;
	if (seal_key_make(&key, store_path(store)) < 0)
		return cli_error("%s.key: %s", store_path(store),
			errno == EINVAL	 ? "is not a key file"
			: errno == EPERM ? "others than its owner can read it"
					 : strerror(errno));
	int result = seal_close(
		&key, name, password, credentials->sealed, &credentials->sealed_n);
	seal_key_wipe(&key);
	return result < 0 ? cli_error("the secret cannot be sealed") : 0;
}

struct kept user_kept(const struct cli *cli, struct kept as)
{
	bool sha_1 = cli_flag(cli, "scram-sha-1");
	bool any = sha_1 || cli_flag(cli, "scram"), none = cli_flag(cli, "no-scram");
	return (struct kept){
		.apop = cli_flag(cli, "apop") || (as.apop && !cli_flag(cli, "no-apop")),
		.scram_sha_1 = any || none ? sha_1 : as.scram_sha_1,
		.scram_sha_256 = any || (as.scram_sha_256 && !none),
	};
}

static int add_scram(
	struct credentials *c, enum scram_hash hash, struct span password, bool wanted)
{
	return wanted ? scram_derive(&c->scram[c->scram_n++], hash, password) : 0;
}

int user_scram(struct span password, struct kept kept, struct credentials *c)
{
	c->scram_n = 0;
	if (add_scram(c, SCRAM_SHA_1, password, kept.scram_sha_1) < 0)
		return -1;
	return add_scram(c, SCRAM_SHA_256, password, kept.scram_sha_256);
}

int user_credentials(struct store *store, const char *name, struct span password,
	struct kept kept, struct credentials *c)
{
	*c = (struct credentials){ .scram_n = 0 };
	if (password_hash(password, c->hash) < 0 || user_scram(password, kept, c) < 0)
		return cli_error("the password cannot be hashed: %s", strerror(errno));
	return kept.apop ? user_seal(store, name, password, c) : 0;
}
