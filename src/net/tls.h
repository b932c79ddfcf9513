/*
 * TLS on one socket, as stream.c uses it: reads and writes never wait, and say
 * -EAGAIN as the plain ones do.
 *
 * A read takes whole records, and needs TLS_RECORD_BYTES of room. Several may
 * come from the socket at once: what found no room is still here, unseen by
 * poll, and tls_has_more says so.
 */
#ifndef CROSSFADE_NET_TLS_H
#define CROSSFADE_NET_TLS_H

#include "net/tls_context.h"

#include <sys/types.h>

enum { TLS_RECORD_BYTES = 16384 };

struct tls;

enum tls_step { TLS_SECURED, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED };

/*
 * host: whom we want to reach, for SNI, or NULL. ahead: what was read from the
 * socket before, and belongs to the handshake. A reference to context is taken.
 */
struct tls *tls_new(struct tls_context *context, int fd, const char *host, struct slice ahead);
/* Says goodbye where that can be done at once. */
void tls_free(struct tls *tls);

enum tls_step tls_handshake(struct tls *tls);
/* Why the handshake failed, or a connection broke; empty: not by TLS's doing. */
const char *tls_why(const struct tls *tls);

ssize_t tls_read(struct tls *tls, char *data, size_t size);
ssize_t tls_write(struct tls *tls, const char *data, size_t len);
/* More was read than there was room for, or the end together with the last bytes: the next read tells, poll may not. */
bool tls_has_more(const struct tls *tls);
/* "No more bytes from here". */
void tls_shutdown(struct tls *tls);

/* ---- once it is secured ---- */

const char *tls_version(const struct tls *tls);
bool tls_resumed(const struct tls *tls);
bool tls_has_alpn(const struct tls *tls);
/* Whether the peer's certificate is for this host: a name or a numeric address. */
bool tls_is_host(const struct tls *tls, const char *host);
/* Appends what tls-server-end-point binds to, of the peer's certificate. */
void tls_append_peer_end_point(const struct tls *tls, struct buf *out);
/* The subject of the peer's certificate for the log; false: it showed none. */
bool tls_peer_name(const struct tls *tls, char *name_out, size_t size);

#endif
