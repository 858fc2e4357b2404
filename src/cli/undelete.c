/*
 * undelete: gives back messages that POP3 sessions deleted, and frees those whose time
 * is over. Runs as root until it knows whose mail it is about, then as the owner:
 * nothing in a maildrop is looked at with root's rights.
 */
#include "base/io.h"
#include "cli/place.h"
#include "cli/text.h"
#include "maildrop/state.h"
#include "maildrop/undo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SUBJECT_LOOKED = 16 * 1024, SUBJECT_MAX = 200 };

struct undelete {
	const char *path;
	int undo;
	int64_t since;
	struct json *json; /* NULL: text */
	size_t given, failed;
};

/* --- listing
 * ---------------------------------------------------------------------------- */

static void find_subject(int fd, char subject[SUBJECT_MAX + 1])
{
	static char header[SUBJECT_LOOKED];
	const char name[] = "subject:";
	size_t named = sizeof(name) - 1;
	ssize_t n = io_pread_full(fd, header, sizeof(header), 0);
	struct span rest = span_of(header, n > 0 ? (size_t)n : 0);
	subject[0] = '\0';
	while (rest.n) {
		struct span line = span_cut(&rest, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			return;
		if (!span_is_nocase(span_head(line, named), name))
			continue;
		line = span_tail(line, named);
		while (line.n && line.p[0] == ' ')
			line = span_tail(line, 1);
		if (span_to_text(
			    span_head(line, SUBJECT_MAX), subject, SUBJECT_MAX + 1) < 0)
			subject[0] = '\0';
		return;
	}
}

static void print_entry(const struct undelete *u, const struct undo_entry *entry,
	uint64_t size, const char *subject)
{
	char time[TEXT_TIME_MAX];
	text_time(entry->deleted, time);
	if (!u->json) {
		printf("%s %10llu  ", time, (unsigned long long)size);
		text_print(stdout, subject, 0);
		putchar('\n');
		return;
	}
	json_open(u->json, '{');
	json_key(u->json, "deleted");
	json_text(u->json, time);
	json_key(u->json, "octets");
	json_int(u->json, (int64_t)size);
	json_key(u->json, "subject");
	json_text(u->json, subject);
	json_key(u->json, "name");
	json_text(u->json, entry->name);
	json_close(u->json, '}');
}

static int list_one(void *self, const struct undo_entry *entry)
{
	struct undelete *u = self;
	char subject[SUBJECT_MAX + 1];
	struct stat st;
	if (entry->deleted < u->since)
		return 0;
	int fd = openat(entry->dir, entry->file,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		find_subject(fd, subject);
		print_entry(u, entry, (uint64_t)st.st_size, subject);
	}
	close(fd);
	return 0;
}

static int list(struct undelete *u, bool json)
{
	struct json j = { .out = stdout };
	if (json) {
		u->json = &j;
		json_open(&j, '[');
	}
	int result = u->undo >= 0 ? undo_each(u->undo, list_one, u) : 0;
	u->json = NULL;
	if (result < 0)
		return cli_error("%s/" UNDO_DIR ": %s", u->path, strerror(errno));
	if (json) {
		json_close(&j, ']');
		json_end(&j);
	}
	return cli_flush();
}

/* --- giving back
 * ------------------------------------------------------------------------ */

static int restore_one(void *self, const struct undo_entry *entry)
{
	struct undelete *u = self;
	if (entry->deleted < u->since)
		return 0;
	if (undo_restore(u->path, entry) == 0) {
		u->given++;
		return 0;
	}
	u->failed++;
	cli_error("%s: %s", entry->file, strerror(errno));
	return 0;
}

static int restore(struct undelete *u)
{
	if (u->undo >= 0 && undo_each(u->undo, restore_one, u) < 0)
		return cli_error("%s/" UNDO_DIR ": %s", u->path, strerror(errno));
	printf("%zu messages are back\n", u->given);
	int result = cli_flush();
	return u->failed ? CLI_FAILED : result;
}

/* "2d": two days ago; or a moment. */
static int read_since(const struct cli *cli, int64_t *since)
{
	const char *text = cli_option(cli, "since");
	int64_t now = time(NULL);
	if (!text)
		return 0;
	if (text_when(span_str(text), now, since) < 0)
		return cli_misuse(cli, "--since: '%s' is no time", text);
	if (*since > now)
		*since = now - (*since - now);
	return 0;
}

static int undelete_as_owner(
	const struct cli *cli, const struct identity *identity, int64_t since)
{
	struct undelete u = { .path = identity->path_name, .since = since };
	int result = place_become(identity);
	if (result)
		return result;
	u.undo = undo_open(u.path, false);
	if (u.undo < 0 && errno != ENOENT)
		return cli_error("%s/" UNDO_DIR ": %s", u.path, strerror(errno));
	result = cli_flag(cli, "list") ? list(&u, cli_flag(cli, "json")) : restore(&u);
	io_close(&u.undo);
	return result;
}

static int run_undelete(const struct cli *cli)
{
	struct config *config = NULL;
	struct identity identity;
	int64_t since = 0;
	int result = read_since(cli, &since);
	if (result == 0)
		result = place_of_operand(cli, 0, &config, &identity);
	if (result == 0)
		result = undelete_as_owner(cli, &identity, since);
	free(config);
	return result;
}

/* --- purge
 * ------------------------------------------------------------------------------ */

/* As the owner. state may be -1. */
static int purge_here(const char *path, int state, int64_t before)
{
	struct undo_purged purged = { 0 };
	int undo = undo_open(path, false);
	if (undo < 0 && errno != ENOENT)
		return cli_error("%s/" UNDO_DIR ": %s", path, strerror(errno));
	/* Where there is no room nothing is kept: see maildir_free_expired(). */
	if (undo >= 0 && undo_is_tight(undo))
		before = INT64_MAX;
	int result = undo < 0 ? 0 : undo_purge(undo, before, SIZE_MAX, &purged);
	if (result < 0)
		cli_error("%s/" UNDO_DIR ": %s", path, strerror(errno));
	else if (purged.left == 0 && state >= 0)
		unlinkat(state, UNDO_NOTE, 0);
	io_close(&undo);
	if (purged.freed) {
		text_print(stdout, path, 0);
		printf(": %zu freed, %zu kept\n", purged.freed, purged.left);
	}
	int flushed = cli_flush();
	return result < 0 ? CLI_FAILED : flushed;
}

/* In a process of its own, which becomes the owner. */
static int purge_in_child(const struct identity *identity, int state, int64_t before)
{
	int status;
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		return cli_error("fork: %s", strerror(errno));
	if (pid == 0) {
		struct identity owner = *identity;
		int result = place_become(&owner);
		if (result == 0 && !owner.path_name[0] &&
			undo_read_note(
				state, owner.path_name, sizeof(owner.path_name)) < 0)
			_exit(CLI_DONE); /* nothing is kept there */
		if (result == 0)
			result = purge_here(owner.path_name, state, before);
		_exit(result);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_error("waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

static int purge_state(int states, const char *key, int64_t before)
{
	struct identity identity = { .account = "" };
	struct stat st;
	int state =
		openat(states, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (state < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : cli_error("%s: %s", key, strerror(errno));
	int result = 0;
	if (fstat(state, &st) == 0 && (geteuid() != 0 || st.st_uid != 0)) {
		identity.uid = st.st_uid;
		identity.gid = st.st_gid;
		span_to_text(span_str(key), identity.account, sizeof(identity.account));
		result = purge_in_child(&identity, state, before);
	}
	close(state);
	return result;
}

static int purge_all(const struct config *config, int64_t before)
{
	int result = 0;
	DIR *states = opendir(config->state);
	if (!states)
		return errno == ENOENT
			       ? 0
			       : cli_error("%s: %s", config->state, strerror(errno));
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(states);
		if (!entry)
			break;
		if (entry->d_name[0] != '.' &&
			purge_state(dirfd(states), entry->d_name, before) != 0)
			result = CLI_FAILED;
	}
	if (errno)
		result = cli_error("%s: %s", config->state, strerror(errno));
	closedir(states);
	return result;
}

static int run_purge(const struct cli *cli)
{
	struct config *config = NULL;
	struct identity identity;
	int result = cli_config(cli, &config);
	if (result)
		return result;
	int64_t before = (int64_t)time(NULL) + 1;
	if (!cli_flag(cli, "now"))
		before -= config->undo_seconds;
	if (cli->operands_n == 0)
		result = purge_all(config, before);
	free(config);
	for (int i = 0; i < cli->operands_n; i++) {
		config = NULL;
		if (place_of_operand(cli, i, &config, &identity) != 0 ||
			purge_in_child(&identity, -1, before) != 0)
			result = CLI_FAILED;
		free(config);
	}
	return result;
}

const struct cli_command cli_undelete[] = {
	{ "undelete", "NAME [--list [--json]] [--since TIME]",
		"give back messages that POP3 sessions deleted from a Maildir",
		"  --list        only list them: when deleted, octets, subject\n"
		"  --json        as JSON\n"
		"  --since TIME  those deleted since: 2d, 12h, 2026-12-31\n",
		"list json since=", 1, 1, run_undelete },
	{ "purge", "[--now] [NAME]...",
		"free deleted messages whose time is over (undo in postern.conf)",
		"  --now  free all of them, whatever their time\n", "now", 0,
		CLI_OPERANDS_MAX, run_purge },
	{ 0 },
};
