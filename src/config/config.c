/*
 * config: reads postern.conf. Runs as root in the master, as anybody in the
 * postern command; trusts the file (a file that others can write is a mistake),
 * never its form. Nothing here ends the process: mistakes are lines for people.
 */
#include "config/config.h"

#include "config/statement.h"
#include "config/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_MAX_OCTETS = 256 * 1024,
	MESSAGES_MAX = 64 * 1024,
};

static void say(struct parse *parse, struct buf *out, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void say(struct parse *parse, struct buf *out, const char *format, va_list args)
{
	char text[1024];
	vsnprintf(text, sizeof(text), format, args);
	if (parse->line)
		buf_printf(out, "%s:%u: %s\n", parse->path, parse->line, text);
	else
		buf_printf(out, "%s: %s\n", parse->path, text);
}

void parse_mistake(struct parse *parse, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(parse, parse->mistakes, format, args);
	va_end(args);
}

void parse_warning(struct parse *parse, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(parse, parse->warnings, format, args);
	va_end(args);
}

void parse_unknown(struct parse *parse, const char *what, struct span word,
	const char *const *words)
{
	char storage[256];
	struct buf list;
	struct span shown = span_head(word, 100);
	const char *nearest = suggest(word, words);
	if (nearest) {
		parse_mistake(parse, "\"%.*s\" is no %s; did you mean \"%s\"?",
			(int)shown.n, (const char *)shown.p, what, nearest);
		return;
	}
	buf_fixed(&list, storage, sizeof(storage));
	for (; *words; words++)
		buf_printf(&list, "%s%s", buf_len(&list) ? ", " : "", *words);
	parse_mistake(parse, "\"%.*s\" is no %s; there are: %.*s", (int)shown.n,
		(const char *)shown.p, what, (int)buf_len(&list), storage);
}

bool parse_set(struct parse *parse, enum setting setting, const char *name)
{
	if (parse->set[setting]) {
		parse_mistake(parse, "%s is already set in line %u", name,
			parse->set[setting]);
		return false;
	}
	parse->set[setting] = parse->line;
	return true;
}

/* The host's own name, as far as it is one that may be sent to strangers. */
static void own_hostname(char name[SETUP_HOSTNAME_MAX + 1])
{
	if (gethostname(name, SETUP_HOSTNAME_MAX) < 0)
		name[0] = '\0';
	name[SETUP_HOSTNAME_MAX] = '\0';
	for (const char *p = name; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789-.",
			    *p))
			name[0] = '\0';
	if (name[0] == '\0')
		span_to_text(span_str("localhost"), name, SETUP_HOSTNAME_MAX + 1);
}

static void defaults(struct config *config)
{
	*config = (struct config){
		.names = { .first_uid = 1000 },
		.remember_seconds = 300,
		.plaintext = PLAINTEXT_LOOPBACK,
		.connections = 4096,
		.per_source = 50,
		.attempts = 5,
		.bad_commands = 10,
		.logins = 16,
		.login_seconds = 60,
		.idle_seconds = 600,
		.takeover_seconds = 60,
		.undo_seconds = 7 * 24 * 60 * 60,
		.user = "_postern",
		.keeper_user = "_postkey",
		.runtime = POSTERN_RUNDIR,
		.state = POSTERN_LOCALSTATEDIR "/state",
		.programs = POSTERN_LIBEXECDIR,
	};
	own_hostname(config->hostname);
}

/* Who can write the file decides what root does: only root, or who runs us. */
static void check_safety(struct parse *parse, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		parse_mistake(parse, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		parse_mistake(parse, "is no regular file");
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		parse_mistake(parse,
			"belongs to uid %lu, who could change it; chown it to root",
			(unsigned long)st.st_uid);
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		parse_mistake(parse, "can be written by %s; chmod go-w",
			st.st_mode & S_IWOTH ? "everybody" : "its group");
}

static int read_file(struct parse *parse, struct buf *text)
{
	/* Non-blocking: a FIFO shall not hold us. */
	int fd = open(parse->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		parse_mistake(parse, "%s", strerror(errno));
		return -1;
	}
	check_safety(parse, fd);
	ssize_t n = 0;
	while (buf_len(parse->mistakes) == 0) {
		unsigned char *room = buf_reserve(text, 4096);
		if (!room) {
			parse_mistake(
				parse, "is longer than %d octets", FILE_MAX_OCTETS);
			break;
		}
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			parse_mistake(parse, "%s", strerror(errno));
		if (n <= 0)
			break;
		buf_commit(text, (size_t)n);
	}
	close(fd);
	return buf_len(parse->mistakes) ? -1 : 0;
}

static void parse_text(struct parse *parse, struct span text)
{
	/* Some editors put a byte order mark in front, which nobody sees. */
	if (span_is(span_head(text, 3), "\xEF\xBB\xBF"))
		text = span_tail(text, 3);
	while (text.n) {
		struct span line = span_cut(&text, '\n');
		const char *wrong;
		parse->line++;
		if (words_of(line, &parse->words, &wrong) < 0)
			parse_mistake(parse, "%s", wrong);
		else if (parse->words.n)
			statement_apply(parse);
	}
	statements_check(parse);
}

int config_load(struct config *config, const char *path, struct buf *errors)
{
	struct buf text, mistakes, warnings;
	struct parse parse = { .config = config,
		.path = path,
		.mistakes = &mistakes,
		.warnings = &warnings };
	buf_init(&text, FILE_MAX_OCTETS + 4096);
	buf_init(&mistakes, MESSAGES_MAX);
	buf_init(&warnings, MESSAGES_MAX);
	defaults(config);
	if (read_file(&parse, &text) == 0)
		parse_text(&parse, buf_span(&text));
	bool good = buf_len(&mistakes) == 0 && buf_ok(&mistakes);
	buf_put_span(errors, buf_span(good ? &warnings : &mistakes));
	buf_free(&text);
	buf_free(&mistakes);
	buf_free(&warnings);
	return good ? 0 : -1;
}
