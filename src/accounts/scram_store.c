/*
 * scram_store: SCRAM keys in the database, and those of names that have none. Runs as
 * root in auth; the login name is a stranger's.
 */
#include "accounts/db.h"

#include <errno.h>
#include <sodium.h>

static int key_of(struct stmt *s, int column, unsigned char *to, size_t size)
{
	struct span from = stmt_blob(s, column);
	if (from.n != size)
		return store_fail(s->store, EUCLEAN, "a SCRAM key is damaged");
	memcpy(to, from.p, size);
	return 0;
}

static size_t scram_size(enum scram_hash hash)
{
	return hash == SCRAM_SHA_1 ? 20 : 32;
}

int store_scram(struct store *store, const struct account *account,
	enum scram_hash hash, struct scram_keys *keys)
{
	struct stmt s;
	int result = -1;
	stmt_open(&s, store,
		"SELECT iterations, salt, stored, server FROM scram"
		" WHERE account = ? AND hash = ?");
	stmt_bind_int(&s, account->id);
	stmt_bind_int(&s, hash);
	int got = stmt_step(&s);
	*keys = (struct scram_keys){ .hash = hash, .size = scram_size(hash) };
	if (got == 1) {
		keys->iterations = (uint32_t)stmt_int(&s, 0);
		result = key_of(&s, 1, keys->salt, SCRAM_SALT);
		if (result == 0)
			result = key_of(&s, 2, keys->stored, keys->size);
		if (result == 0)
			result = key_of(&s, 3, keys->server, keys->size);
	}
	if (got == 0)
		store_fail(store, ENOENT, "no SCRAM keys");
	stmt_close(&s);
	return result;
}

static int fake_key(struct store *store, unsigned char key[32])
{
	struct stmt s;
	stmt_open(&s, store, "SELECT value FROM meta WHERE key = 'scram-fake'");
	int got = stmt_step(&s);
	int result = -1;
	if (got == 1)
		result = key_of(&s, 0, key, 32);
	if (got == 0)
		store_fail(store, EUCLEAN, "the key for unknown names is missing");
	stmt_close(&s);
	return result;
}

/* Keys that came from another server may have another count than ours: a name that does
 * not exist has that of some account, always of the same one. */
static int fake_iterations(
	struct store *store, uint64_t drawn, enum scram_hash hash, uint32_t *iterations)
{
	struct stmt s;
	stmt_open(&s, store,
		"SELECT iterations FROM scram WHERE hash = ?1 AND account >="
		" ?2 % (SELECT max(id) + 1 FROM account) ORDER BY account LIMIT 1");
	stmt_bind_int(&s, hash);
	stmt_bind_int(&s, (int64_t)(drawn >> 1));
	int got = stmt_step(&s);
	*iterations = got == 1 ? (uint32_t)stmt_int(&s, 0) : SCRAM_ITERATIONS;
	stmt_close(&s);
	return got < 0 ? -1 : 0;
}

int store_own_domain(struct store *store, char name[ACCOUNT_NAME_MAX + 1])
{
	char own[ACCOUNT_NAME_MAX + 1];
	struct stmt s;
	stmt_open(&s, store,
		"SELECT ?1 || '@' || alias_of FROM domain"
		" WHERE name = ?2 AND enabled AND alias_of IS NOT NULL");
	stmt_bind_text(&s, account_local(name));
	stmt_bind_text_or_null(&s, account_domain(name));
	int got = stmt_step(&s);
	if (got == 1 && stmt_text(&s, 0, own, sizeof(own)) == 0)
		memcpy(name, own, sizeof(own));
	stmt_close(&s);
	return got < 0 ? -1 : 0;
}

/* The salt has to look drawn and yet be the same whenever the name comes again. */
int store_scram_fake(struct store *store, struct span name, enum scram_hash hash,
	struct scram_keys *keys)
{
	unsigned char key[32], kind = (unsigned char)hash, drawn[SCRAM_SALT + 8];
	uint64_t number;
	*keys = (struct scram_keys){ .hash = hash, .size = scram_size(hash) };
	if (fake_key(store, key) < 0)
		return -1;
	crypto_generichash_state state;
	crypto_generichash_init(&state, key, sizeof(key), sizeof(drawn));
	crypto_generichash_update(&state, &kind, 1);
	crypto_generichash_update(&state, name.p, name.n);
	crypto_generichash_final(&state, drawn, sizeof(drawn));
	explicit_bzero(key, sizeof(key));
	memcpy(keys->salt, drawn, SCRAM_SALT);
	memcpy(&number, drawn + SCRAM_SALT, sizeof(number));
	randombytes_buf(keys->stored, keys->size);
	randombytes_buf(keys->server, keys->size);
	return fake_iterations(store, number, hash, &keys->iterations);
}

int scram_put(struct store *store, int64_t account, const struct scram_keys *keys)
{
	struct stmt s;
	stmt_open(&s, store,
		"INSERT INTO scram (account, hash, iterations, salt, stored, server)"
		" VALUES (?,?,?,?,?,?)");
	stmt_bind_int(&s, account);
	stmt_bind_int(&s, keys->hash);
	stmt_bind_int(&s, keys->iterations);
	stmt_bind_blob_or_null(&s, span_of(keys->salt, SCRAM_SALT));
	stmt_bind_blob_or_null(&s, span_of(keys->stored, keys->size));
	stmt_bind_blob_or_null(&s, span_of(keys->server, keys->size));
	return stmt_run(&s) < 0 ? -1 : 0;
}
