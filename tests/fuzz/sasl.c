/*
 * sasl: what the gate makes of a client's base64 and of the messages inside it. Base64
 * that is accepted is what the encoder writes. And what a gate may ask the keeper to
 * sign: never octets that have the form of both versions of TLS.
 */
#include "fuzz.h"

#include "gate/base64.h"
#include "gate/sasl.h"
#include "keeper/form.h"

static bool is_within(struct span part, struct span whole)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void look_at_others(struct span message)
{
	struct span name = { 0 }, rest = { 0 };
	struct sasl_name decoded;

	if (sasl_cram(message, &name, &rest) == 0)
		FUZZ_CHECK(sasl_name_fits(name) && sasl_digest_fits(rest));
	if (sasl_scram_first(message, &decoded, &rest) == 0)
		FUZZ_CHECK(sasl_name_fits(sasl_name_span(&decoded)));
	if (sasl_oauthbearer(message, &decoded, &rest) == 0)
		FUZZ_CHECK(decoded.n <= LOGIN_NAME_MAX && is_within(rest, message));
	if (sasl_xoauth2(message, &decoded, &rest) == 0)
		FUZZ_CHECK(decoded.n <= LOGIN_NAME_MAX && is_within(rest, message));
	enum form form = form_of(message);
	if (form == FORM_TLS13)
		FUZZ_CHECK(message.n > 96 && message.p[0] == ' ');
	if (form == FORM_TLS12)
		FUZZ_CHECK(message.n > 64);
}

static void look(struct span message)
{
	struct span name = { 0 }, password = { 0 };

	look_at_others(message);

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
