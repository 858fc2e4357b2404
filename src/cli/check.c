/*
 * check: postern user check: is the database whole? And postern certificate: which
 * client certificates stand for an account (EXTERNAL).
 */
#include "cli/row.h"
#include "cli/text.h"
#include "cli/user.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>

enum { FINGERPRINT = 32, FINGERPRINT_TEXT = 2 * FINGERPRINT + 1 };

/* --- the database ---------------------------------------------------------- */

static void wrong(void *arg, const char *line)
{
	(void)arg;
	text_print(stdout, line, 0);
	putchar('\n');
}

static int run_check(const struct cli *cli)
{
	struct store *store;
	int result = cli_store(cli, STORE_READ, &store);
	int found = result ? 0 : edit_check(store, wrong, NULL);
	if (found < 0)
		result = cli_store_error(store);
	else if (found > 0)
		result = cli_error(
			"%s: damaged, or with rows that no login finds: see above",
			store_path(store));
	store_close(store);
	return result ? result : cli_flush();
}

/* --- certificates ---------------------------------------------------------- */

/* 64 hex digits, with or without colons between them. */
static int read_hex(const char *text, unsigned char print[FINGERPRINT])
{
	size_t n;
	const char *end;
	if (sodium_hex2bin(print, FINGERPRINT, text, strlen(text), ":", &n, &end) < 0)
		return -1;
	return n == FINGERPRINT && *end == '\0' ? 0 : -1;
}

/* SHA-256 over the DER form of a PEM file's first certificate. */
static int read_pem(FILE *in, unsigned char print[FINGERPRINT])
{
	unsigned n = 0;
	X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
	int good = certificate && X509_digest(certificate, EVP_sha256(), print, &n);
	X509_free(certificate);
	return good && n == FINGERPRINT ? 0 : -1;
}

/* A fingerprint or a file. 0 or an exit code. */
static int read_fingerprint(const char *text, unsigned char print[FINGERPRINT])
{
	if (read_hex(text, print) == 0)
		return 0;
	FILE *in = fopen(text, "re");
	if (!in)
		return cli_error("%s: %s", text, strerror(errno));
	int result = read_pem(in, print);
	fclose(in);
	return result < 0 ? cli_error("%s: holds no certificate in PEM form", text) : 0;
}

static int change(const struct cli *cli, bool add)
{
	const char *label = cli_option(cli, "label");
	unsigned char print[FINGERPRINT];
	struct account account;
	struct store *store = NULL;
	if (label && strlen(label) > APP_LABEL_MAX)
		return cli_misuse(
			cli, "--label is longer than %d octets", (int)APP_LABEL_MAX);
	int result = read_fingerprint(cli->operands[1], print);
	if (result == 0)
		result = cli_store(cli, STORE_WRITE, &store);
	if (result == 0)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0 &&
		(add ? edit_certificate_add(store, &account, print, label ? label : "")
		     : edit_certificate_remove(store, &account, print)) < 0)
		result = cli_store_error(store);
	store_close(store);
	return result;
}

static int run_add(const struct cli *cli)
{
	return change(cli, true);
}

static int run_del(const struct cli *cli)
{
	return change(cli, false);
}

static int list_json(
	void *arg, const unsigned char print[FINGERPRINT], const char *label)
{
	json_open(arg, '{');
	row_certificate(arg, print, label);
	json_close(arg, '}');
	return ferror(stdout);
}

static int list_text(
	void *arg, const unsigned char print[FINGERPRINT], const char *label)
{
	char hex[FINGERPRINT_TEXT];
	(void)arg;
	sodium_bin2hex(hex, sizeof(hex), print, FINGERPRINT);
	printf("%s%s", hex, *label ? " " : "");
	text_print(stdout, label, 0);
	putchar('\n');
	return ferror(stdout);
}

static int run_list(const struct cli *cli)
{
	struct json j = { .out = stdout };
	struct account account;
	struct store *store;
	bool json = cli_flag(cli, "json");
	int result = cli_store(cli, STORE_READ, &store);
	if (result == 0)
		result = cli_account(store, cli->operands[0], &account);
	if (result == 0 && json)
		json_open(&j, '[');
	if (result == 0 && edit_certificate_each(store, &account,
				   json ? list_json : list_text, &j) < 0)
		result = cli_store_error(store);
	if (result == 0 && json) {
		json_close(&j, ']');
		json_end(&j);
	}
	store_close(store);
	return result ? result : cli_flush();
}

const struct cli_command cli_check[] = {
	{ "user check", "", "Check that the database is whole",
		"Prints what is wrong, if anything.\n\n" DB_HELP, "db=", 0, 0,
		run_check },
	{ "certificate add", "NAME FILE|FINGERPRINT [--label LABEL]",
		"Let a client certificate log in to an account (EXTERNAL)",
		"FILE is in PEM form, a fingerprint SHA-256 in hexadecimal digits.\n\n"
		"  --label LABEL         for people\n" DB_HELP,
		"db= label=", 2, 2, run_add },
	{ "certificate del", "NAME FILE|FINGERPRINT",
		"Refuse a client certificate again", DB_HELP, "db=", 2, 2, run_del },
	{ "certificate list", "NAME [--json]", "List an account's client certificates",
		"  --json                for programs\n" DB_HELP, "db= json", 1, 1,
		run_list },
	{ 0 },
};
