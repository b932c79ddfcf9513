#include "net/connector.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ADDRESSES_MAX = 16,
	BUSY_RETRY_MS = 20, /* a unix socket with a full backlog says EAGAIN */
};

struct connector {
	uv_loop_t *loop;
	uv_getaddrinfo_t resolve;
	uv_timer_t timer;
	uv_poll_t poll;
	int fd;
	unsigned open_handles; /* handles and requests that may still call back */
	bool poll_open, finished;
	uint64_t deadline_us;
	connector_done_fn *done;
	void *context;
	struct address addresses[ADDRESSES_MAX];
	size_t address_count, at;
	struct error error;
	uint16_t port;
	char host[256];
};

static void try_next(struct connector *connector);

static void release(struct connector *connector)
{
	if (--connector->open_handles == 0)
		free(connector);
}

static void on_handle_closed(uv_handle_t *handle)
{
	release(handle->data);
}

static void close_poll(struct connector *connector)
{
	if (connector->poll_open) {
		connector->poll_open = false;
		uv_close((uv_handle_t *)&connector->poll, on_handle_closed);
	}
}

static void drop_socket(struct connector *connector)
{
	close_poll(connector);
	if (connector->fd >= 0)
		close(connector->fd);
	connector->fd = -1;
}

static void wind_up(struct connector *connector)
{
	connector->finished = true;
	uv_cancel((uv_req_t *)&connector->resolve);
	close_poll(connector);
	uv_close((uv_handle_t *)&connector->timer, on_handle_closed);
}

static void finish(struct connector *connector, int fd)
{
	if (connector->finished)
		return;
	if (fd < 0)
		drop_socket(connector);
	connector->fd = -1;
	wind_up(connector);
	connector->done(connector->context, fd, fd >= 0 ? &connector->addresses[connector->at] : NULL,
			fd >= 0 ? NULL : &connector->error);
}

static void note_failure(struct connector *connector, const char *what, const char *why)
{
	error_set(&connector->error, SQLSTATE_CONNECTION_FAILURE, "crossfade cannot reach the PostgreSQL server");
	error_detail(&connector->error, "%s %s, port %u: %s.", what, connector->host, connector->port, why);
	error_hint(&connector->error, "Check that the server runs and that `server` in crossfade.yaml names it.");
}

static void on_socket_failed(struct connector *connector, int error)
{
	note_failure(connector, "Connecting to", strerror(error));
	drop_socket(connector);
	connector->at++;
	try_next(connector);
}

static void on_connect_event(uv_poll_t *poll, int status, int events)
{
	struct connector *connector = poll->data;
	int error = 0;
	socklen_t len = sizeof(error);
	if (connector->finished)
		return;
	if (getsockopt(connector->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (!error && status < 0)
		error = -status;
	if (error)
		on_socket_failed(connector, error);
	else
		finish(connector, connector->fd);
}

/* Deferred through the loop even when the kernel connects at once, so that
 * `done` never runs inside connector_start. */
static bool watch_socket(struct connector *connector)
{
	if (uv_poll_init(connector->loop, &connector->poll, connector->fd) < 0)
		return false;
	connector->poll.data = connector;
	connector->poll_open = true;
	connector->open_handles++;
	return uv_poll_start(&connector->poll, UV_WRITABLE, on_connect_event) == 0;
}

static uint64_t left_ms(const struct connector *connector)
{
	uint64_t now = clock_monotonic_us();
	return now >= connector->deadline_us ? 0 : (connector->deadline_us - now) / 1000 + 1;
}

static void on_deadline(uv_timer_t *timer)
{
	struct connector *connector = timer->data;
	if (connector->finished)
		return;
	note_failure(connector, "Connecting to", "no answer in time");
	finish(connector, -1);
}

static void on_retry(uv_timer_t *timer)
{
	struct connector *connector = timer->data;
	if (connector->finished)
		return;
	uint64_t left = left_ms(connector);
	if (!left) {
		on_deadline(timer);
		return;
	}
	uv_timer_start(timer, on_deadline, left, 0);
	try_next(connector);
}

static void try_next(struct connector *connector)
{
	while (connector->at < connector->address_count) {
		const struct address *address = &connector->addresses[connector->at];
		connector->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		int status = connector->fd < 0 ? -1 :
			     connect(connector->fd, (const struct sockaddr *)&address->storage, address->len);
		if (status != 0 && errno == EAGAIN && connector->fd >= 0) {
			drop_socket(connector);
			uv_timer_start(&connector->timer, on_retry, BUSY_RETRY_MS, 0);
			return;
		}
		if ((status == 0 || errno == EINPROGRESS) && watch_socket(connector))
			return;
		note_failure(connector, "Connecting to", strerror(errno));
		drop_socket(connector);
		connector->at++;
	}
	finish(connector, -1);
}

static void take_addresses(struct connector *connector, const struct addrinfo *list)
{
	for (; list && connector->address_count < ADDRESSES_MAX; list = list->ai_next) {
		if (list->ai_addrlen > sizeof(struct sockaddr_storage))
			continue;
		struct address *address = &connector->addresses[connector->address_count++];
		memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
		address->len = list->ai_addrlen;
	}
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct connector *connector = request->data;
	if (!connector->finished && status == 0) {
		take_addresses(connector, list);
		try_next(connector);
	} else if (!connector->finished) {
		note_failure(connector, "Resolving", uv_strerror(status));
		finish(connector, -1);
	}
	uv_freeaddrinfo(list);
	release(connector);
}

static void on_begin(uv_timer_t *timer)
{
	struct connector *connector = timer->data;
	char port[8];
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	if (connector->finished)
		return;
	uv_timer_start(timer, on_deadline, left_ms(connector), 0);
	if (connector->address_count) {
		try_next(connector);
		return;
	}
	if (connector->error.message[0]) {
		finish(connector, -1);
		return;
	}
	snprintf(port, sizeof(port), "%u", connector->port);
	connector->resolve.data = connector;
	int status = uv_getaddrinfo(connector->loop, &connector->resolve, on_resolved, connector->host, port, &hints);
	if (status < 0) {
		note_failure(connector, "Resolving", uv_strerror(status));
		finish(connector, -1);
		return;
	}
	connector->open_handles++;
}

static struct connector *start(uv_loop_t *loop, uint32_t timeout_ms, connector_done_fn *done, void *context)
{
	struct connector *connector = memory_zalloc(sizeof(*connector));
	connector->loop = loop;
	connector->fd = -1;
	connector->done = done;
	connector->context = context;
	connector->deadline_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
	uv_timer_init(loop, &connector->timer);
	connector->timer.data = connector;
	connector->open_handles = 1;
	uv_timer_start(&connector->timer, on_begin, 0, 0);
	return connector;
}

struct connector *connector_start(uv_loop_t *loop, const char *host, uint16_t port, uint32_t timeout_ms,
				  connector_done_fn *done, void *context)
{
	struct connector *connector = start(loop, timeout_ms, done, context);
	snprintf(connector->host, sizeof(connector->host), "%s", host);
	connector->port = port;
	if (host[0] == '/') {
		if (address_unix(host, port, &connector->addresses[0], &connector->error))
			connector->address_count = 1;
	} else if (address_numeric(host, port, &connector->addresses[0])) {
		connector->address_count = 1;
	}
	return connector;
}

struct connector *connector_start_at(uv_loop_t *loop, const struct address *address, uint32_t timeout_ms,
				     connector_done_fn *done, void *context)
{
	struct connector *connector = start(loop, timeout_ms, done, context);
	connector->addresses[0] = *address;
	connector->address_count = 1;
	connector->port = address_port(address);
	address_text(address, connector->host);
	return connector;
}

void connector_delay(struct connector *connector, uint32_t delay_ms)
{
	uint64_t left = left_ms(connector);
	if (delay_ms)
		uv_timer_start(&connector->timer, on_begin, delay_ms < left ? delay_ms : left, 0);
}

void connector_cancel(struct connector *connector)
{
	if (!connector || connector->finished)
		return;
	drop_socket(connector);
	wind_up(connector);
}
