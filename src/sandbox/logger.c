/*
 * logger: the walls around the process that reads what all others log, hostile ones
 * among them. Runs as the gate's user. Beside pipes and a descriptor to write to it has
 * the way to syslogd's socket, which may be made anew. See sandbox.h, linux.c.
 */
#include "sandbox/sandbox.h"

#include "sandbox/steps.h"

#include "filters.h"

enum {
	LOGGER_DESCRIPTORS = 16,
	LOGGER_DATA = 64 << 20, /* octets */
};

int sandbox_logger(void)
{
	if (step_begin() < 0 || step_capabilities(0) < 0 || step_no_files() < 0 ||
		step_limits(LOGGER_DESCRIPTORS, LOGGER_DATA) < 0)
		return -1;
	return STEP_FILTER(logger);
}
