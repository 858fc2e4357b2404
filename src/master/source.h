/*
 * source: what the master remembers of where connections come from: how many
 * there are, how many logins failed, when one was good. IPv4 by address, IPv6
 * by /64 and, for failures, by /48 as well: whoever has one address of
 * IPv6 has many. Connections are counted for the /24 of IPv4, too.
 */
#ifndef POSTERN_MASTER_SOURCE_H
#define POSTERN_MASTER_SOURCE_H

#include "master/timer.h"
#include "master/turns.h"
#include "postern/facts.h"

enum { SOURCE_CREDENTIALS = 8 };

struct row;
struct queue;

struct source {
	uint8_t family;	   /* 4, 6 */
	uint8_t bits;	   /* 32, 24: IPv4; 64, 48: IPv6 */
	uint8_t prefix[8]; /* network order, zeros behind */
	bool loopback;
	uint8_t lane;	     /* of its network: IPv4 by /24, IPv6 by /48 */
	struct source *wide; /* the network around it: a /48, of IPv4 a /24; or NULL */
	uint32_t connections;
	/* Failures that count, the refused credentials of late, and until when no claim
	 * from there is looked at. */
	uint32_t failures;
	int64_t last_failure;
	uint64_t credentials[SOURCE_CREDENTIALS];
	uint32_t next_credential;
	int64_t look_at;
	int64_t last_good; /* 0: never */
	int64_t bear_at;   /* no gate for it before: its last one has crashed */
	/* Its claims: queue.c's. */
	struct row *first, *last;
	uint32_t in_flight;
	struct source *ring_before, *ring_after;
	bool ringed;
	uint8_t ring;	    /* enum source_class */
	struct timer timer; /* until look_at */
	struct queue *queue;

	struct source *next;			 /* of the same bucket */
	struct source *idle_before, *idle_after; /* while connections == 0 */
};

struct sources {
	struct source **buckets;
	size_t buckets_n; /* a power of two */
	size_t n, idle_n;
	struct source *idle_first, *idle_last; /* oldest first */
	uint64_t key[2]; /* random: peers choose their addresses */
};

/* 0, or -1 with errno. */
int sources_init(struct sources *sources);

/* The entry of an address, made when it is new; it counts one connection more.
 * NULL with errno when there is no memory. */
struct source *source_enter(struct sources *sources, const struct netaddr *peer);

/* One connection less. An entry without connections is forgotten when it has
 * nothing to tell, or when there are too many of them. */
void source_leave(struct sources *sources, struct source *source, int64_t now);

/*
 * A login from there was refused. credential: of auth's report, or 0. Milliseconds
 * until the peer may be told; the same credential again does not count again.
 */
int64_t source_refused(struct source *source, uint64_t credential, int64_t now);

/* A process that served it was ended by a signal: that is a failure, and its next gate
 * waits as long as a claim would. */
void source_crashed(struct source *source, int64_t now);

/* A login from there was good. */
void source_accepted(struct source *source, int64_t now);

/* Has there been a good login within a day? Such a source keeps its share. */
bool source_is_good(const struct source *source, int64_t now);

/* Whose turns it has. */
enum source_class source_class(const struct source *source, int64_t now);

/* From when on a claim from there may be looked at. */
int64_t source_look_at(const struct source *source);

void sources_free(struct sources *sources);

#endif
