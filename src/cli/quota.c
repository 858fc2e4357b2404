/*
 * quota: see quota.h. Runs as root for the look-up, as the owner for the count. A
 * message that came under the quota may go beyond it: how long it is nobody knows
 * before it was read. Distrusts the maildrop: names and sizes are only added up.
 */
#include "cli/quota.h"

#include "accounts/store.h"
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_quota(struct store *store, const char *name, struct quota *quota)
{
	struct account account;
	int result = store_find(store, span_str(name), &account);
	if (result == 0)
		*quota = (struct quota){ account.quota_octets, account.quota_messages };
	explicit_bzero(&account, sizeof(account));
	return result == 0 || errno == ENOENT ? 0 : -1;
}

int quota_of(const struct config *config, const struct identity *identity,
	struct quota *quota)
{
	int result = 0;
	*quota = (struct quota){ .octets = 0 };
	for (size_t i = 0; i < config->sources_n && result == 0; i++) {
		struct store *store;
		if (config->sources[i].kind != SOURCE_SQLITE || quota->octets ||
			quota->messages)
			continue;
		if (store_open(&store, config->sources[i].argument, STORE_READ) == 0)
			result = read_quota(store, identity->account, quota);
		else if (errno != ENOENT && (errno != EACCES || geteuid() == 0))
			result = -1;
		if (result < 0)
			cli_error("%s", store_fault(store));
		store_close(store);
	}
	return result;
}

/* Adds the files of PATH/part. */
static void count(const char *path, const char *part, struct quota *used)
{
	char name[MAILDROP_PATH_MAX + 8];
	struct dirent *entry;
	struct stat st;
	snprintf(name, sizeof(name), "%s/%s", path, part);
	DIR *directory = opendir(name);
	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.' ||
			fstatat(dirfd(directory), entry->d_name, &st,
				AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		used->messages++;
		used->octets += (uint64_t)st.st_size;
	}
	closedir(directory);
}

bool quota_is_full(const struct identity *identity, const struct quota *quota)
{
	struct quota used = { .octets = 0 };
	struct stat st;
	if (!quota->octets && !quota->messages)
		return false;
	if (identity->maildrop == MAILDROP_MAILDIR) {
		count(identity->path_name, "new", &used);
		count(identity->path_name, "cur", &used);
	} else if (stat(identity->path_name, &st) == 0) {
		used.octets = (uint64_t)st.st_size;
	}
	return (quota->octets && used.octets >= quota->octets) ||
	       (quota->messages && used.messages >= quota->messages);
}
