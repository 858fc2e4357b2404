/*
 * config: postern.conf of any octets is refused with text, or accepted; and what is
 * accepted, printed, is accepted again and prints the same.
 */
#include "fuzz.h"

#include "config/config.h"

static int load(struct config *config, struct span text, struct buf *errors)
{
	char path[512];

	fuzz_write("postern.conf", text);
	snprintf(path, sizeof(path), "%s/postern.conf", fuzz_directory());
	buf_reset(errors);
	int result = config_load(config, path, errors);
	FUZZ_CHECK(result == 0 || buf_len(errors) || !buf_ok(errors));
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct buf errors, first, second;

	buf_init(&errors, 1 << 20);
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	if (load(&config, span_of(data, size), &errors) == 0) {
		config_print(&config, &first);
		FUZZ_CHECK(buf_ok(&first));
		FUZZ_CHECK(load(&config, buf_span(&first), &errors) == 0);
		config_print(&config, &second);
		FUZZ_CHECK(span_eq(buf_span(&first), buf_span(&second)));
	}
	buf_free(&errors);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
