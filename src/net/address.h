/* Where to listen or to connect: a TCP address or PostgreSQL's socket in a folder. */
#ifndef CROSSFADE_NET_ADDRESS_H
#define CROSSFADE_NET_ADDRESS_H

#include "base/error.h"

#include <sys/socket.h>
#include <sys/un.h>

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
};

static inline bool address_is_unix(const struct address *address)
{
	return address->storage.ss_family == AF_UNIX;
}

/* DIR/.s.PGSQL.PORT; false when that is longer than a socket's name can be. */
bool address_unix(const char *folder, uint16_t port, struct address *address_out, struct error *error_out);
/* A numeric IPv4 or IPv6 address; false: it is a name. */
bool address_numeric(const char *host, uint16_t port, struct address *address_out);
uint16_t address_port(const struct address *address);
/* "10.0.0.1", "::1"; unix sockets: "local". Room for INET6_ADDRSTRLEN. */
enum { ADDRESS_TEXT_BYTES = 64 };
void address_text(const struct address *address, char text_out[ADDRESS_TEXT_BYTES]);

#endif
