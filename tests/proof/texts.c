/*
 * texts: what auth takes apart before it decides, and base64: any octets, as for ipc.c.
 */
#include "accounts/name.h"
#include "auth/scram.h"
#include "gate/base64.h"

#include "__fc_builtin.h"

enum { TEXT_MAX = 4096 };

static unsigned char storage[TEXT_MAX];

static struct span any_text(void)
{
	size_t n = (size_t)Frama_C_interval(0, TEXT_MAX);
	Frama_C_make_unknown((char *)storage, sizeof(storage));
	return span_of(storage, n);
}

void prove_base64(void)
{
	unsigned char octets[256];
	size_t size = (size_t)Frama_C_interval(0, sizeof(octets));
	(void)base64_decode(any_text(), octets, size);
}

void prove_utf8(void)
{
	(void)utf8_valid(any_text());
}

void prove_scram(void)
{
	struct scram_first first;
	struct scram_final final;
	if (scram_parse_first(any_text(), &first) == 0)
		(void)scram_name_is(first.name, first.bare);
	(void)scram_parse_final(any_text(), &final);
}
