/*
 * The server's side of one SCRAM exchange, buffers in and buffers out:
 *
 *   scram_server_new → scram_server_first → scram_server_final → free
 *
 * What it refuses, and with which SQLSTATE, is as in PostgreSQL. Once it is
 * done it knows the client's key, which logs in anywhere that keeps the same
 * verifier.
 */
#ifndef CROSSFADE_AUTH_SCRAM_SERVER_H
#define CROSSFADE_AUTH_SCRAM_SERVER_H

#include "auth/scram_keys.h"
#include "base/error.h"

struct scram_server;

struct scram_server_start {
	const struct scram_verifier *verifier; /* copied */
	bool doomed;	       /* a mock: fails in the end, whatever the proof */
	struct slice user;     /* for the error; copied */
	struct slice end_point; /* hash of our certificate; without data: no channel binding */
};

struct scram_server *scram_server_new(const struct scram_server_start *start);
void scram_server_free(struct scram_server *server);

/* The client's choice and its first message; appends the answer, or says why not. */
bool scram_server_first(struct scram_server *server, struct slice mechanism, struct slice message, struct buf *out,
			struct error *error_out);
/* Its last message; appends the proof that we know the verifier, too. */
bool scram_server_final(struct scram_server *server, struct slice message, struct buf *out, struct error *error_out);
/* After the end; a secret. */
const struct scram_key *scram_server_client_key(const struct scram_server *server);

#endif
