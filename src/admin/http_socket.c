#include "admin/http_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 32 };

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* 0, or an errno. */
static int bind_one(const struct addrinfo *address, struct http_socket *socket_out)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	int on = 1, off = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6) /* "*" means both families */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
		int result = errno;
		close(fd);
		return result;
	}
	uint16_t port = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						    : ((struct sockaddr_in *)&bound)->sin_port;
	*socket_out = (struct http_socket){ fd, ntohs(port), is_loopback(address->ai_addr) };
	return 0;
}

static bool fail(const char *host, uint16_t port, const char *why, struct error *error_out)
{
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot listen for http on %s:%u: %s", host, port, why);
	error_hint(error_out, "Give `http.listen` an address of this machine and a port that nothing else uses.");
	return false;
}

bool http_socket_open(const char *host, uint16_t port, struct http_socket *socket_out, struct error *error_out)
{
	bool any = strcmp(host, "*") == 0;
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	int result = EADDRNOTAVAIL;
	/* "*": IPv6 takes IPv4 along; where there is no IPv6, IPv4 alone. */
	for (int round = 0; round < (any ? 2 : 1) && result; round++) {
		struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
					  .ai_family = !any ? AF_UNSPEC : round ? AF_INET : AF_INET6 };
		struct addrinfo *found;
		int failed = getaddrinfo(any ? NULL : host, service, &hints, &found);
		if (failed && !any)
			return fail(host, port, gai_strerror(failed), error_out);
		if (failed)
			continue;
		for (struct addrinfo *at = found; at && result; at = at->ai_next)
			result = bind_one(at, socket_out);
		freeaddrinfo(found);
	}
	return result == 0 || fail(host, port, strerror(result), error_out);
}
