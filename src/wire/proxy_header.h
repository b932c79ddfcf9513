/*
 * The PROXY protocol's header, versions 1 (text) and 2 (binary): before
 * anything else a load balancer says on whose behalf it connects.
 */
#ifndef CROSSFADE_WIRE_PROXY_HEADER_H
#define CROSSFADE_WIRE_PROXY_HEADER_H

#include "base/slice.h"

enum {
	PROXY_HEADER_ADDRESS_BYTES = 64,
	PROXY_HEADER_MAX_BYTES = 16 + 2048, /* longer ones are refused */
};

enum proxy_header_kind {
	PROXY_HEADER_INCOMPLETE, /* more bytes are needed */
	PROXY_HEADER_ADDRESS,	 /* of the client */
	PROXY_HEADER_NONE,	 /* the balancer connects for itself (LOCAL), or does not know for whom */
	PROXY_HEADER_INVALID,
};

struct proxy_header {
	size_t size; /* of the header */
	char address[PROXY_HEADER_ADDRESS_BYTES]; /* "10.0.0.1", "::1", "local" for a unix socket */
};

/* header_out is filled for ADDRESS and NONE (without an address). */
enum proxy_header_kind proxy_header_parse(struct slice data, struct proxy_header *header_out);

#endif
