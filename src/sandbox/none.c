/*
 * sandbox on a system that has none that we know: resource limits alone.
 * sandbox_missing() says so at start.
 */
#include "sandbox/sandbox.h"

#include <sys/resource.h>

unsigned sandbox_missing(void)
{
	return WALL_SECCOMP | WALL_LANDLOCK | WALL_NO_NEW_PRIVS;
}

unsigned sandbox_forbidden(void)
{
	return 0;
}

static int no_core(void)
{
	const struct rlimit none = { 0, 0 };
	return setrlimit(RLIMIT_CORE, &none);
}

int sandbox_before_drop(void)
{
	return 0;
}

int sandbox_gate_parent(void)
{
	return no_core();
}

int sandbox_gate(bool kernel_tls)
{
	(void)kernel_tls;
	const struct rlimit none = { 0, 0 };
	return setrlimit(RLIMIT_NPROC, &none);
}

int sandbox_keeper_parent(void)
{
	return no_core();
}

int sandbox_keeper(void)
{
	const struct rlimit none = { 0, 0 };
	return setrlimit(RLIMIT_NPROC, &none);
}

int sandbox_logger(void)
{
	const struct rlimit none = { 0, 0 };
	return no_core() < 0 ? -1 : setrlimit(RLIMIT_NPROC, &none);
}

int sandbox_master(void)
{
	return no_core();
}

int sandbox_auth(bool may_mount)
{
	(void)may_mount;
	return no_core();
}

int sandbox_session_parent(void)
{
	return no_core();
}

int sandbox_session(enum maildrop_kind kind, const char *path, int state)
{
	const struct rlimit none = { 0, 0 };
	(void)kind;
	(void)path;
	(void)state;
	return no_core() < 0 ? -1 : setrlimit(RLIMIT_NPROC, &none);
}
