/*
 * The client's side of one SCRAM exchange, buffers in and buffers out. The
 * keys come from a password, or from a client that proved to have them:
 *
 *   scram_client_new → scram_client_first → scram_client_challenge
 *   → scram_client_answer (with keys) → scram_client_verify → free
 */
#ifndef CROSSFADE_AUTH_SCRAM_CLIENT_H
#define CROSSFADE_AUTH_SCRAM_CLIENT_H

#include "auth/scram_keys.h"
#include "base/error.h"

struct scram_client;

struct scram_login_keys {
	struct scram_key client_key, server_key;
};

/* end_point: hash of the server's certificate, for SCRAM-SHA-256-PLUS; without data: no binding. Copied. */
struct scram_client *scram_client_new(struct slice end_point);
void scram_client_free(struct scram_client *client);

const char *scram_client_mechanism(const struct scram_client *client);
void scram_client_first(struct scram_client *client, struct buf *out);
/* The server's first answer. salt_out lives as long as the client. */
bool scram_client_challenge(struct scram_client *client, struct slice message, uint32_t *iterations_out,
			    struct slice *salt_out, struct error *error_out);
void scram_client_answer(struct scram_client *client, const struct scram_login_keys *keys, struct buf *out);
/* Whether the server knows the verifier. */
bool scram_client_verify(struct scram_client *client, struct slice message, struct error *error_out);

/* The slow step, for a password. */
bool scram_login_keys_from(const char *password, struct slice salt, uint32_t iterations,
			   struct scram_login_keys *keys_out);

#endif
