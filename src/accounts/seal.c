/*
 * seal: secrets that must be read back. Runs as root in auth (opens) and in the
 * postern command (makes the key, closes). The key file is trusted only when nobody
 * but root or the caller can read it. Each account's secretbox has a key of its own,
 * derived from the file's key and the name, so that a sealed secret copied into another
 * row does not open.
 */
#include "accounts/seal.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

_Static_assert(SEAL_KEY == crypto_secretbox_KEYBYTES, "size of a secretbox key");
_Static_assert(SEAL_OVERHEAD == crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES,
	"what a sealed secret is longer by");

static int key_path(char path[PATH_SIZE], const char *database, const char *suffix)
{
	int n = snprintf(path, PATH_SIZE, "%s.key%s", database, suffix);
	if (n > 0 && n < PATH_SIZE)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* Regular, of the right size, and nobody else's business? */
static int key_file_good(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size != SEAL_KEY) {
		errno = EINVAL;
		return -1;
	}
	if ((st.st_mode & 077) || (st.st_uid != 0 && st.st_uid != geteuid())) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

int seal_key_load(struct seal_key *key, const char *database)
{
	char path[PATH_SIZE];
	if (key_path(path, database, "") < 0)
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;
	int result = key_file_good(fd);
	if (result == 0 &&
		io_pread_full(fd, key->octets, SEAL_KEY, 0) != (ssize_t)SEAL_KEY) {
		errno = EIO;
		result = -1;
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int write_new(const char *path, const struct seal_key *key)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	int result = io_pwrite_all(fd, key->octets, SEAL_KEY, 0);
	if (result == 0)
		result = fsync(fd);
	int saved = errno;
	if (close(fd) < 0 && result == 0)
		return -1;
	errno = saved;
	return result;
}

/* Written whole under another name, then linked: link(2) fails when a key is there
 * already, so the first one stays, whoever comes at the same time. */
static int create(const char *database)
{
	char path[PATH_SIZE], made[PATH_SIZE], suffix[32];
	struct seal_key key;
	randombytes_buf(&key, sizeof(key));
	snprintf(suffix, sizeof(suffix), ".%08x", (unsigned)randombytes_random());
	if (key_path(path, database, "") < 0 || key_path(made, database, suffix) < 0)
		return -1;
	int result = write_new(made, &key);
	seal_key_wipe(&key);
	if (result == 0 && link(made, path) < 0 && errno != EEXIST)
		result = -1;
	int saved = errno;
	unlink(made);
	errno = saved;
	return result;
}

int seal_key_make(struct seal_key *key, const char *database)
{
	if (seal_key_load(key, database) == 0)
		return 0;
	if (errno != ENOENT || create(database) < 0)
		return -1;
	return seal_key_load(key, database);
}

void seal_key_wipe(struct seal_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

static void derive(
	const struct seal_key *key, const char *account, unsigned char out[SEAL_KEY])
{
	static const char purpose[] = "postern sealed secret 1";
	crypto_generichash_state state;
	crypto_generichash_init(&state, key->octets, SEAL_KEY, SEAL_KEY);
	crypto_generichash_update(
		&state, (const unsigned char *)purpose, sizeof(purpose));
	crypto_generichash_update(
		&state, (const unsigned char *)account, strlen(account));
	crypto_generichash_final(&state, out, SEAL_KEY);
	explicit_bzero(&state, sizeof(state));
}

int seal_close(const struct seal_key *key, const char *account, struct span secret,
	unsigned char sealed[SEAL_MAX], size_t *n)
{
	unsigned char own[SEAL_KEY];
	if (!secret.n || secret.n > SEAL_SECRET_MAX) {
		errno = EINVAL;
		return -1;
	}
	derive(key, account, own);
	randombytes_buf(sealed, crypto_secretbox_NONCEBYTES);
	crypto_secretbox_easy(
		sealed + crypto_secretbox_NONCEBYTES, secret.p, secret.n, sealed, own);
	explicit_bzero(own, sizeof(own));
	*n = secret.n + SEAL_OVERHEAD;
	return 0;
}

int seal_open(const struct seal_key *key, const char *account, struct span sealed,
	struct secret *secret)
{
	unsigned char own[SEAL_KEY];
	secret_wipe(secret);
	errno = EBADMSG;
	if (sealed.n <= SEAL_OVERHEAD || sealed.n > SEAL_MAX)
		return -1;
	derive(key, account, own);
	struct span box = span_tail(sealed, crypto_secretbox_NONCEBYTES);
	int result =
		crypto_secretbox_open_easy(secret->data, box.p, box.n, sealed.p, own);
	explicit_bzero(own, sizeof(own));
	if (result < 0) {
		secret_wipe(secret);
		errno = EBADMSG;
		return -1;
	}
	secret->n = sealed.n - SEAL_OVERHEAD;
	return 0;
}
