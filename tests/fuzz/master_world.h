/*
 * master_world: what the fuzzed master sees of the world: a clock that the input moves,
 * warm parents and their children that do what the input says, clients without a
 * network. Parents keep their contract (they report, and answer KILL); children and
 * clients do not.
 */
#ifndef POSTERN_FUZZ_MASTER_WORLD_H
#define POSTERN_FUZZ_MASTER_WORLD_H

#include "master/master.h"

#include <stdbool.h>

enum { KIDS = 64, PARENTS = 48, CLIENTS = 64, FIRST_PID = 1000 };

struct parent {
	struct domain *domain;	       /* of the master, while it lives */
	struct generation *generation; /* whose identities it takes */
	enum domain_kind kind;
	pid_t pid; /* 0: free */
	int fd;	   /* our end of its control channel; -1: the master has closed it */
	bool ready, ending, zombie;
	int status;
};

struct kid {
	enum domain_kind kind;
	pid_t pid;	       /* 0: free */
	struct parent *parent; /* NULL: an orphan, the master's */
	uint64_t connection;
	int fds[4];
	bool zombie; /* an orphan that the master has not reaped */
	int status;
};

struct world {
	int64_t now;
	int signals; /* writing end of the master's pipe */
	pid_t last_pid;
	uint64_t random;
	struct parent parents[PARENTS];
	struct kid kids[KIDS];
	int clients[CLIENTS]; /* outer ends, or -1 */
	unsigned char source[CLIENTS], coming_source;
	unsigned lines; /* of the log */
	bool no_start;	/* programs cannot be started */
};

extern struct world world;

void world_begin(int signals);
void world_end(void);
void world_signal(int number);

struct parent *world_parent(unsigned n, enum domain_kind kind); /* or NULL */
struct kid *world_kid(unsigned n, enum domain_kind kind);	/* or NULL */

/* What a parent does next: it gets ready, or takes a message, or sees its end. False:
 * nothing to do. */
bool parent_step(struct parent *parent);
void parent_die(struct parent *parent, int status);

/* The session's parent takes what auth handed on. */
bool parent_take_identity(struct parent *parent);

void kid_die(struct kid *kid, int status);
void kid_hang_up(struct kid *kid, int which);

/* Auth hands the identity on and says whom it accepted. */
void kid_accept(struct kid *auth);

/* A client from that source waits to be accepted. */
void world_connect(unsigned source);
void world_leave(int client);

#endif
