/*
 * host: postern check: would this configuration serve on this host? Looks at the
 * file's mistakes, users, files and their rights, programs, ports, databases, walls;
 * and asks `posternd -n`, which starts every program once. Changes nothing.
 */
#include "cli/cli.h"
#include "cli/finding.h"
#include "cli/kept.h"
#include "cli/reach.h"
#include "cli/sense.h"

#include "accounts/edit.h"
#include "accounts/store.h"
#include "base/ktls.h"
#include "config/config.h"
#include "sandbox/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- users ------------------------------------------------------------------- */

static void check_user(struct findings *f, const char *name, const char *what)
{
	const struct passwd *user = getpwnam(name);
	if (!user)
		findings_add(
			f, FINDING_PROBLEM, name, "%s: there is no such user", what);
	else if (user->pw_uid == 0 || user->pw_gid == 0)
		findings_add(f, FINDING_PROBLEM, name,
			"%s: must be neither root nor of root's group", what);
	else
		findings_add(f, FINDING_OK, name, "%s: uid %lu", what,
			(unsigned long)user->pw_uid);
}

static void check_users(struct findings *f, const struct config *config)
{
	if (geteuid() != 0) {
		findings_add(f, FINDING_WARNING, "users",
			"not looked at: without root every process keeps its user");
		return;
	}
	check_user(f, config->user, "runs the gates");
	if (config->certificate[0])
		check_user(f, config->keeper_user, "keeps the private key");
	for (size_t i = 0; i < config->sources_n; i++)
		if (config->sources[i].owner[0])
			check_user(f, config->sources[i].owner, "owns virtual mail");
}

/* --- files ------------------------------------------------------------------- */

/* Who but root, or us, could write what lies there? */
static bool is_safe(struct findings *f, const char *path, const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		findings_add(f, FINDING_PROBLEM, path,
			"belongs to uid %lu, who could change it",
			(unsigned long)st->st_uid);
		return false;
	}
	if (st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid != 0)) {
		findings_add(
			f, FINDING_PROBLEM, path, "others can write it; chmod go-w");
		return false;
	}
	return true;
}

static bool look(struct findings *f, const char *path, mode_t type, struct stat *st)
{
	if (stat(path, st) < 0) {
		findings_add(f, FINDING_PROBLEM, path, "%s", strerror(errno));
		return false;
	}
	if ((st->st_mode & S_IFMT) != type) {
		findings_add(f, FINDING_PROBLEM, path, "is no %s",
			type == S_IFDIR ? "directory" : "file");
		return false;
	}
	return is_safe(f, path, st);
}

static void check_file(struct findings *f, const char *path, bool secret)
{
	struct stat st;
	if (!look(f, path, S_IFREG, &st))
		return;
	if (secret && st.st_mode & 077)
		findings_add(f, FINDING_PROBLEM, path,
			"is secret, but others can read it; chmod 600");
	else
		findings_add(f, FINDING_OK, path, "%s",
			secret ? "only its owner can read it"
			       : "only its owner can write it");
}

/* A directory that the server makes when it is missing. */
static void check_directory(struct findings *f, const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0 && errno == ENOENT)
		findings_add(f, FINDING_OK, path, "will be made");
	else if (look(f, path, S_IFDIR, &st))
		findings_add(f, FINDING_OK, path, "only its owner can write it");
}

static void check_programs(struct findings *f, const struct config *config)
{
	static const char *const names[] = { "pop3-gate", "postern-auth",
		"pop3-session", "postern-keeper" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[SETUP_PATH_MAX + 32];
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s", config->programs, names[i]);
		if (!look(f, path, S_IFREG, &st))
			continue;
		if (access(path, X_OK) < 0)
			findings_add(f, FINDING_PROBLEM, path, "%s", strerror(errno));
		else
			findings_add(f, FINDING_OK, path, "can be started");
	}
}

static void check_files(struct findings *f, const struct config *config)
{
	if (config->certificate[0]) {
		check_file(f, config->certificate, false);
		check_file(f, config->key, true);
	}
	for (size_t i = 0; i < config->issuers_n; i++)
		check_file(f, config->issuers[i].key, false);
	check_directory(f, config->runtime);
	check_directory(f, config->state);
	kept_check(f, config->state);
	check_programs(f, config);
}

/* --- accounts ------------------------------------------------------------------ */

struct damage {
	struct findings *findings;
	const char *path;
};

static void wrong(void *arg, const char *line)
{
	const struct damage *damage = arg;
	findings_add(damage->findings, FINDING_PROBLEM, damage->path, "%s", line);
}

static void check_database(struct findings *f, const char *path)
{
	struct store *store;
	struct damage damage = { f, path };
	struct stat st;
	if (stat(path, &st) < 0 && errno == ENOENT) {
		findings_add(f, FINDING_WARNING, path,
			"does not exist yet; `postern user add` makes it");
		return;
	}
	check_file(f, path, true);
	int result = store_open(&store, path, STORE_READ);
	if (result == 0)
		result = edit_check(store, wrong, &damage);
	if (result < 0)
		findings_add(f, FINDING_PROBLEM, path, "%s",
			store ? store_fault(store) : strerror(errno));
	else if (result == 0)
		findings_add(f, FINDING_OK, path, "is whole");
	store_close(store);
}

static void check_pam(struct findings *f, const char *service)
{
	char path[SETUP_PATH_MAX + 32];
	struct stat st;
	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	if (geteuid() != 0)
		findings_add(f, FINDING_PROBLEM, path,
			"system accounts need a server that is started as root");
	else if (stat(path, &st) < 0)
		findings_add(f, FINDING_PROBLEM, path,
			"%s: PAM would ask the service \"other\"", strerror(errno));
	else
		check_file(f, path, false);
}

static void check_accounts(struct findings *f, const struct config *config)
{
	for (size_t i = 0; i < config->sources_n; i++) {
		const struct source_setup *source = &config->sources[i];
		if (source->kind == SOURCE_PAM)
			check_pam(f, source->argument);
		else
			check_database(f, source->argument);
		reach_check(f, source);
		if (source->kind == SOURCE_SQLITE && geteuid() == 0 &&
			!source->owner[0])
			findings_add(f, FINDING_WARNING, source->argument,
				"no owner: only accounts with a user of their own can "
				"log in");
	}
}

/* --- ports ----------------------------------------------------------------------- */

/* The process that holds the server's lock, or 0. */
static pid_t running(const struct config *config)
{
	char path[SETUP_PATH_MAX + 32];
	/* Theirs is a write lock; ours is only asked about. */
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	snprintf(path, sizeof(path), "%s/locks/server.lock", config->runtime);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	pid_t pid = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK
			    ? lock.l_pid
			    : 0;
	close(fd);
	return pid;
}

static int try_bind(const struct config_listener *listener)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
		.sin6_port = htons(listener->port),
		.sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET,
		.sin_port = htons(listener->port) };
	bool any = strcmp(listener->host, "*") == 0;
	bool is_four = inet_pton(AF_INET, listener->host, &four.sin_addr) == 1;
	int one = 1;
	if (!any && !is_four)
		inet_pton(AF_INET6, listener->host, &six.sin6_addr);
	int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	int result = is_four ? bind(fd, (struct sockaddr *)&four, sizeof(four))
			     : bind(fd, (struct sockaddr *)&six, sizeof(six));
	/* Two may be bound to one port as long as neither listens. */
	if (result == 0)
		result = listen(fd, 1);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

static void check_ports(struct findings *f, const struct config *config)
{
	pid_t ours = running(config);
	if (ours)
		findings_add(
			f, FINDING_OK, "posternd", "runs: process %ld", (long)ours);
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct config_listener *listener = &config->listeners[i];
		char name[CONFIG_HOST_MAX + 16];
		snprintf(name, sizeof(name),
			strchr(listener->host, ':') ? "[%s]:%u" : "%s:%u",
			listener->host, listener->port);
		if (try_bind(listener) == 0)
			findings_add(f, FINDING_OK, name, "is free");
		else if (errno == EADDRINUSE && ours)
			findings_add(f, FINDING_OK, name, "is in use; posternd runs");
		else if (errno == EADDRINUSE)
			findings_add(
				f, FINDING_PROBLEM, name, "another program has it");
		else
			findings_add(f, FINDING_PROBLEM, name, "%s", strerror(errno));
	}
}

/* --- walls --------------------------------------------------------------------------
 */

static void check_walls(struct findings *f)
{
	unsigned missing = sandbox_missing();
	for (unsigned wall = WALL_SECCOMP; wall <= WALL_NO_NEW_PRIVS; wall <<= 1) {
		const char *name = sandbox_wall_name((enum sandbox_wall)wall);
		if (missing & wall)
			findings_add(f, FINDING_WARNING, name,
				"this system lacks it: a process that was taken over "
				"gets more");
		else
			findings_add(f, FINDING_OK, name, "there is");
	}
}

/* Does the kernel have what kernel-tls asks for? A module that is not loaded is none:
 * who tries it out as root would load it, and the gates could not the next time. */
static bool has_kernel_tls(void)
{
	char line[256] = "";
	FILE *in = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
	/* Not there in a network namespace other than the first. */
	bool found = !in || (fgets(line, sizeof(line), in) && strstr(line, "tls"));
	if (in)
		fclose(in);
	errno = ENOENT;
	return found && ktls_probe() != 0;
}

static void check_kernel_tls(struct findings *f, const struct config *config)
{
	if (!config->kernel_tls)
		return;
	if (has_kernel_tls())
		findings_add(f, FINDING_OK, "kernel-tls", "the kernel has it");
	else
		findings_add(f, FINDING_WARNING, "kernel-tls",
			"the kernel has no TLS, or its module `tls' is not loaded "
			"(%s): "
			"every TLS session keeps a process of the gate",
			strerror(errno));
}

/* --- the trial start
 * -------------------------------------------------------------------- */

/* Beside us, as in a build; else where it was installed. */
static void find_server(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 16);
	path[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, "posternd", sizeof("posternd"));
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, size, "%s/posternd", POSTERN_SBINDIR);
}

static void check_trial(struct findings *f, const struct cli *cli)
{
	char path[1024];
	char *argv[] = { (char *)(uintptr_t) "posternd", (char *)(uintptr_t) "-n",
		(char *)(uintptr_t) "-c", (char *)(uintptr_t)cli->config_path, NULL };
	char *environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;
	find_server(path, sizeof(path));
	fflush(stdout);
	int error = posix_spawn_file_actions_init(&actions);
	if (error == 0)
		error = posix_spawn_file_actions_addopen(
			&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (error == 0)
		error = posix_spawn(&pid, path, &actions, NULL, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		findings_add(f, FINDING_PROBLEM, path, "%s", strerror(error));
		return;
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		findings_add(f, FINDING_PROBLEM, "posternd -n",
			"would not start; its messages say why");
	else
		findings_add(f, FINDING_OK, "posternd -n", "every program starts");
}

static int run_check(const struct cli *cli)
{
	struct config *config;
	struct findings f;
	int result = cli_config(cli, &config);
	if (result)
		return result;
	findings_begin(&f, cli_flag(cli, "json"));
	check_file(&f, cli->config_path, false);
	check_users(&f, config);
	check_files(&f, config);
	check_accounts(&f, config);
	sense_check(&f, config);
	check_ports(&f, config);
	check_walls(&f);
	check_kernel_tls(&f, config);
	check_trial(&f, cli);
	findings_end(&f);
	free(config);
	result = cli_flush();
	return f.problems ? CLI_FAILED : result;
}

const struct cli_command cli_host[] = {
	{ "check", "[--json]", "Check the configuration and what it needs on this host",
		"Looks at mistakes, users, files and their rights, programs, "
		"databases, "
		"ports\nand the kernel's walls, and starts every program once. Changes "
		"nothing; fails\nwhen there is a problem.\n\n"
		"  --json                for programs\n",
		"json", 0, 0, run_check },
	{ 0 },
};
