/*
 * decide: a claim to a result: which source answers, and what the mechanism asks of
 * it. Knows no descriptor.
 */
#ifndef POSTERN_AUTH_DECIDE_H
#define POSTERN_AUTH_DECIDE_H

#include "auth/source.h"

struct auth {
	struct auth_setup setup;
	struct source sources[SETUP_SOURCES_MAX];
	struct memory memory;
	struct facts facts; /* of the connection that is being served */
};

/* The sources of the set-up, prepared. How many of them can be used. */
uint32_t decide_prepare(struct auth *auth);

/* What the sources could verify now: facts.mechanisms. */
uint32_t decide_offer(struct auth *auth);

/* RESULT_ACCEPTED: *source is whose account it is. */
enum source_result decide(
	struct auth *auth, struct claim *claim, struct source **source);

/* For the mechanisms in files of their own: the source that answers for claim->name,
 * which is NULL when none can, and how sure it is. */
struct answerer {
	struct source *source;
	enum source_holds holds;
};

struct answerer decide_find(struct auth *auth, struct claim *claim);

/* A claim whose client has shown that it is claim->name. */
enum source_result decide_authorize(
	struct auth *auth, struct claim *claim, struct source **source);

/* The same, when it was found already. */
enum source_result decide_authorize_found(
	struct claim *claim, struct answerer answerer, struct source **source);

/* The mechanisms in files of their own. */
enum source_result decide_scram(
	struct auth *auth, struct claim *claim, struct source **source);
enum source_result decide_token(
	struct auth *auth, struct claim *claim, struct source **source);

#endif
