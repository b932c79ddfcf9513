/*
 * One connected socket on a loop. Reads go into whatever buffer the caller
 * has at hand, so that an idle stream owns none; writes go straight to the
 * kernel, and only what it does not take is kept, until it does. The bytes
 * pass through `ops`, under which stream_secure puts TLS.
 *
 * Callbacks: on_readable when there is something to read (or the end),
 * on_drained when kept bytes have fallen to the low mark, on_broken when the
 * connection failed while writing; the owner then closes the stream;
 * on_secured when the handshake that stream_secure began is done. A callback
 * may call any function here, stream_close included.
 *
 * A stream that is not read does not see its peer go. With watch_hangup it
 * does: on_broken comes when the connection is gone both ways. A peer that
 * only has nothing more to say may still be listening, and stays.
 */
#ifndef CROSSFADE_NET_STREAM_H
#define CROSSFADE_NET_STREAM_H

#include "base/buf.h"
#include "net/tls.h"

#include <sys/types.h>
#include <uv.h>

struct stream;

struct stream_ops {
	/* >0 bytes, 0 end, -EAGAIN nothing now, other -errno broken */
	ssize_t (*read)(struct stream *stream, char *data, size_t size);
	/* >=0 bytes taken, -EAGAIN none now, other -errno broken */
	ssize_t (*write)(struct stream *stream, const char *data, size_t len);
};

struct stream_callbacks {
	void (*on_readable)(struct stream *stream);
	void (*on_drained)(struct stream *stream);
	void (*on_broken)(struct stream *stream, int error);
	void (*on_closed)(struct stream *stream);
	void (*on_secured)(struct stream *stream);
	void (*on_half_closed)(struct stream *stream); /* while not reading: no more will come. May be NULL */
};

struct stream {
	uv_poll_t poll;
	int fd;	    /* -1: closed, or not yet open */
	int broken; /* -errno of the first failure; 0: none */
	bool reading, shutdown_wanted, open;
	bool watch_hangup; /* the owner's wish */
	bool half_closed;  /* seen while not reading: the peer says no more */
	int events; /* what poll watches */
	struct tls *tls; /* NULL: plain */
	enum tls_step handshake; /* TLS_SECURED also when plain */
	const struct stream_ops *ops;
	const struct stream_callbacks *callbacks;
	void *owner;
	struct buf kept; /* not taken by the kernel yet, from kept_at on */
	size_t kept_at;
	size_t low_bytes;
};

/* Takes the descriptor over in any case; 0 or a libuv error. Reading is off at first. */
int stream_open(struct stream *stream, uv_loop_t *loop, int fd, const struct stream_callbacks *callbacks,
		size_t low_bytes, void *owner);
void stream_read_enable(struct stream *stream, bool on);
/*
 * From now on all bytes go through TLS; nothing may be unsent. host: whom we
 * want to reach, or NULL. ahead: what the peer has sent of the handshake
 * already. What is written meanwhile waits for it. on_secured or on_broken
 * follows, not from within this call.
 */
void stream_secure(struct stream *stream, struct tls_context *context, const char *host, struct slice ahead);
/* Why TLS failed; empty: it was not TLS. */
const char *stream_why(const struct stream *stream);
/* With TLS, size must be at least TLS_RECORD_BYTES. */
ssize_t stream_read(struct stream *stream, char *data, size_t size);
/* False: the connection is broken, on_broken follows (not from within this call). */
bool stream_write(struct stream *stream, const char *data, size_t len);
/* Bytes kept. */
static inline size_t stream_unsent(const struct stream *stream)
{
	return stream->kept.len - stream->kept_at;
}
/* on_readable only when so many bytes are there, or the end; 1: as soon as any are. The caller sees to it that less
 * is not forgotten: stream_read gives what there is at any time. */
void stream_call_at(struct stream *stream, size_t bytes);
/* Says "no more bytes from here" once all is sent; reading goes on. */
void stream_shutdown(struct stream *stream);
/* Unsent bytes are dropped; on_closed comes later, from the loop. */
void stream_close(struct stream *stream);

/* For sockets of either side: TCP_NODELAY, keepalive, user timeout. No-op for unix sockets. */
void stream_tune(int fd, uint32_t keepalive_s, uint32_t user_timeout_ms);

#endif
