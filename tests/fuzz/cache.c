/*
 * cache: a size cache that its owner forged, with a good checksum. It may cost a
 * scan and it may lie about the owner's own mail; it may not end the session.
 *
 * The input: which kind of maildrop, then changes to a good cache, each an offset of
 * two octets and a value; an offset behind the end makes the file that much longer,
 * and 0xFFFF cuts it there.
 */
#include "fuzz.h"

#include "maildrop/cache.c" /* its sum is its own */
#include "maildrop_walk.h"

static const char mail[] = "Subject: x\n\nbody\n.\n";

static void make_drop(enum maildrop_kind kind)
{
	static const char mbox[] =
		"From a Mon Jan  1 00:00:00 2024\nSubject: x\n\nbody\n\n"
		"From b Mon Jan  1 00:00:00 2024\nSubject: y\n\n.\n\n";
	static const char *const names[] = { "cur/1.a:2,S", "new/2.b", "new/3.c,S=19" };
	char path[256];

	fuzz_clear();
	snprintf(path, sizeof(path), "%s/state", fuzz_directory());
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	if (kind == MAILDROP_MBOX) {
		fuzz_write("mail", span_str(mbox));
		return;
	}
	for (int i = 0; i < 3; i++) {
		static const char *const dirs[] = { "mail", "mail/new", "mail/cur" };
		snprintf(path, sizeof(path), "%s/%s", fuzz_directory(), dirs[i]);
		FUZZ_CHECK(mkdir(path, 0700) == 0);
	}
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "mail/%s", names[i]);
		fuzz_write(path, span_str(mail));
	}
}

static size_t change(unsigned char *file, size_t n, size_t room, struct span input)
{
	while (input.n >= 3) {
		size_t at = (size_t)input.p[0] << 8 | input.p[1];
		if (at == 0xFFFF)
			n = input.p[2] < n ? n - input.p[2] : 0;
		else if (at < n)
			file[at] = input.p[2];
		else if (n < room)
			file[n++] = input.p[2];
		input = span_tail(input, 3);
	}
	return n;
}

/* Gives a file that is whole in every other way its sum. */
static void sign(unsigned char *file, size_t n)
{
	struct cache_header header;

	if (n < sizeof(header))
		return;
	memcpy(&header, file, sizeof(header));
	if (file_size(&header) != n)
		return;
	size_t records = (size_t)header.count * sizeof(struct maildrop_message);
	struct maildrop_message *messages = malloc(records + 1);
	FUZZ_CHECK(messages);
	memcpy(messages, file + sizeof(header), records);
	header.sum = sum_of(
		&header, messages, (const char *)file + sizeof(header) + records);
	memcpy(file, &header, sizeof(header));
	free(messages);
}

static void forge(struct span input)
{
	static unsigned char file[8192];
	char path[256];

	snprintf(path, sizeof(path), "%s/state/%s", fuzz_directory(), CACHE_NAME);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : io_pread_full(fd, file, sizeof(file) / 2, 0);
	io_close(&fd);
	FUZZ_CHECK(n >= 0);
	size_t size = change(file, (size_t)n, sizeof(file), input);
	sign(file, size);
	fuzz_write("state/" CACHE_NAME, span_of(file, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_of(data, size);
	enum maildrop_kind kind =
		fuzz_octet(&input) % 2 ? MAILDROP_MBOX : MAILDROP_MAILDIR;
	char path[128];

	make_drop(kind);
	snprintf(path, sizeof(path), "%s/state", fuzz_directory());
	int state = open(path, O_RDONLY | O_DIRECTORY);
	FUZZ_CHECK(state >= 0);
	snprintf(path, sizeof(path), "%s/mail", fuzz_directory());
	walk_forged(kind, path, state);
	forge(input);
	walk_forged(kind, path, state);
	io_close(&state);
	return 0;
}
