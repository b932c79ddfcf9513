#include "app/notify.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A leading @ stands for the abstract name space. */
static socklen_t make_address(const char *path, struct sockaddr_un *address)
{
	size_t len = strlen(path);
	if (len < 2 || len >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
		return 0;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void send_state(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t len = path ? make_address(path, &address) : 0;
	int fd = len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, len);
	close(fd);
}

void notify_ready(void)
{
	send_state("READY=1\nSTATUS=Serving.");
}

void notify_reloading(void)
{
	char state[96];
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading.", clock_monotonic_us());
	send_state(state);
}

void notify_stopping(void)
{
	send_state("STOPPING=1\nSTATUS=Draining.");
}
