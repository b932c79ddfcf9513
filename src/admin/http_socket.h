/* The listening socket of the http port. */
#ifndef CROSSFADE_ADMIN_HTTP_SOCKET_H
#define CROSSFADE_ADMIN_HTTP_SOCKET_H

#include "base/error.h"

struct http_socket {
	int fd;
	uint16_t port;
	bool local; /* bound to a loopback address */
};

bool http_socket_open(const char *host, uint16_t port, struct http_socket *socket_out, struct error *error_out);

#endif
