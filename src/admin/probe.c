#include "admin/probe.h"

#include "base/clock.h"
#include "net/address.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct deadline {
	uint64_t at_us;
};

static struct deadline deadline_in(uint32_t ms)
{
	return (struct deadline){ clock_monotonic_us() + ms * UINT64_C(1000) };
}

/* 0, or an errno. */
static int wait_for(int fd, short events, struct deadline deadline)
{
	struct pollfd entry = { .fd = fd, .events = events };
	for (;;) {
		uint64_t now_us = clock_monotonic_us();
		if (now_us >= deadline.at_us)
			return ETIMEDOUT;
		int ready = poll(&entry, 1, (int)((deadline.at_us - now_us) / 1000) + 1);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return errno;
	}
}

/* ---- connecting ---- */

static int connect_one(const struct sockaddr *address, socklen_t len, struct deadline deadline, int *fd_out)
{
	int result = 0;
	socklen_t size = sizeof(result);
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, address, len) != 0) {
		result = errno;
		if (result == EINPROGRESS) {
			result = wait_for(fd, POLLOUT, deadline);
			if (!result)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size);
		}
	}
	if (result)
		close(fd);
	else
		*fd_out = fd;
	return result;
}

static int connect_name(const char *host, uint16_t port, struct deadline deadline, int *fd_out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	int result = getaddrinfo(host, service, &hints, &found);
	if (result)
		return result == EAI_SYSTEM ? errno : EHOSTUNREACH;
	result = EHOSTUNREACH;
	for (struct addrinfo *at = found; at && result; at = at->ai_next)
		result = connect_one(at->ai_addr, at->ai_addrlen, deadline, fd_out);
	freeaddrinfo(found);
	return result;
}

static bool connect_to(const char *host, uint16_t port, struct deadline deadline, int *fd_out,
		       struct error *error_out)
{
	struct address address;
	int result;
	if (host[0] == '/') {
		if (!address_unix(host, port, &address, error_out))
			return false;
		result = connect_one((struct sockaddr *)&address.storage, address.len, deadline, fd_out);
	} else {
		/* What listens everywhere can be asked here. */
		result = connect_name(strcmp(host, "*") == 0 ? "localhost" : host, port, deadline, fd_out);
	}
	if (result)
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "cannot connect: %s", strerror(result));
	return result == 0;
}

/* ---- talking ---- */

static bool send_all(int fd, const char *data, size_t len, struct deadline deadline)
{
	while (len) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
		} else if (sent == 0 || (errno != EAGAIN && errno != EINTR) || wait_for(fd, POLLOUT, deadline)) {
			return false;
		}
	}
	return true;
}

/* Up to capacity bytes, until the other side closes; fewer: the deadline or an error. */
static size_t receive(int fd, char *data, size_t capacity, struct deadline deadline)
{
	size_t len = 0;
	while (len < capacity) {
		ssize_t got = recv(fd, data + len, capacity - len, 0);
		if (got > 0)
			len += (size_t)got;
		else if (got == 0 || (errno != EAGAIN && errno != EINTR) || wait_for(fd, POLLIN, deadline))
			break;
	}
	return len;
}

bool probe_postgres(const char *host, uint16_t port, uint32_t timeout_ms, struct error *error_out)
{
	static const char ssl_request[8] = { 0, 0, 0, 8, 4, (char)0xd2, 0x16, 0x2f };
	struct deadline deadline = deadline_in(timeout_ms);
	char answer = 0;
	int fd;
	if (!connect_to(host, port, deadline, &fd, error_out))
		return false;
	bool ok = send_all(fd, ssl_request, sizeof(ssl_request), deadline) &&
		  receive(fd, &answer, 1, deadline) == 1 && (answer == 'N' || answer == 'S');
	close(fd);
	if (!ok)
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, answer ?
			  "connected, but what answers does not speak PostgreSQL's protocol" :
			  "connected, but there is no answer");
	return ok;
}

static bool read_status(const char *answer, int *status_out, char text_out[256])
{
	int status;
	const char *body = strstr(answer, "\r\n\r\n");
	if (sscanf(answer, "HTTP/1.%*1d %3d", &status) != 1 || !body)
		return false;
	body += 4;
	*status_out = status;
	snprintf(text_out, 256, "%.*s", (int)strcspn(body, "\r\n"), body);
	return true;
}

bool probe_http(const char *host, uint16_t port, const char *path, uint32_t timeout_ms, int *status_out,
		char text_out[256], struct error *error_out)
{
	struct deadline deadline = deadline_in(timeout_ms);
	char request[256], answer[4096];
	int fd;
	if (!connect_to(host, port, deadline, &fd, error_out))
		return false;
	int len = snprintf(request, sizeof(request),
			   "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	bool ok = send_all(fd, request, (size_t)len, deadline);
	if (ok) {
		answer[receive(fd, answer, sizeof(answer) - 1, deadline)] = '\0';
		ok = read_status(answer, status_out, text_out);
	}
	close(fd);
	if (!ok)
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "connected, but there is no answer");
	return ok;
}
