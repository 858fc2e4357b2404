/*
 * walls: their names. For every system.
 */
#include "sandbox/sandbox.h"

const char *sandbox_wall_name(enum sandbox_wall wall)
{
	switch (wall) {
	case WALL_SECCOMP:
		return "seccomp";
	case WALL_LANDLOCK:
		return "Landlock";
	case WALL_NO_NEW_PRIVS:
		return "no_new_privs";
	}
	return "unknown wall";
}
