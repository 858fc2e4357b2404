/*
 * database: which account database a command means, and opening it with messages that
 * help.
 */
#include "accounts/store.h"
#include "cli/cli.h"
#include "config/config.h"

#include <errno.h>

int cli_config(const struct cli *cli, struct config **config)
{
	struct buf errors;
	buf_init(&errors, 64 * 1024);
	*config = calloc(1, sizeof(**config));
	if (!*config)
		return cli_error("out of memory");
	int result = config_load(*config, cli->config_path, &errors);
	if (result < 0) {
		fwrite(buf_span(&errors).p, 1, buf_len(&errors), stderr);
		cli_error("%s cannot be used", cli->config_path);
		free(*config);
		*config = NULL;
	}
	buf_free(&errors);
	return result < 0 ? CLI_FAILED : 0;
}

static int configured(const struct cli *cli, const struct config *config,
	bool needs_one, char *path, size_t size)
{
	int found = 0;
	for (size_t i = 0; i < config->sources_n; i++) {
		if (config->sources[i].kind == SOURCE_SQLITE && ++found == 1)
			snprintf(path, size, "%s", config->sources[i].argument);
	}
	if (found == 0)
		return cli_error("%s names no 'accounts sqlite:FILE'; give --db FILE",
			cli->config_path);
	if (found > 1 && needs_one)
		return cli_error(
			"%s names several 'accounts sqlite:FILE'; give --db FILE",
			cli->config_path);
	return 0;
}

int cli_database(const struct cli *cli, bool needs_one, char *path, size_t size)
{
	struct config *config = NULL;
	const char *given = cli_option(cli, "db");
	if (given && span_to_text(span_str(given), path, size) < 0)
		return cli_misuse(cli, "--db: path too long");
	if (given)
		return *given ? 0 : cli_misuse(cli, "--db wants a file");
	int result = cli_config(cli, &config);
	if (result == 0 && config)
		result = configured(cli, config, needs_one, path, size);
	free(config);
	return result;
}

int cli_store_error(const struct store *store)
{
	return cli_error("%s", store_fault(store));
}

int cli_store(const struct cli *cli, int mode, struct store **store)
{
	char path[SETUP_PATH_MAX + 1];
	*store = NULL;
	int result = cli_database(cli, mode >= STORE_WRITE, path, sizeof(path));
	if (result)
		return result;
	if (store_open(store, path, (enum store_mode)mode) == 0)
		return 0;
	result = cli_store_error(*store);
	if (errno == ENOENT && mode != STORE_CREATE)
		fprintf(stderr, "'postern user add NAME' creates it.\n");
	return result;
}

int cli_account(struct store *store, const char *name, struct account *account)
{
	if (store_find(store, span_str(name), account) == 0)
		return 0;
	if (errno != ENOENT)
		return cli_store_error(store);
	return cli_error("there is no account '%s'", name);
}
