/*
 * root: the walls around those who must stay root, the master and auth. Both run what
 * nobody can list beforehand: the master, by inheritance, everything; auth the modules
 * of PAM and nsswitch.conf(5), with their sockets, files and helper programs. So there
 * is no allow-list and no Landlock here. What no work of theirs needs is taken away:
 * capabilities over the kernel, its network and its devices, and system calls that look
 * into other processes, change what the kernel is, or are a large attack surface. A
 * module that tries one of them is refused (EPERM), not killed: many only probe.
 *
 * PAM sessions (pam_mount, pam_namespace) mount file systems: CAP_SYS_ADMIN and
 * mount(2) stay with auth while the configuration has `pam-session on`, and with the
 * master, which a reload can tell so at any time. See sandbox.h, linux.c.
 *
 * No limit of descriptors: Linux counts what all processes of one user have sent over
 * Unix sockets and nobody has received yet, and refuses more than the sender's own
 * RLIMIT_NOFILE (ETOOMANYREFS). A low one of auth would count the master's descriptors
 * on their way to the gates, and a few hundred strangers would stop every login.
 */
#include "sandbox/sandbox.h"

#include "sandbox/steps.h"

#include <linux/capability.h>

#include "filters.h"

/* Files, owners, limits and audit of PAM; becoming a user; low ports. CAP_SETPCAP:
 * to take them away from others. */
static const uint32_t work =
	1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH |
	1U << CAP_FOWNER | 1U << CAP_FSETID | 1U << CAP_KILL | 1U << CAP_SETGID |
	1U << CAP_SETUID | 1U << CAP_SETPCAP | 1U << CAP_NET_BIND_SERVICE |
	1U << CAP_IPC_LOCK | 1U << CAP_IPC_OWNER | 1U << CAP_SYS_CHROOT |
	1U << CAP_SYS_NICE | 1U << CAP_SYS_RESOURCE | 1U << CAP_AUDIT_WRITE |
	1U << CAP_AUDIT_CONTROL;
static const uint32_t mounts = 1U << CAP_SYS_ADMIN;

static int begin(uint32_t keep)
{
	if (step_begin() < 0 || step_bounding(keep) < 0)
		return -1;
	return step_capabilities(keep);
}

int sandbox_master(void)
{
	if (begin(work | mounts) < 0)
		return -1;
	return STEP_FILTER(master);
}

int sandbox_auth(bool may_mount)
{
	if (begin(may_mount ? work | mounts : work) < 0)
		return -1;
	return may_mount ? 0 : STEP_FILTER(auth);
}
