/*
 * way: a directory of root's, found on a way that nobody but root could have laid.
 * For commands that make something as root at a place that a configuration names
 * with the home directory or the name of somebody else in it.
 */
#ifndef POSTERN_CLI_WAY_H
#define POSTERN_CLI_WAY_H

/*
 * Opens the directory path (absolute). Each directory on the way, after all links
 * are followed, belongs to root and can be written by nobody else; the last one may be
 * a group's (/var/mail). A descriptor, or -1 with errno: EPERM when somebody else
 * can lead the way.
 */
int way_of_root(const char *path);

#endif
