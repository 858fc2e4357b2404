/*
 * crowd: see crowd.h. Two lists, each row in one of them at most. Part of the master;
 * trusts its callers, never fails.
 */
#include "master/crowd.h"

void crowd_join(struct crowd *crowd, struct row *row, bool known)
{
	struct crowd_list *list = known ? &crowd->known : &crowd->strangers;
	row->crowd = list;
	row->crowd_before = list->last;
	row->crowd_after = NULL;
	*(list->last ? &list->last->crowd_after : &list->first) = row;
	list->last = row;
	list->n++;
}

void crowd_leave(struct row *row)
{
	struct crowd_list *list = row->crowd;
	if (!list)
		return;
	*(row->crowd_before ? &row->crowd_before->crowd_after : &list->first) =
		row->crowd_after;
	*(row->crowd_after ? &row->crowd_after->crowd_before : &list->last) =
		row->crowd_before;
	list->n--;
	row->crowd = NULL;
}

struct row *crowd_oldest(const struct crowd_list *list)
{
	struct row *row = list->first;
	while (row && (row->state == ROW_BUSY || row->state == ROW_OPENING))
		row = row->crowd_after;
	return row;
}
