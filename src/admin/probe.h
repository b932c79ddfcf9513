/*
 * Whether somebody who speaks PostgreSQL's protocol answers at an address:
 * connects, sends an SSLRequest, reads the one byte that every server answers
 * before it asks who is there. A server logs nothing of it.
 */
#ifndef CROSSFADE_ADMIN_PROBE_H
#define CROSSFADE_ADMIN_PROBE_H

#include "base/error.h"

/* host: name or address, or the folder of a unix socket. Waits for timeout_ms at most, the name's lookup aside. */
bool probe_postgres(const char *host, uint16_t port, uint32_t timeout_ms, struct error *error_out);
/* The status of an HTTP answer to GET path (which may be 503), and the first line of its text. */
bool probe_http(const char *host, uint16_t port, const char *path, uint32_t timeout_ms, int *status_out,
		char text_out[256], struct error *error_out);

#endif
