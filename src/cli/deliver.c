/*
 * deliver: a small delivery agent: one message from standard input into an account's
 * maildrop. Runs as whoever the MTA calls it as: root, then as the owner before the
 * first octet of the message is read; or the owner from the start.
 *
 * Trusts the MTA for the envelope, nobody for the message. Exit codes of sysexits.h:
 * what may be better later is EX_TEMPFAIL, so that the MTA keeps the message.
 */
#include "maildrop/deliver.h"
#include "base/io.h"
#include "cli/place.h"
#include "cli/quota.h"
#include "cli/text.h"
#include "cli/way.h"
#include "maildrop/flush.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

enum { HEADER_LOOKED = 64 * 1024, ADDRESS_MAX = 1000 };

/* --- the envelope
 * ----------------------------------------------------------------------- */

/* An address goes into a header line: it must stay in it. */
static bool is_address(const char *text)
{
	if (strlen(text) > ADDRESS_MAX)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			return false;
	return true;
}

/* Without the angle brackets that some MTAs give. */
static struct span bare(const char *address)
{
	struct span s = span_str(address ? address : "");
	if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = span_of(s.p + 1, s.n - 2);
	return s;
}

static ssize_t read_begin(unsigned char *to, size_t size)
{
	size_t have = 0;
	while (have < size) {
		ssize_t n = io_read(STDIN_FILENO, to + have, size - have);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* Is there a header line of that name (with this value, when there is one)? */
static bool has_header(struct span message, const char *name, struct span value)
{
	size_t n = strlen(name);
	while (message.n) {
		struct span line = span_cut(&message, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			break;
		if (!span_is_nocase(span_head(line, n), name))
			continue;
		line = span_tail(line, n);
		while (line.n && line.p[0] == ' ')
			line = span_tail(line, 1);
		if (value.n == 0 || span_eq(line, value))
			return true;
	}
	return false;
}

/* Some MTAs put an mbox's "From " line in front. */
static struct span skip_from_line(struct span message)
{
	if (span_is(span_head(message, 5), "From "))
		span_cut(&message, '\n');
	return message;
}

/* RFC 5321 section 4.4: final delivery records the envelope's sender. */
static void put_envelope(const struct cli *cli, struct span message, struct buf *head)
{
	const char *from = cli_option(cli, "from"), *to = cli_option(cli, "to");
	struct span sender = bare(from), recipient = bare(to);
	if (from && !has_header(message, "Return-Path:", span_of("", 0))) {
		buf_puts(head, "Return-Path: <");
		buf_put_span(head, sender);
		buf_puts(head, ">\n");
	}
	if (to && !has_header(message, "Delivered-To:", recipient)) {
		buf_puts(head, "Delivered-To: ");
		buf_put_span(head, recipient);
		buf_puts(head, "\n");
	}
}

/* --- delivering
 * --------------------------------------------------------------------------- */

static int code_of(int error)
{
	switch (error) {
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case EINVAL:
		return EX_CANTCREAT;
	default:
		return EX_TEMPFAIL;
	}
}

static int put(const struct identity *identity, const struct deliver_message *message)
{
	struct maildrop_fault fault = { "" };
	/* A limit is an error, which can be undone, and not half a message. */
	signal(SIGXFSZ, SIG_IGN);
	int result = identity->maildrop == MAILDROP_MAILDIR
			     ? deliver_maildir(identity->path_name, message, &fault)
			     : deliver_mbox(identity->path_name, message, &fault);
	if (result == 0)
		return EX_OK;
	int code = code_of(errno);
	cli_error("%s", fault.text);
	return code;
}

static int deliver(const struct cli *cli, const struct identity *identity)
{
	static unsigned char begun[HEADER_LOOKED], storage[2 * ADDRESS_MAX + 64];
	char sender[ADDRESS_MAX + 1];
	struct buf head;
	ssize_t n = read_begin(begun, sizeof(begun));
	if (n < 0) {
		cli_error("standard input: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	struct span message = skip_from_line(span_of(begun, (size_t)n));
	buf_fixed(&head, storage, sizeof(storage));
	put_envelope(cli, message, &head);
	span_to_text(bare(cli_option(cli, "from")), sender, sizeof(sender));
	return put(identity, &(struct deliver_message){ .head = buf_span(&head),
				     .begun = message,
				     .in = STDIN_FILENO,
				     .sender = sender });
}

/* --- to whom
 * ------------------------------------------------------------------------------ */

static int check_options(const struct cli *cli)
{
	const char *from = cli_option(cli, "from"), *to = cli_option(cli, "to");
	if ((from && !is_address(from)) || (to && !is_address(to))) {
		cli_misuse(cli, "--from and --to: a control character, or too long");
		return EX_USAGE;
	}
	return EX_OK;
}

/* --maildrop: the MTA knows better; the caller's rights decide. */
static int given_place(const struct cli *cli, struct identity *identity)
{
	*identity = (struct identity){ .uid = getuid(), .gid = getgid() };
	if (geteuid() == 0) {
		cli_error("--maildrop is for a caller that is not root");
		return EX_USAGE;
	}
	if (text_maildrop(span_str(cli_option(cli, "maildrop")), &identity->maildrop,
		    identity->path_name) < 0) {
		cli_misuse(cli, "--maildrop: maildir:/PATH or mbox:/PATH");
		return EX_USAGE;
	}
	return EX_OK;
}

static int find_place(
	const struct cli *cli, struct identity *identity, struct quota *quota)
{
	struct config *config = NULL;
	const char *name = cli->operands[0];
	if (cli_option(cli, "maildrop"))
		return given_place(cli, identity);
	if (cli_config(cli, &config) != 0)
		return EX_TEMPFAIL;
	enum place_result found = place_find(config, name, identity);
	if (found == PLACE_FOUND && quota_of(config, identity, quota) < 0)
		found = PLACE_FAULT;
	free(config);
	if (found == PLACE_NONE)
		cli_error("there is no account '%s'", name);
	return found == PLACE_FOUND  ? EX_OK
	       : found == PLACE_NONE ? EX_NOUSER
				     : EX_TEMPFAIL;
}

/*
 * In a directory of root's that its owner can't write (/var/mail), a missing mbox is
 * made by root: exclusively, and on a way that nobody else could lay (a link in the
 * middle of a path would lead root anywhere). What goes wrong shows later.
 */
static void make_mbox(const struct identity *identity)
{
	char parent[MAILDROP_PATH_MAX + 1];
	const char *path = identity->path_name, *name = strrchr(path, '/');
	if (geteuid() != 0 || identity->maildrop != MAILDROP_MBOX || !name ||
		maildrop_name_is_taken(MAILDROP_MBOX, path) ||
		span_to_text(span_of(path, (size_t)(name - path)), parent,
			sizeof(parent)) < 0)
		return;
	int dir = way_of_root(parent), fd = -1;
	if (dir >= 0)
		fd = openat(dir, name + 1,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 &&
		(fchown(fd, identity->uid, (gid_t)-1) < 0 || flush_directory(dir) < 0))
		unlinkat(dir, name + 1, 0);
	io_close(&fd);
	io_close(&dir);
}

static int run_deliver(const struct cli *cli)
{
	struct identity identity;
	struct quota quota = { .octets = 0 };
	int result = check_options(cli);
	if (result == EX_OK)
		result = find_place(cli, &identity, &quota);
	if (result == EX_OK)
		make_mbox(&identity);
	if (result == EX_OK && place_become(&identity) != 0)
		result = EX_TEMPFAIL;
	if (result == EX_OK && quota_is_full(&identity, &quota)) {
		cli_error("%s: over quota", identity.account);
		result = EX_TEMPFAIL;
	}
	return result == EX_OK ? deliver(cli, &identity) : result;
}

const struct cli_command cli_deliver[] = {
	{ "deliver", "NAME [--from ADDRESS] [--to ADDRESS] [--maildrop KIND:PATH]",
		"put the message on standard input into an account's maildrop",
		"For MTAs; exit codes are those of sysexits.h.\n"
		"  --from ADDRESS        the envelope's sender: adds Return-Path\n"
		"  --to ADDRESS          the recipient: adds Delivered-To\n"
		"  --maildrop KIND:PATH  there, with the caller's rights; no account "
		"is "
		"looked up\n",
		"from= to= maildrop=", 1, 1, run_deliver },
	{ 0 },
};
