/*
 * ahead: see ahead.h. Runs as the mailbox owner, between a reply and the next command.
 *
 * Clients that fetch one message at a time leave the server idle for a round trip;
 * opening and reading (on a disk: waiting) fits into it. Only for one who goes on in
 * order, so that nobody who picks single messages pays for others. A quiet session
 * drops what it has opened, with its other buffers.
 */
#include "session/ahead.h"

#include "session/retrieve.h"

void ahead_sent(struct session *s, size_t i)
{
	struct ahead *a = &s->ahead;

	a->wanted = i > 0 && i == a->behind && i + 1 < maildrop_count(s->drop);
	a->behind = i + 1;
}

void ahead_drop(struct session *s)
{
	if (s->ahead.open)
		maildrop_body_close(&s->ahead.body);
	s->ahead.open = false;
}

void ahead_read(struct session *s)
{
	struct ahead *a = &s->ahead;
	struct maildrop_fault fault;

	if (!a->wanted || maildrop_marked(s->drop, a->behind))
		return;
	a->wanted = false;
	if (retrieve_open(s, a->behind, &a->body, &fault) < 0)
		return;
	a->i = a->behind;
	a->open = true;
	a->held = maildrop_body_read(&a->body, s->block, RETRIEVE_BLOCK);
	if (a->held < 0)
		ahead_drop(s);
}

bool ahead_take(struct session *s, size_t i, struct maildrop_body *body, ssize_t *held)
{
	struct ahead *a = &s->ahead;

	a->wanted = false;
	if (!a->open || a->i != i) {
		ahead_drop(s);
		return false;
	}
	*body = a->body;
	*held = a->held;
	a->open = false;
	return true;
}
