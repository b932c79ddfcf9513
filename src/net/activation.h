/*
 * Listening sockets that were open before we were: systemd's socket
 * activation (LISTEN_PID, LISTEN_FDS). Whoever holds them keeps connections
 * waiting while one process ends and the next one starts, so that none is
 * refused.
 */
#ifndef CROSSFADE_NET_ACTIVATION_H
#define CROSSFADE_NET_ACTIVATION_H

#include "net/address.h"

/* The descriptor bound to this address, now the caller's; -1: there is none. Once for each. */
int activation_take(const struct address *address);
/* Those that nobody has taken: a mistake somewhere, to be told. */
unsigned activation_left(void);

#endif
