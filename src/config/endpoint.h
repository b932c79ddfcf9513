/* Where to listen or to connect: host:port, or the folder of a unix socket. */
#ifndef CROSSFADE_CONFIG_ENDPOINT_H
#define CROSSFADE_CONFIG_ENDPOINT_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdint.h>

struct endpoint {
	const char *host; /* name, address, "*" for all, or a folder beginning with '/' */
	uint16_t port;
};

/*
 * "127.0.0.1:6432", "[::1]:6432", "localhost", "*:6432", "/run/crossfade",
 * "/run/crossfade:6433". why_out: what is wrong, to follow the text in a message.
 */
bool endpoint_parse(struct arena *arena, const char *text, uint16_t default_port, struct endpoint *endpoint_out,
		    const char **why_out);
void endpoint_append(struct buf *out, const struct endpoint *endpoint);

#endif
