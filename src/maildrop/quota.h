/*
 * quota: is the owner's room on a file system nearly used up?
 */
#ifndef POSTERN_MAILDROP_QUOTA_H
#define POSTERN_MAILDROP_QUOTA_H

#include <stdbool.h>

/*
 * Is less than 1/parts left of what the user or the group of this process may use on
 * the file system of dir, in blocks or files? false, too, where there is no quota, or
 * the kernel (before Linux 5.14) cannot be asked by a descriptor.
 */
bool quota_is_tight(int dir, unsigned parts);

#endif
