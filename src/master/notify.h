/*
 * notify: tells a service manager how we are (sd_notify(3), without its library).
 */
#ifndef POSTERN_MASTER_NOTIFY_H
#define POSTERN_MASTER_NOTIFY_H

/* One datagram "STATE" to the socket that NOTIFY_SOCKET names. Nothing happens when
 * there is none; errors are not ours to care about. */
void notify(const char *state);

#endif
