/*
 * generation: one configuration and the warm parents that serve by it.
 * A reload makes a new one beside the old; when all of the new one are READY the
 * old one gets no more work and ends with its last connection.
 */
#ifndef POSTERN_MASTER_GENERATION_H
#define POSTERN_MASTER_GENERATION_H

#include "config/config.h"
#include "master/domain.h"

struct master;

struct generation {
	struct master *master;
	struct config config;
	struct domain domains[DOMAINS];
	int auth_end,
		session_end; /* of the channel between the two; held here, so
				that one of them can start again without the other */
	/* -1: no TLS. Opened once for each of the two that read it: they would share
	 * an offset. */
	int certificate, keeper_certificate, key;
	int locks, states; /* directories */
	struct unprivileged {
		uid_t uid;
		gid_t gid;
	} gate_user, keeper_user;
	uint32_t mechanisms;	   /* that auth offered */
	uint32_t kernel_tls;	   /* ktls_probe(), when it is wanted */
	bool check;		   /* only to see whether it would start */
	bool served;		   /* it was current once: what dies is started again */
	bool ending;		   /* no more work; its channels are closed */
	size_t rows;		   /* connections that it serves */
	unsigned crashes[DOMAINS]; /* of children */
	/* auth's and the keeper's */
	unsigned char witness_key[WITNESS_KEY];
	struct generation *next;
};

/*
 * Opens what the configuration names. NULL after a log line for each thing that is
 * wrong. check: no directory is made.
 */
struct generation *generation_new(
	struct master *master, const struct config *config, bool check);

/* Starts the three. What becomes of it is told by master_generation_ready() or
 * master_generation_failed(). */
void generation_start(struct generation *generation);

bool generation_is_ready(const struct generation *generation);

/* Closes the channels: each warm parent ends with its last child. */
void generation_end(struct generation *generation);

/* Is any of its processes left? */
bool generation_is_empty(const struct generation *generation);

/* Its warm parent `kind` was reaped. */
void generation_reaped(
	struct generation *generation, enum domain_kind kind, int status);

/* Sends a signal to each warm parent that runs. */
void generation_signal(const struct generation *generation, int number);

void generation_free(struct generation *generation);

#endif
