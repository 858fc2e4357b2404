/*
 * netaddr: fields that facts and identity both carry. Their contracts are in
 * include/postern/facts.h.
 */
#ifndef POSTERN_IPC_NETADDR_H
#define POSTERN_IPC_NETADDR_H

#include "ipc/msg.h"
#include "postern/facts.h"

void netaddr_put(struct buf *message, const struct netaddr *a);
void netaddr_get(struct msg_in *in, struct netaddr *a);
enum listener_kind listener_get(struct msg_in *in);

#endif
