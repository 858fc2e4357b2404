/*
 * sasl: what the gate makes of a client's base64 and of the messages inside it. Base64
 * that is accepted is what the encoder writes.
 */
#include "fuzz.h"

#include "gate/base64.h"
#include "gate/sasl.h"

static void look(struct span message)
{
	struct span name = { 0 }, password = { 0 };

	if (sasl_plain(message, &name, &password) == 0) {
		FUZZ_CHECK(sasl_name_fits(name) && sasl_password_fits(password));
		FUZZ_CHECK(span_find(name, '\0') == name.n);
		FUZZ_CHECK(password.p + password.n == message.p + message.n);
	}
	(void)sasl_name_fits(message);
	(void)sasl_password_fits(message);
	if (sasl_digest_fits(message))
		FUZZ_CHECK(message.n == 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	size_t room = size > 2 && data[0] % 4 == 0 ? size / 2 : size;
	unsigned char *octets = malloc(room ? room : 1);
	struct buf again;

	FUZZ_CHECK(octets);
	look(text);
	buf_init(&again, 2 * size + 16);
	ssize_t n = base64_decode(text, octets, room);
	if (n >= 0) {
		FUZZ_CHECK((size_t)n <= room);
		base64_encode(&again, span_of(octets, (size_t)n));
		FUZZ_CHECK(span_eq(buf_span(&again), text));
		look(span_of(octets, (size_t)n));
	}
	buf_free(&again);
	free(octets);
	return 0;
}
