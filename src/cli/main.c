/*
 * postern: administration from the command line. Runs as whoever calls it, for most
 * commands root. Trusts its caller; the files it opens say themselves whom they trust.
 * One command per call: words, options, operands, looked up in the tables below.
 *
 * Exit codes: 0 done, 1 failed, 2 misused.
 */
#include "base/span.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "config/suggest.h"

#include <getopt.h>
#include <stdarg.h>

static const struct cli_command *const tables[] = {
	cli_user,
	cli_show,
	cli_transfer,
	cli_backup,
	cli_app,
	cli_alias,
	cli_check,
	cli_server,
	cli_host,
	cli_deliver,
	cli_undelete,
};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

enum { MESSAGE_TEXT_MAX = 8192 };

/* --- what the commands use ----------------------------------------------- */

const char *cli_option_at(const struct cli *cli, const char *name, int i)
{
	for (int k = 0; k < cli->options_n; k++) {
		if (strcmp(cli->options[k].name, name) == 0 && i-- == 0)
			return cli->options[k].value;
	}
	return NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
	const char *last = NULL, *value;
	for (int i = 0; (value = cli_option_at(cli, name, i)); i++)
		last = value;
	return last;
}

static void say(const char *command, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void say(const char *command, const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "postern%s%s: ", command ? " " : "", command ? command : "");
	/* Whose names stand in it does not matter: no terminal obeys them. */
	char text[MESSAGE_TEXT_MAX];
	vsnprintf(text, sizeof(text), format, args);
	text_print(stderr, text, 0);
	fputc('\n', stderr);
}

int cli_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(NULL, format, args);
	va_end(args);
	return CLI_FAILED;
}

int cli_misuse(const struct cli *cli, const char *format, ...)
{
	const char *words = cli->command ? cli->command->words : NULL;
	va_list args;
	va_start(args, format);
	say(words, format, args);
	va_end(args);
	fprintf(stderr, "Try 'postern %s%s--help'.\n", words ? words : "",
		words ? " " : "");
	return CLI_MISUSED;
}

int cli_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_DONE;
	return cli_error("cannot write to standard output");
}

/* --- help ---------------------------------------------------------------- */

static void list_commands(const char *group)
{
	size_t n = group ? strlen(group) : 0;
	for (size_t t = 0; t < TABLES; t++) {
		for (const struct cli_command *c = tables[t]; c->words; c++) {
			if (!group || (strncmp(c->words, group, n) == 0 &&
					      c->words[n] == ' '))
				printf("  %-18s %s\n", c->words, c->summary);
		}
	}
}

static int help_all(const char *group)
{
	puts("Usage: postern [-c FILE] COMMAND [OPTION]... [OPERAND]...\n");
	list_commands(group);
	puts("\n'postern help COMMAND' explains a command.\n"
	     "  -c, --config FILE  the server's configuration (" POSTERN_SYSCONFDIR
	     "/postern.conf)");
	return cli_flush();
}

static int help_command(const struct cli_command *c)
{
	printf("Usage: postern [-c FILE] %s %s\n\n%s.\n%s%s", c->words, c->arguments,
		c->summary, *c->help ? "\n" : "", c->help);
	return cli_flush();
}

/* --- finding the command ------------------------------------------------- */

/* How many of the argument's words are the command's: 0 when it is another. */
static int words_match(const struct cli_command *c, int argc, char **argv)
{
	struct span rest = span_str(c->words);
	int n = 0;
	while (rest.n) {
		if (n == argc || !span_is(span_cut(&rest, ' '), argv[n]))
			return 0;
		n++;
	}
	return n;
}

static const struct cli_command *find_command(int argc, char **argv, int *words)
{
	for (size_t t = 0; t < TABLES; t++) {
		for (const struct cli_command *c = tables[t]; c->words; c++) {
			*words = words_match(c, argc, argv);
			if (*words)
				return c;
		}
	}
	return NULL;
}

static bool is_group(const char *word)
{
	size_t n = strlen(word);
	for (size_t t = 0; t < TABLES; t++) {
		for (const struct cli_command *c = tables[t]; c->words; c++) {
			if (strncmp(c->words, word, n) == 0 && c->words[n] == ' ')
				return true;
		}
	}
	return false;
}

enum { COMMANDS_MAX = 128 };

/* The command that is nearest to the given words, or NULL. */
static const char *nearest_command(int argc, char **argv)
{
	const char *names[COMMANDS_MAX + 1] = { 0 };
	char given[64];
	size_t n = 0;
	for (size_t t = 0; t < TABLES; t++)
		for (const struct cli_command *c = tables[t]; c->words; c++)
			if (n < COMMANDS_MAX)
				names[n++] = c->words;
	snprintf(given, sizeof(given), argc > 1 ? "%s %s" : "%s", argv[0], argv[1]);
	const char *nearest = suggest(span_str(given), names);
	return nearest || argc == 1 ? nearest : suggest(span_str(argv[0]), names);
}

static int help_of(int argc, char **argv)
{
	int words;
	const struct cli_command *c = find_command(argc, argv, &words);
	if (argc == 0)
		return help_all(NULL);
	if (c)
		return help_command(c);
	if (is_group(argv[0]))
		return help_all(argv[0]);
	return cli_error("there is no command '%s'", argv[0]);
}

static int no_command(const struct cli *cli, int argc, char **argv)
{
	if (strcmp(argv[0], "help") == 0)
		return help_of(argc - 1, argv + 1);
	const char *nearest = nearest_command(argc, argv);
	if (!is_group(argv[0]) && nearest)
		return cli_misuse(cli, "there is no command '%s'; did you mean '%s'?",
			argv[0], nearest);
	if (!is_group(argv[0]))
		return cli_misuse(cli, "there is no command '%s'", argv[0]);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return help_all(argv[0]);
	if (argc > 1)
		cli_error("there is no command '%s %s'; there are:", argv[0], argv[1]);
	else
		cli_error("'%s' is followed by one of:", argv[0]);
	fflush(stderr);
	list_commands(argv[0]);
	return CLI_MISUSED;
}

/* --- options ------------------------------------------------------------- */

enum { OPTION_HELP = 'h', OPTION_CONFIG = 'c', OPTION_OWN = 256 };

/* getopt's table out of the command's "db= json"; names holds the words. */
static int option_table(const char *words, char *names, size_t size,
	struct option table[CLI_OPTIONS_MAX])
{
	int n = 0;
	table[n++] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	table[n++] =
		(struct option){ "config", required_argument, NULL, OPTION_CONFIG };
	if (span_to_text(span_str(words), names, size) < 0)
		return -1;
	for (char *save, *word = strtok_r(names, " ", &save); word;
		word = strtok_r(NULL, " ", &save)) {
		size_t length = strlen(word);
		bool value = word[length - 1] == '=';
		if (value)
			word[length - 1] = '\0';
		if (n == CLI_OPTIONS_MAX - 1)
			return -1;
		table[n] = (struct option){ word,
			value ? required_argument : no_argument, NULL, OPTION_OWN + n };
		n++;
	}
	table[n] = (struct option){ 0 };
	return 0;
}

static int take_option(struct cli *cli, const char *name)
{
	if (cli->options_n == CLI_OPTIONS_MAX)
		return cli_misuse(cli, "too many options");
	cli->options[cli->options_n].name = name;
	cli->options[cli->options_n++].value = optarg ? optarg : "";
	return 0;
}

static int take_operands(struct cli *cli, int argc, char **argv)
{
	if (argc - optind < cli->command->least)
		return cli_misuse(
			cli, "an operand is missing: %s", cli->command->arguments);
	if (argc - optind > cli->command->most || argc - optind > (int)CLI_OPERANDS_MAX)
		return cli_misuse(cli, "there is no use for '%s'",
			argv[optind + cli->command->most]);
	for (; optind < argc; optind++)
		cli->operands[cli->operands_n++] = argv[optind];
	return 0;
}

static void take_config(struct cli *cli)
{
	cli->config_path = optarg;
	cli->config_given = true;
}

/* getopt has gone on behind a long option, and not yet behind the letters of "-json".
 */
static int no_option(const struct cli *cli, char *const *argv,
	const struct option *table, bool no_value)
{
	const char *names[CLI_OPTIONS_MAX] = { 0 };
	const char *given = argv[optind - 1];
	if (optopt > 0 && optopt < 256 && argv[optind] && argv[optind][0] == '-' &&
		strchr(argv[optind], optopt) && argv[optind][1] != '-')
		given = argv[optind];
	if (no_value)
		return cli_misuse(cli, "option '%s' wants a value", given);
	for (int i = 0; table[i].name; i++)
		names[i] = table[i].name;
	const char *nearest = suggest(span_str(given + strspn(given, "-")), names);
	return nearest ? cli_misuse(cli,
				 "there is no option '%s'; did you mean '--%s'?", given,
				 nearest)
		       : cli_misuse(cli, "there is no option '%s'", given);
}

/* argv[0] is the command's last word. */
static int run_command(struct cli *cli, int argc, char **argv)
{
	char names[512];
	struct option table[CLI_OPTIONS_MAX];
	int c, result = 0;
	if (option_table(cli->command->options, names, sizeof(names), table) < 0)
		return cli_error("too many options in a table");
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while (result == 0 &&
		(c = getopt_long(argc, argv, ":c:h", table, NULL)) != -1) {
		if (c == OPTION_HELP)
			return help_command(cli->command);
		if (c == OPTION_CONFIG)
			take_config(cli);
		else if (c == '?' || c == ':')
			return no_option(cli, argv, table, c == ':');
		else
			result = take_option(cli, table[c - OPTION_OWN].name);
	}
	if (result == 0)
		result = take_operands(cli, argc, argv);
	return result ? result : cli->command->run(cli);
}

int main(int argc, char **argv)
{
	static const struct option global[] = {
		{ "help", no_argument, NULL, OPTION_HELP },
		{ "config", required_argument, NULL, OPTION_CONFIG },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	struct cli cli = { .config_path = POSTERN_SYSCONFDIR "/postern.conf" };
	int c, words;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:c:h", global, NULL)) != -1) {
		if (c == OPTION_HELP)
			return help_all(NULL);
		if (c == 'V')
			return puts(PACKAGE_STRING) < 0 ? CLI_FAILED : cli_flush();
		if (c != OPTION_CONFIG)
			return cli_misuse(
				&cli, "there is no option '%s' here", argv[optind - 1]);
		take_config(&cli);
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return cli_misuse(&cli, "a command is missing");
	cli.command = find_command(argc, argv, &words);
	if (!cli.command)
		return no_command(&cli, argc, argv);
	return run_command(&cli, argc - words + 1, argv + words - 1);
}
