/*
 * gate: the walls around those who talk to strangers. Runs as the gate's user,
 * which owns nothing. See sandbox.h, linux.c.
 */
#include "sandbox/sandbox.h"

#include "sandbox/steps.h"

#include "filters.h"

enum {
	GATE_DESCRIPTORS = 7,
	GATE_DATA = 64 << 20, /* octets */
};

int sandbox_gate_parent(void)
{
	if (step_begin() < 0 || sandbox_before_drop() < 0 || step_capabilities(0) < 0 ||
		step_no_files() < 0 || step_descriptors(PARENT_DESCRIPTORS) < 0)
		return -1;
	return STEP_FILTER(gate_parent);
}

int sandbox_gate(bool kernel_tls)
{
	if (step_limits(GATE_DESCRIPTORS, GATE_DATA) < 0)
		return -1;
	return kernel_tls ? STEP_FILTER(gate_kernel_tls) : STEP_FILTER(gate);
}
