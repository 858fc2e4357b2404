/*
 * cache: reads and writes the size cache. See cache.h for format and trust.
 *
 * Runs as the mailbox owner. Distrusts the file in every bit. Fails by being of no
 * use. No link is followed, nothing that is not a regular file is read.
 */
#include "maildrop/cache.h"

#include "base/io.h"
#include "base/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct maildrop_message) == 48, "the cache's records");
_Static_assert(sizeof(struct cache_header) == 8 * (5 + CACHE_KEY), "no padding");

static const uint64_t magic = 0x706f737465726e01; /* "postern", version 1 */

/* --- the sum --- */

/* Four independent lanes, so that it runs as fast as memory; a lane is a
 * multiplicative hash, in which any one changed word changes the result. */
struct sum {
	uint64_t lanes[4];
};

static const uint64_t factor = 0x9e3779b97f4a7c15;

static uint64_t mixed(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * factor;
	return lane ^ lane >> 32;
}

static void sum_add(struct sum *sum, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t words[4];
	for (; n >= sizeof(words); p += sizeof(words), n -= sizeof(words)) {
		memcpy(words, p, sizeof(words));
		for (int i = 0; i < 4; i++)
			sum->lanes[i] = mixed(sum->lanes[i], words[i]);
	}
	memset(words, 0, sizeof(words));
	if (n)
		memcpy(words, p, n);
	words[3] ^= (uint64_t)n << 56;
	for (int i = 0; i < 4; i++)
		sum->lanes[i] = mixed(sum->lanes[i], words[i]);
}

static uint64_t sum_of(const struct cache_header *header,
	const struct maildrop_message *messages, const char *text)
{
	struct cache_header naked = *header;
	struct sum sum = { { 1, 2, 3, 4 } };
	naked.sum = 0;
	sum_add(&sum, &naked, sizeof(naked));
	sum_add(&sum, messages, (size_t)header->count * sizeof(*messages));
	sum_add(&sum, text, (size_t)header->text_n);
	uint64_t result = 0;
	for (int i = 0; i < 4; i++)
		result = mixed(result, sum.lanes[i]);
	return result;
}

/* --- reading ------------------------------------------------------------------------
 */

/* The octets that a file with this header has; 0 when it can't be. */
static uint64_t file_size(const struct cache_header *header)
{
	if (header->count > MAILDROP_MESSAGES_MAX || header->text_n > CACHE_FILE_MAX)
		return 0;
	uint64_t n = sizeof(*header) + header->count * sizeof(struct maildrop_message) +
		     header->text_n;
	return n <= CACHE_FILE_MAX ? n : 0;
}

static bool read_exactly(int fd, void *p, size_t n, off_t offset)
{
	return io_pread_full(fd, p, n, offset) == (ssize_t)n;
}

static bool read_header(
	int fd, const struct maildrop *drop, struct cache_header *header)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       read_exactly(fd, header, sizeof(*header), 0) && header->magic == magic &&
	       header->kind == drop->driver->kind &&
	       (uint64_t)st.st_size == file_size(header);
}

static bool read_content(int fd, const struct cache_header *header,
	struct maildrop *drop, struct cache *cache)
{
	size_t records = (size_t)header->count * sizeof(*drop->messages);
	cache->text_n = (size_t)header->text_n;
	cache->text = pages_alloc(cache->text_n + 1);
	if (!cache->text || maildrop_reserve(drop, (size_t)header->count) < 0)
		return false;
	if (!read_exactly(fd, drop->messages, records, sizeof(*header)) ||
		!read_exactly(fd, cache->text, cache->text_n,
			(off_t)(sizeof(*header) + records)) ||
		sum_of(header, drop->messages, cache->text) != header->sum)
		return false;
	cache->text[cache->text_n] = '\0';
	memcpy(cache->key, header->key, sizeof(cache->key));
	return true;
}

static void take_records(struct maildrop *drop, size_t count)
{
	drop->count = count;
	for (size_t i = 0; i < count; i++)
		drop->messages[i].marked = false;
}

bool cache_load(struct maildrop *drop, struct cache *cache)
{
	struct cache_header header;
	*cache = (struct cache){ 0 };
	if (drop->state < 0)
		return false;
	int fd = openat(drop->state, CACHE_NAME,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool whole = read_header(fd, drop, &header) &&
		     read_content(fd, &header, drop, cache);
	close(fd);
	if (whole) {
		take_records(drop, (size_t)header.count);
		return true;
	}
	free(cache->text);
	*cache = (struct cache){ 0 };
	return false;
}

/* --- writing ------------------------------------------------------------------------
 */

static int write_all(int fd, const void *p, size_t n, off_t *offset)
{
	if (n && io_pwrite_all(fd, p, n, *offset) < 0)
		return -1;
	*offset += (off_t)n;
	return 0;
}

static int write_content(int fd, const struct cache_header *header,
	const struct maildrop *drop, const struct cache *cache)
{
	off_t offset = 0;
	if (write_all(fd, header, sizeof(*header), &offset) < 0 ||
		write_all(fd, drop->messages, drop->count * sizeof(*drop->messages),
			&offset) < 0)
		return -1;
	return write_all(fd, cache->text, cache->text_n, &offset);
}

int cache_store(const struct maildrop *drop, const struct cache *cache)
{
	struct cache_header header = {
		.magic = magic,
		.kind = drop->driver->kind,
		.count = drop->count,
		.text_n = cache->text_n,
	};
	memcpy(header.key, cache->key, sizeof(header.key));
	if (drop->state < 0 || !file_size(&header)) {
		errno = drop->state < 0 ? EBADF : EFBIG;
		return -1;
	}
	header.sum = sum_of(&header, drop->messages, cache->text);
	unlinkat(drop->state, CACHE_NEW, 0); /* of a session that was cut off */
	int fd = openat(drop->state, CACHE_NEW,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	int result = write_content(fd, &header, drop, cache);
	if (close(fd) < 0)
		result = -1;
	if (result == 0)
		result = renameat(drop->state, CACHE_NEW, drop->state, CACHE_NAME);
	if (result < 0) {
		int error = errno;
		unlinkat(drop->state, CACHE_NEW, 0);
		errno = error;
	}
	return result;
}

void cache_forget(const struct maildrop *drop)
{
	if (drop->state >= 0)
		unlinkat(drop->state, CACHE_NAME, 0);
}
