/*
 * domain: one warm parent and the channel to it: started with an empty
 * environment, exactly its descriptors and its set-up message; watched; its
 * reports read. What its reports mean is not decided here.
 */
#ifndef POSTERN_MASTER_DOMAIN_H
#define POSTERN_MASTER_DOMAIN_H

#include "base/fdtab.h"
#include "master/poller.h"
#include "master/timer.h"
#include "master/turns.h"
#include "postern/report.h"

#include <sys/types.h>

enum domain_kind {
	DOMAIN_GATE,
	DOMAIN_AUTH,
	DOMAIN_SESSION,
	DOMAIN_KEEPER, /* with a certificate only */
	DOMAINS,
};

enum domain_state {
	DOMAIN_DOWN,	 /* not running; the timer may be set for a new try */
	DOMAIN_STARTING, /* running; READY has not come, the timer is its deadline */
	DOMAIN_READY,
};

struct row;
struct generation;

struct domain {
	enum domain_kind kind;
	enum domain_state state;
	struct generation *generation;
	pid_t pid;   /* 0: none */
	int control; /* -1: none */
	struct watch watch;
	struct timer timer;
	int64_t started;
	unsigned deaths; /* at birth, one after the other */
	/* Rows that it could not take an order for yet. */
	struct errand_list {
		struct row *first, *last;
	} errands[SOURCE_CLASSES][SOURCE_LANES];
	struct turns turns;
};

/* What a warm parent is started with. */
struct domain_launch {
	const char *programs; /* directory */
	int log;	      /* FD_LOG */
	const int *fds;	      /* FD_CONTROL + 1 and up */
	int fds_n;
	bool drop; /* become uid, gid first */
	uid_t uid;
	gid_t gid;
	struct span setup; /* message */
};

/* "pop3-gate", ... */
const char *domain_program(enum domain_kind kind);

/*
 * Starts the program: domain->pid and domain->control are then set, the state is
 * STARTING. Returns 0, or -1 with errno. A program that cannot be executed says
 * so in the log and exits with EXIT_TEMPORARY.
 */
int domain_start(struct domain *domain, const struct domain_launch *launch);

/* The next report, decoded; its spans borrow from storage. 1; 0 when there is none
 * now; -1 when the channel is at its end or broken. */
int domain_hear(
	struct domain *domain, struct report *report, void *storage, size_t size);

#endif
