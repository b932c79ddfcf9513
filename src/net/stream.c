#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t plain_read(struct stream *stream, char *data, size_t size)
{
	ssize_t got;
	do
		got = recv(stream->fd, data, size, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t plain_write(struct stream *stream, const char *data, size_t len)
{
	ssize_t put;
	do
		put = send(stream->fd, data, len, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

static const struct stream_ops plain_ops = { plain_read, plain_write };

static ssize_t secure_read(struct stream *stream, char *data, size_t size)
{
	return stream->handshake == TLS_SECURED ? tls_read(stream->tls, data, size) : -EAGAIN;
}

static ssize_t secure_write(struct stream *stream, const char *data, size_t len)
{
	return stream->handshake == TLS_SECURED ? tls_write(stream->tls, data, len) : -EAGAIN;
}

static const struct stream_ops secure_ops = { secure_read, secure_write };

static void on_poll(uv_poll_t *poll, int status, int events);

/* Errors and hangups are reported for whatever is watched; a half-closed socket would report
 * UV_DISCONNECT again and again, urgent data never comes. */
static int hangup_events(const struct stream *stream)
{
	if (!stream->watch_hangup)
		return 0;
	return stream->half_closed ? UV_PRIORITIZED : UV_DISCONNECT;
}

/* What was read already of a TLS stream, its end perhaps: poll may say nothing more. */
static bool has_more_to_tell(const struct stream *stream)
{
	return stream->tls && stream->reading && tls_has_more(stream->tls);
}

static int wanted_events(const struct stream *stream)
{
	if (stream->broken) /* on_broken comes from the loop */
		return UV_WRITABLE;
	if (stream->handshake != TLS_SECURED)
		return stream->handshake == TLS_WANTS_READ ? UV_READABLE : UV_WRITABLE;
	int events = stream->reading ? UV_READABLE : hangup_events(stream);
	if (stream_unsent(stream) || has_more_to_tell(stream))
		events |= UV_WRITABLE;
	return events;
}

static void watch(struct stream *stream)
{
	int events = wanted_events(stream);
	if (!stream->open || events == stream->events)
		return;
	stream->events = events;
	if (events)
		uv_poll_start(&stream->poll, events, on_poll);
	else
		uv_poll_stop(&stream->poll);
}

static void mark_broken(struct stream *stream, int error)
{
	if (!stream->broken)
		stream->broken = error ? error : -EPIPE;
	stream->kept_at = 0;
	buf_deinit(&stream->kept);
}

static void finish_shutdown(struct stream *stream)
{
	if (stream->shutdown_wanted && !stream_unsent(stream) && !stream->broken) {
		stream->shutdown_wanted = false;
		if (stream->tls)
			tls_shutdown(stream->tls);
		shutdown(stream->fd, SHUT_WR);
	}
}

/* Sends what was kept; afterwards kept is empty, or the kernel is full again. */
static void send_kept(struct stream *stream)
{
	while (stream_unsent(stream)) {
		ssize_t put = stream->ops->write(stream, stream->kept.data + stream->kept_at, stream_unsent(stream));
		if (put == -EAGAIN || put == -EWOULDBLOCK)
			return;
		if (put < 0) {
			mark_broken(stream, (int)put);
			return;
		}
		stream->kept_at += (size_t)put;
	}
	stream->kept_at = 0;
	buf_deinit(&stream->kept); /* a drained stream keeps no memory */
	finish_shutdown(stream);
}

static void on_writable(struct stream *stream)
{
	size_t before = stream_unsent(stream);
	if (!stream->broken)
		send_kept(stream);
	watch(stream);
	if (stream->broken)
		stream->callbacks->on_broken(stream, stream->broken);
	else if (before > stream->low_bytes && stream_unsent(stream) <= stream->low_bytes)
		stream->callbacks->on_drained(stream);
}

/*
 * The socket has an error, and libuv stopped watching. What the peer sent
 * before (a last FATAL, say) can still be read; reading then meets the error.
 */
static void on_poll_error(struct stream *stream)
{
	stream->events = 0;
	if (stream->reading && !stream->broken && stream->handshake == TLS_SECURED) {
		watch(stream);
		stream->callbacks->on_readable(stream);
		return;
	}
	mark_broken(stream, -ECONNRESET);
	stream->callbacks->on_broken(stream, stream->broken);
}

static void on_hangup(struct stream *stream)
{
	struct pollfd fd = { .fd = stream->fd, .events = POLLRDHUP };
	if (poll(&fd, 1, 0) <= 0)
		return;
	if (fd.revents & (POLLERR | POLLHUP)) {
		mark_broken(stream, -ECONNRESET);
		stream->callbacks->on_broken(stream, stream->broken);
		return;
	}
	stream->half_closed = true;
	watch(stream);
	if (stream->callbacks->on_half_closed)
		stream->callbacks->on_half_closed(stream);
}

static void on_handshake(struct stream *stream)
{
	stream->handshake = tls_handshake(stream->tls);
	if (stream->handshake == TLS_FAILED) {
		mark_broken(stream, -EPROTO);
		stream->callbacks->on_broken(stream, stream->broken);
		return;
	}
	if (stream->handshake == TLS_SECURED) {
		send_kept(stream); /* an error shows at the next event */
		watch(stream);
		stream->callbacks->on_secured(stream);
		return;
	}
	watch(stream);
}

static void on_readable(struct stream *stream)
{
	do
		stream->callbacks->on_readable(stream);
	while (stream->open && !stream->broken && has_more_to_tell(stream));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct stream *stream = poll->data;
	if (status < 0) {
		on_poll_error(stream);
		return;
	}
	if (stream->handshake != TLS_SECURED && !stream->broken) {
		on_handshake(stream);
		return;
	}
	if (events & UV_WRITABLE)
		on_writable(stream);
	bool readable = (events & UV_READABLE) || has_more_to_tell(stream);
	if (readable && stream->open && stream->reading && !stream->broken)
		on_readable(stream);
	else if ((events & (UV_DISCONNECT | UV_PRIORITIZED)) && stream->open && !stream->reading && !stream->broken)
		on_hangup(stream);
}

int stream_open(struct stream *stream, uv_loop_t *loop, int fd, const struct stream_callbacks *callbacks,
		size_t low_bytes, void *owner)
{
	*stream = (struct stream){ .fd = fd, .ops = &plain_ops, .callbacks = callbacks, .owner = owner,
				   .low_bytes = low_bytes };
	int status = uv_poll_init(loop, &stream->poll, fd);
	if (status < 0) {
		close(fd);
		stream->fd = -1;
		return status;
	}
	stream->poll.data = stream;
	stream->open = true;
	return 0;
}

void stream_read_enable(struct stream *stream, bool on)
{
	stream->reading = on;
	watch(stream);
}

void stream_secure(struct stream *stream, struct tls_context *context, const char *host, struct slice ahead)
{
	stream->tls = tls_new(context, stream->fd, host, ahead);
	stream->handshake = TLS_WANTS_WRITE; /* the first step comes from the loop, which finds a fresh socket writable */
	stream->ops = &secure_ops;
	watch(stream);
}

const char *stream_why(const struct stream *stream)
{
	return stream->tls ? tls_why(stream->tls) : "";
}

ssize_t stream_read(struct stream *stream, char *data, size_t size)
{
	return stream->ops->read(stream, data, size);
}

static void keep(struct stream *stream, const char *data, size_t len)
{
	if (stream->kept_at) {
		buf_consume(&stream->kept, stream->kept_at);
		stream->kept_at = 0;
	}
	buf_append(&stream->kept, data, len);
}

bool stream_write(struct stream *stream, const char *data, size_t len)
{
	if (stream->broken || !stream->open)
		return false;
	if (!stream_unsent(stream)) {
		ssize_t put = stream->ops->write(stream, data, len);
		if (put < 0 && put != -EAGAIN && put != -EWOULDBLOCK) {
			mark_broken(stream, (int)put);
			watch(stream);
			return false;
		}
		if (put > 0) {
			data += put;
			len -= (size_t)put;
		}
	}
	if (len) {
		keep(stream, data, len);
		watch(stream);
	}
	return true;
}

void stream_shutdown(struct stream *stream)
{
	if (!stream->open || stream->broken)
		return;
	stream->shutdown_wanted = true;
	finish_shutdown(stream);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct stream *stream = handle->data;
	if (stream->callbacks->on_closed)
		stream->callbacks->on_closed(stream);
}

void stream_close(struct stream *stream)
{
	if (!stream->open)
		return;
	stream->open = false;
	buf_deinit(&stream->kept);
	stream->kept_at = 0;
	uv_poll_stop(&stream->poll);
	uv_close((uv_handle_t *)&stream->poll, on_handle_closed);
	tls_free(stream->tls);
	stream->tls = NULL;
	close(stream->fd);
	stream->fd = -1;
}

static void set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void stream_call_at(struct stream *stream, size_t bytes)
{
	if (stream->open)
		set_int(stream->fd, SOL_SOCKET, SO_RCVLOWAT, (int)bytes);
}

void stream_tune(int fd, uint32_t keepalive_s, uint32_t user_timeout_ms)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 || name.ss_family == AF_UNIX)
		return;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (keepalive_s) {
		set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)keepalive_s);
	}
	if (user_timeout_ms)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
}
