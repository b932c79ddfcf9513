/* Accepts connections on one address and hands the descriptors on. */
#ifndef CROSSFADE_NET_LISTENER_H
#define CROSSFADE_NET_LISTENER_H

#include "net/address.h"

#include <uv.h>

struct listener;

/* fd: non-blocking, the receiver's. */
typedef void listener_accept_fn(void *context, int fd, const struct address *peer);

/*
 * Binds: a host that is a name gives a listener for each of its addresses,
 * through `made`. A unix socket's file is replaced when nobody answers on it.
 */
bool listener_bind(uv_loop_t *loop, const char *host, uint16_t port, listener_accept_fn *accept, void *context,
		   void (*made)(void *context, struct listener *listener), struct error *error_out);
bool listener_start(struct listener *listener, uint32_t backlog, struct error *error_out);
uint16_t listener_port(const struct listener *listener);
/* Closes the socket, removes a unix socket's file, and frees itself from the loop. */
void listener_close(struct listener *listener);

#endif
