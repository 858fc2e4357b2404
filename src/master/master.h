/*
 * master: the service. Accepts, hands on, counts, and waits.
 */
#ifndef POSTERN_MASTER_MASTER_H
#define POSTERN_MASTER_MASTER_H

#include "master/challenge.h"
#include "master/control.h"
#include "master/crowd.h"
#include "master/generation.h"
#include "master/listen.h"
#include "master/logger.h"
#include "master/poller.h"
#include "master/queue.h"
#include "master/row.h"
#include "master/source.h"
#include "master/timer.h"
#include "postern/control.h"

struct master {
	const char *config_path;
	bool root;
	struct poller *poller;
	struct timers timers;
	struct rows rows;
	struct sources sources;
	struct challenges challenges;
	struct queue queue; /* claims that wait for their turn */
	struct crowd crowd;
	uint32_t most; /* connections: what is configured, as far as descriptors go */
	struct listeners listeners;
	/* current serves new connections; incoming gets ready to; the list has all. */
	struct generation *current, *incoming, *generations;
	struct watch signals;	     /* the self-pipe of main.c */
	struct timer pause;	     /* set while nothing is accepted */
	struct timer refresh;	     /* new processes, for a fresh address layout */
	struct timer renew;	     /* the same, because children crashed */
	int64_t renewed, renew_wait; /* when that was last, and how long it waited */
	struct timer notice; /* set while a log line about limits would be noise */
	struct logger *logger;
	bool failed; /* the first generation did not get ready */
	bool stopping;
	int64_t stop_deadline;
	int64_t started;
	struct control_socket control;
	struct control_stats stats; /* the counters that only grow */
};

/* 0, or -1 with errno. signals: the reading end of a pipe that gets the number of
 * each signal as one octet. */
int master_init(
	struct master *m, const char *config_path, int signals, struct logger *logger);

/* Serves by the configuration until it is told to stop. Returns an exit code.
 * ready() is called once, when connections are taken. */
int master_serve(struct master *m, const struct config *config,
	void (*ready)(void *context), void *context);

/* Do the programs start with this configuration? Returns an exit code. */
int master_check(struct master *m, const struct config *config);

/* Reads the configuration again; the old one stays if anything is wrong. */
void master_reload(struct master *m);

/* Begins to end. */
void master_stop(struct master *m);

/* A generation that was started is ready, or will not be. */
void master_generation_ready(struct master *m, struct generation *generation);
void master_generation_failed(struct master *m, struct generation *generation);

/* One of its connections ended. */
void master_generation_idle(struct master *m, struct generation *generation);

/* May a secret be sent without TLS from there to here? */
bool master_plaintext(const struct config *config, const struct netaddr *peer,
	const struct netaddr *local);

/* A process of a connection was ended by a signal that is not ours. */
void master_crashed(
	struct master *m, struct generation *generation, enum domain_kind kind);

/* When a gate may be born for a stranger: not while too many have just crashed. */
int64_t master_birth(const struct master *m, int64_t now);

/* There are no descriptors left: nothing is accepted for a while. */
void master_no_descriptors(struct master *m);

void master_free(struct master *m);

#endif
