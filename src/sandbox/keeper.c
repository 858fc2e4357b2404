/*
 * keeper: the walls around the private key. Runs as the keeper's user, which owns
 * nothing. See sandbox.h, linux.c.
 */
#include "sandbox/sandbox.h"

#include "sandbox/steps.h"

#include "filters.h"

enum {
	/* gates' channels beside the control channel: one, and WAITING of worker.c */
	KEEPER_DESCRIPTORS = 14,
	KEEPER_DATA = 64 << 20, /* octets */
};

int sandbox_keeper_parent(void)
{
	if (step_begin() < 0 || sandbox_before_drop() < 0 || step_capabilities(0) < 0 ||
		step_no_files() < 0 || step_descriptors(PARENT_DESCRIPTORS) < 0)
		return -1;
	return STEP_FILTER(keeper_parent);
}

int sandbox_keeper(void)
{
	if (step_limits(KEEPER_DESCRIPTORS, KEEPER_DATA) < 0)
		return -1;
	return STEP_FILTER(keeper);
}
