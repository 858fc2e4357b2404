/*
 * step: sealing and opening. Runs as root in an auth child. Distrusts the sealed
 * octets: nothing in them is looked at before the seal has been checked, and what it
 * holds must then agree with the facts and the claim.
 */
#include "auth/step.h"

#include "base/io.h"
#include "ipc/msg.h"

#include <errno.h>
#include <sodium.h>

enum {
	OVERHEAD = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES,
	/* time, connection, mechanism, kind, three lengths */
	PLAIN_MAX = 8 + 8 + 1 + 1 + 3 * 2 + FACTS_CHALLENGE_MAX + LOGIN_NAME_MAX +
		    STEP_DATA_MAX,
};

_Static_assert(crypto_secretbox_KEYBYTES == STEP_KEY, "the key's size");
_Static_assert(PLAIN_MAX + OVERHEAD <= LOGIN_STATE_MAX, "a state fits its field");

static int64_t seconds(void)
{
	return io_now() / 1000;
}

void step_close(const unsigned char key[STEP_KEY], const struct facts *facts,
	const struct login *login, const struct step *step, struct buf *out)
{
	unsigned char storage[PLAIN_MAX];
	struct buf plain;
	buf_fixed(&plain, storage, sizeof(storage));
	msg_put_u64(&plain, (uint64_t)seconds());
	msg_put_u64(&plain, facts->connection);
	msg_put_u8(&plain, (uint8_t)login->mechanism);
	msg_put_u8(&plain, (uint8_t)step->kind);
	msg_put_octets(&plain, span_str(facts->challenge), FACTS_CHALLENGE_MAX);
	msg_put_octets(&plain, login->name, LOGIN_NAME_MAX);
	msg_put_octets(&plain, span_of(step->data, step->n), STEP_DATA_MAX);
	unsigned char *to = buf_reserve(out, OVERHEAD + buf_len(&plain));
	if (!buf_ok(&plain) || !to) {
		out->failed = true;
		return;
	}
	randombytes_buf(to, crypto_secretbox_NONCEBYTES);
	crypto_secretbox_easy(to + crypto_secretbox_NONCEBYTES, buf_span(&plain).p,
		buf_len(&plain), to, key);
	buf_commit(out, OVERHEAD + buf_len(&plain));
	buf_wipe(&plain);
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int agree(struct span plain, const struct facts *facts,
	const struct login *login, struct step *step)
{
	struct msg_in in = { .rest = plain };
	int64_t made = (int64_t)msg_get_u64(&in);
	bool same = msg_get_u64(&in) == facts->connection;
	same = (msg_get_u8(&in, UINT8_MAX) == login->mechanism) && same;
	step->kind = (enum step_kind)msg_get_u8(&in, STEP_LAST);
	same = span_eq(msg_get_octets(&in, 0, FACTS_CHALLENGE_MAX),
		       span_str(facts->challenge)) &&
	       same;
	same = span_eq(msg_get_octets(&in, 0, LOGIN_NAME_MAX), login->name) && same;
	struct span data = msg_get_octets(&in, 0, STEP_DATA_MAX);
	if (msg_done(&in) < 0 || !same)
		return refuse(EBADMSG);
	if (seconds() - made > STEP_SECONDS)
		return refuse(ESTALE);
	step->n = data.n;
	if (data.n)
		memcpy(step->data, data.p, data.n);
	return 0;
}

int step_open(const unsigned char key[STEP_KEY], const struct facts *facts,
	const struct login *login, struct step *step)
{
	unsigned char plain[PLAIN_MAX];
	struct span sealed = login->state;
	*step = (struct step){ 0 };
	if (sealed.n < OVERHEAD || sealed.n > PLAIN_MAX + OVERHEAD ||
		crypto_secretbox_open_easy(plain,
			sealed.p + crypto_secretbox_NONCEBYTES,
			sealed.n - crypto_secretbox_NONCEBYTES, sealed.p, key) < 0)
		return refuse(EBADMSG);
	int result = agree(span_of(plain, sealed.n - OVERHEAD), facts, login, step);
	sodium_memzero(plain, sizeof(plain));
	return result;
}
