/*
 * server: postern who, kick, stats, reload, stop: orders to a running posternd, by the
 * control socket in its runtime directory. Runs as root, or as the user whom the server
 * runs as; the socket lets nobody else in.
 */
#include "base/num.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/text.h"
#include "config/config.h"
#include "postern/abi.h"
#include "postern/control.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JSON_HELP "  --json                for programs\n"

/* --- the channel ---------------------------------------------------------- */

static int connect_to(const char *runtime)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int n = snprintf(
		to.sun_path, sizeof(to.sun_path), "%s/%s", runtime, CONTROL_NAME);
	if (n < 0 || (size_t)n >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const void *)&to, sizeof(to)) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

enum { NO_SERVER = -2 };

/* The channel; or -1 after a message, or NO_SERVER without one. */
static int reach(const struct cli *cli)
{
	struct config *config;
	if (cli_config(cli, &config))
		return -1;
	int fd = connect_to(config->runtime);
	if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		fd = NO_SERVER;
	else if (fd < 0)
		cli_error("%s/%s: %s", config->runtime, CONTROL_NAME, strerror(errno));
	free(config);
	return fd;
}

/* -1 after a message; fd is closed then. */
static int send_order(int fd, const struct control *control)
{
	unsigned char storage[MESSAGE_MAX];
	struct buf message;
	buf_fixed(&message, storage, sizeof(storage));
	control_encode(&message, control);
	if (buf_ok(&message) && send(fd, storage, buf_len(&message), MSG_NOSIGNAL) > 0)
		return fd;
	cli_error("the server does not take the order: %s", strerror(errno));
	close(fd);
	return -1;
}

static void tell_absent(const struct cli *cli)
{
	struct config *config;
	if (cli_config(cli, &config))
		return;
	cli_error("no server runs with the runtime directory that %s names: nothing "
		  "listens at %s/%s (if that was removed, SIGHUP to posternd brings it "
		  "back)",
		cli->config_path, config->runtime, CONTROL_NAME);
	free(config);
}

/* The channel with the order sent; or -1 after a message. */
static int order(const struct cli *cli, const struct control *control)
{
	int fd = reach(cli);
	if (fd == NO_SERVER)
		tell_absent(cli);
	return fd < 0 ? -1 : send_order(fd, control);
}

struct answer {
	int fd;
	unsigned char storage[MESSAGE_MAX + 1];
};

/* The next message; empty at the end of the channel. */
static struct span hear(struct answer *a)
{
	ssize_t n;
	do
		n = recv(a->fd, a->storage, sizeof(a->storage), 0);
	while (n < 0 && errno == EINTR);
	return span_of(a->storage, n > 0 ? (size_t)n : 0);
}

/* END, which must be the next message. 0, or -1 after a message. */
static int hear_end(struct answer *a, struct control_end *end)
{
	if (control_end_decode(hear(a), end) == 0)
		return 0;
	cli_error("the server broke the answer off");
	return -1;
}

/* --- who ------------------------------------------------------------------ */

static void print_row(const struct control_row *row)
{
	char peer[NETADDR_TEXT_MAX];
	netaddr_text(&row->peer, peer);
	printf("%-10" PRIu64 " ", row->connection);
	text_print(stdout, row->account[0] ? row->account : "-", 30);
	printf(" %-10s %-6s %8" PRIu64 " %s\n", row->state,
		row->listener == LISTENER_POP3S ? "pop3s" : "pop3", row->seconds, peer);
}

static void json_row(struct json *j, const struct control_row *row)
{
	char peer[NETADDR_TEXT_MAX];
	netaddr_text(&row->peer, peer);
	json_open(j, '{');
	json_key(j, "connection");
	json_int(j, (int64_t)row->connection);
	json_key(j, "account");
	json_text_or_null(j, row->account);
	json_key(j, "state");
	json_text(j, row->state);
	json_key(j, "listener");
	json_text(j, row->listener == LISTENER_POP3S ? "pop3s" : "pop3");
	json_key(j, "source");
	json_text(j, peer);
	json_key(j, "port");
	json_int(j, row->peer.port);
	json_key(j, "seconds");
	json_int(j, (int64_t)row->seconds);
	json_key(j, "pid");
	if (row->pid)
		json_int(j, row->pid);
	else
		json_null(j);
	json_close(j, '}');
}

static int list_rows(const struct cli *cli, struct answer *a)
{
	struct json j = { .out = stdout };
	struct control_row row;
	struct control_end end;
	bool json = cli_flag(cli, "json");
	struct span message;
	if (json)
		json_open(&j, '[');
	else
		printf("%-10s %-30s %-10s %-6s %8s %s\n", "CONNECTION", "ACCOUNT",
			"STATE", "PORT", "SECONDS", "SOURCE");
	while (control_row_decode(message = hear(a), &row) == 0)
		if (json)
			json_row(&j, &row);
		else
			print_row(&row);
	if (json) {
		json_close(&j, ']');
		json_end(&j);
	}
	if (control_end_decode(message, &end) < 0)
		return cli_error("the server broke the answer off");
	return cli_flush();
}

static int run_who(const struct cli *cli)
{
	static struct answer a;
	a.fd = order(cli, &(struct control){ .order = CONTROL_WHO });
	if (a.fd < 0)
		return CLI_FAILED;
	int result = list_rows(cli, &a);
	close(a.fd);
	return result;
}

/* --- stats ---------------------------------------------------------------- */

static int print_stats(const struct cli *cli, const struct control_stats *stats)
{
	static const char *const names[CONTROL_COUNTERS] = { "seconds", "connections",
		"sessions", "waiting", "accepted_connections", "turned_away", "logins",
		"refused", "failed", "in_use", "sources" };
	const uint64_t *counter = &stats->seconds;
	struct json j = { .out = stdout };
	bool json = cli_flag(cli, "json");
	if (json)
		json_open(&j, '{');
	for (int i = 0; i < CONTROL_COUNTERS; i++) {
		if (json) {
			json_key(&j, names[i]);
			json_int(&j, (int64_t)counter[i]);
		} else {
			printf("%-22s %" PRIu64 "\n", names[i], counter[i]);
		}
	}
	if (json) {
		json_close(&j, '}');
		json_end(&j);
	}
	return cli_flush();
}

static int run_stats(const struct cli *cli)
{
	static struct answer a;
	struct control_stats stats;
	a.fd = order(cli, &(struct control){ .order = CONTROL_STATS });
	if (a.fd < 0)
		return CLI_FAILED;
	int result = control_stats_decode(hear(&a), &stats) < 0
			     ? cli_error("the server broke the answer off")
			     : print_stats(cli, &stats);
	close(a.fd);
	return result;
}

/* --- kick, reload, stop ------------------------------------------------------ */

static int run_kick(const struct cli *cli)
{
	static struct answer a;
	struct control control = { .order = CONTROL_KICK };
	struct control_end end;
	struct span whom = span_str(cli->operands[0]);
	if (num_parse(whom, UINT64_MAX, &control.connection) < 0 &&
		span_to_text(whom, control.account, sizeof(control.account)) < 0)
		return cli_misuse(cli, "the name is too long");
	a.fd = order(cli, &control);
	if (a.fd < 0)
		return CLI_FAILED;
	int result = hear_end(&a, &end);
	close(a.fd);
	if (result < 0)
		return CLI_FAILED;
	if (!end.done)
		return cli_error("nobody is connected as %s", cli->operands[0]);
	printf("%" PRIu64 " ended\n", end.count);
	return cli_flush();
}

int cli_end_sessions(const struct cli *cli, const char *whom)
{
	static struct answer a;
	struct control control = { .order = CONTROL_KICK };
	struct control_end end;
	if (cli_flag(cli, "keep-sessions") ||
		(cli_flag(cli, "db") && !cli->config_given))
		return CLI_DONE;
	span_to_text(span_str(whom), control.account, sizeof(control.account));
	a.fd = reach(cli);
	if (a.fd == NO_SERVER)
		return CLI_DONE;
	if (a.fd < 0 || send_order(a.fd, &control) < 0)
		return cli_error("the sessions of %s go on", whom);
	int result = hear_end(&a, &end);
	close(a.fd);
	if (result < 0)
		return CLI_FAILED;
	if (end.count)
		printf("%" PRIu64 " session%s ended\n", end.count,
			end.count == 1 ? "" : "s");
	return cli_flush();
}

static int run_reload(const struct cli *cli)
{
	static struct answer a;
	struct control_end end;
	a.fd = order(cli, &(struct control){ .order = CONTROL_RELOAD });
	if (a.fd < 0)
		return CLI_FAILED;
	int result = hear_end(&a, &end);
	close(a.fd);
	if (result < 0)
		return CLI_FAILED;
	return end.done ? CLI_DONE
			: cli_error("not reloaded, everything stays as it was; the log "
				    "says why ('posternd -n' shows it as well)");
}

static int run_stop(const struct cli *cli)
{
	static struct answer a;
	struct control_end end;
	a.fd = order(cli, &(struct control){ .order = CONTROL_STOP });
	if (a.fd < 0)
		return CLI_FAILED;
	int result = hear_end(&a, &end);
	/* Open until the server has ended. */
	while (result == 0 && hear(&a).n)
		;
	close(a.fd);
	return result < 0 ? CLI_FAILED : CLI_DONE;
}

const struct cli_command cli_server[] = {
	{ "who", "[--json]", "List who is connected", JSON_HELP, "json", 0, 0,
		run_who },
	{ "kick", "CONNECTION|NAME|@DOMAIN",
		"End a connection, or all sessions of an account or a domain",
		"A session that is ended so deletes nothing.\n", "", 1, 1, run_kick },
	{ "stats", "[--json]", "Show what the server has counted", JSON_HELP, "json", 0,
		0, run_stats },
	{ "reload", "", "Read the configuration and the certificate again", "", "", 0,
		0, run_reload },
	{ "stop", "", "End the server, and wait until it has ended", "", "", 0, 0,
		run_stop },
	{ 0 },
};
