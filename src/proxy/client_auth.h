/*
 * crossfade in the server's place, towards a client that is logging in: asks
 * for its password or goes through SCRAM with it. Buffers in, buffers out.
 *
 *   client_auth_new → (client_auth_verifier) → client_auth_ask
 *   → client_auth_answer until client_auth_proven → client_auth_credentials
 */
#ifndef CROSSFADE_PROXY_CLIENT_AUTH_H
#define CROSSFADE_PROXY_CLIENT_AUTH_H

#include "base/error.h"
#include "proxy/credentials.h"

struct client_auth;

/* end_point: of the certificate the client sees; without data: no channel binding. Copied. */
struct client_auth *client_auth_new(enum auth_mode mode, struct slice user, struct slice end_point);
void client_auth_free(struct client_auth *auth);

/* SCRAM only, before asking. doomed: there is no such user, which only the end will tell. */
void client_auth_verifier(struct client_auth *auth, const struct scram_verifier *verifier, bool doomed);
void client_auth_ask(struct client_auth *auth, struct buf *to_client);
/* The longest message that is taken. */
size_t client_auth_max_bytes(const struct client_auth *auth);
/* The body of a password message; false: refused, with the error that ends the session. */
bool client_auth_answer(struct client_auth *auth, struct slice body, struct buf *to_client, struct error *error_out);
bool client_auth_proven(const struct client_auth *auth);
struct credentials *client_auth_credentials(struct client_auth *auth);

#endif
