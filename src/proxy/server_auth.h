/*
 * crossfade in the client's place, towards a server that asks who comes:
 * answers with credentials. Buffers in, buffers out.
 */
#ifndef CROSSFADE_PROXY_SERVER_AUTH_H
#define CROSSFADE_PROXY_SERVER_AUTH_H

#include "base/error.h"
#include "proxy/credentials.h"

struct server_auth;

enum server_auth_step {
	SERVER_AUTH_WAITS,   /* answered, or nothing to answer: the server goes on */
	SERVER_AUTH_DERIVES, /* keys must be derived from the password: slow work, see below */
	SERVER_AUTH_DONE,    /* the server lets us in */
	SERVER_AUTH_FAILED,
};

struct server_auth_start {
	struct credentials *credentials; /* borrowed */
	struct slice user;
	struct slice end_point; /* hash of the server's certificate; without data: no TLS, or none to bind to */
	bool private;		/* nobody on the way can read: TLS or a unix socket */
};

struct server_auth *server_auth_new(const struct server_auth_start *start);
void server_auth_free(struct server_auth *auth);

/* An authentication request of the server. */
enum server_auth_step server_auth_request(struct server_auth *auth, uint32_t kind, struct slice data,
					  struct buf *to_server, struct error *error_out);

/* What to derive the keys from, for any thread; and where they go then. */
struct server_auth_work {
	struct buf password, salt; /* secret; password with its NUL */
	uint32_t iterations;
	struct scram_login_keys keys;
	bool ok;
};
void server_auth_take_work(struct server_auth *auth, struct server_auth_work *work_out);
void server_auth_derive(struct server_auth_work *work);
void server_auth_finish_work(struct server_auth *auth, const struct server_auth_work *work, struct buf *to_server);
void server_auth_work_deinit(struct server_auth_work *work);

#endif
