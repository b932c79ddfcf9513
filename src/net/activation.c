#include "net/activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3, FDS_MAX = 64 };

static bool looked;
static int given[FDS_MAX]; /* -1: taken */
static unsigned given_count;

static unsigned long number_of(const char *name)
{
	const char *text = getenv(name);
	return text ? strtoul(text, NULL, 10) : 0;
}

/* Our children, if there ever are any, must not take them for theirs. */
static void look(void)
{
	if (looked)
		return;
	looked = true;
	unsigned long count = number_of("LISTEN_FDS");
	if (number_of("LISTEN_PID") == (unsigned long)getpid() && count <= FDS_MAX)
		given_count = (unsigned)count;
	for (unsigned i = 0; i < given_count; i++) {
		given[i] = FIRST_FD + (int)i;
		fcntl(given[i], F_SETFD, FD_CLOEXEC);
		fcntl(given[i], F_SETFL, fcntl(given[i], F_GETFL) | O_NONBLOCK);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static bool same_ip(const struct address *a, const struct address *b)
{
	if (a->storage.ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)&a->storage)->sin6_addr,
			      &((const struct sockaddr_in6 *)&b->storage)->sin6_addr, sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
}

static bool same_address(const struct address *a, const struct address *b)
{
	if (a->storage.ss_family != b->storage.ss_family)
		return false;
	if (address_is_unix(a))
		return strcmp(((const struct sockaddr_un *)&a->storage)->sun_path,
			      ((const struct sockaddr_un *)&b->storage)->sun_path) == 0;
	return address_port(a) == address_port(b) && same_ip(a, b);
}

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int activation_take(const struct address *address)
{
	look();
	for (unsigned i = 0; i < given_count; i++) {
		struct address bound = { .len = sizeof(bound.storage) };
		int fd = given[i];
		if (fd < 0 || !is_stream(fd) || getsockname(fd, (struct sockaddr *)&bound.storage, &bound.len) != 0 ||
		    !same_address(address, &bound))
			continue;
		given[i] = -1;
		return fd;
	}
	return -1;
}

unsigned activation_left(void)
{
	unsigned left = 0;
	look();
	for (unsigned i = 0; i < given_count; i++)
		left += given[i] >= 0;
	return left;
}
