/*
 * control: what an administrator's `postern` command asks of a running master, over a
 * SEQPACKET socket in the runtime directory that only the server's user can open. One
 * order, answered by rows or counters, then END.
 */
#ifndef POSTERN_CONTROL_H
#define POSTERN_CONTROL_H

#include "postern/facts.h"
#include "postern/login.h"

enum { CONTROL_STATE_MAX = 15 };

/* The socket's name in the runtime directory. */
#define CONTROL_NAME "control"

enum control_order {
	CONTROL_WHO = 1,    /* a row for each connection */
	CONTROL_KICK = 2,   /* end what connection or account says; count in END */
	CONTROL_STATS = 3,  /* counters */
	CONTROL_RELOAD = 4, /* END comes when it has happened, or failed */
	CONTROL_STOP = 5,   /* END comes at once; the channel closes with the server */
	CONTROL_LAST = CONTROL_STOP,
};

/* Of KICK: a connection, or all sessions of an account; else both are empty. */
struct control {
	enum control_order order;
	uint64_t connection;
	char account[LOGIN_NAME_MAX + 1];
};

struct control_row {
	uint64_t connection;
	struct netaddr peer;
	enum listener_kind listener;
	uint64_t seconds;		   /* since accept(2) */
	uint32_t pid;			   /* the session's; or 0 */
	char state[CONTROL_STATE_MAX + 1]; /* "session", or as row.h names it */
	char account[LOGIN_NAME_MAX + 1];  /* or empty */
};

/* Since the start of the server, where nothing else is said. */
struct control_stats {
	uint64_t seconds;     /* since the start */
	uint64_t connections; /* now */
	uint64_t sessions;    /* now */
	uint64_t waiting;     /* claims that wait for their turn, now */
	uint64_t accepted_connections, turned_away;
	uint64_t logins, refused, failed;
	uint64_t in_use;  /* of the logins: another session had the maildrop */
	uint64_t sources; /* remembered now */
};

enum { CONTROL_COUNTERS = sizeof(struct control_stats) / sizeof(uint64_t) };

struct control_end {
	bool done;
	uint64_t count; /* of KICK */
};

void control_encode(struct buf *message, const struct control *control);
int control_decode(struct span message, struct control *control);
void control_row_encode(struct buf *message, const struct control_row *row);
int control_row_decode(struct span message, struct control_row *row);
void control_stats_encode(struct buf *message, const struct control_stats *stats);
int control_stats_decode(struct span message, struct control_stats *stats);
void control_end_encode(struct buf *message, const struct control_end *end);
int control_end_decode(struct span message, struct control_end *end);

#endif
