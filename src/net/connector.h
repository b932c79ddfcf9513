/*
 * One attempt to reach a server: the name is resolved anew, its addresses are
 * tried in turn, all within one time. Ends with exactly one call of `done`,
 * unless it is cancelled.
 */
#ifndef CROSSFADE_NET_CONNECTOR_H
#define CROSSFADE_NET_CONNECTOR_H

#include "net/address.h"

#include <uv.h>

struct connector;

/* fd: connected and the receiver's now, or -1 with error. Both pointers live during the call. */
typedef void connector_done_fn(void *context, int fd, const struct address *address, const struct error *error);

/* host: a name, a numeric address, or a folder of unix sockets; copied. done never runs within this call. */
struct connector *connector_start(uv_loop_t *loop, const char *host, uint16_t port, uint32_t timeout_ms,
				  connector_done_fn *done, void *context);
/* To an address that is known already. */
struct connector *connector_start_at(uv_loop_t *loop, const struct address *address, uint32_t timeout_ms,
				     connector_done_fn *done, void *context);
/* Right after the start: nothing is tried before so long; the timeout runs already. */
void connector_delay(struct connector *connector, uint32_t delay_ms);
/* NULL is fine. done is not called any more. */
void connector_cancel(struct connector *connector);

#endif
