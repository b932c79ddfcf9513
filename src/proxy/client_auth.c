#include "proxy/client_auth.h"

#include "auth/scram_message.h"
#include "auth/scram_server.h"
#include "base/memory.h"
#include "wire/frame.h"
#include "wire/reader.h"
#include "wire/server_message.h"

#include <stdlib.h>

enum { PASSWORD_MAX_BYTES = 65535 }; /* PostgreSQL's own bound: tokens are long */

enum step { STEP_FIRST, STEP_FINAL, STEP_PROVEN };

struct client_auth {
	enum auth_mode mode;
	enum step step;
	char *user;
	struct buf end_point;
	struct scram_server *scram;
	struct credentials credentials;
};

struct client_auth *client_auth_new(enum auth_mode mode, struct slice user, struct slice end_point)
{
	struct client_auth *auth = memory_zalloc(sizeof(*auth));
	auth->mode = mode;
	auth->user = memory_copy(user.len ? user.data : "", user.len);
	buf_append_slice(&auth->end_point, end_point);
	return auth;
}

void client_auth_free(struct client_auth *auth)
{
	if (!auth)
		return;
	free(auth->user);
	buf_deinit(&auth->end_point);
	scram_server_free(auth->scram);
	credentials_deinit(&auth->credentials);
	free(auth);
}

void client_auth_verifier(struct client_auth *auth, const struct scram_verifier *verifier, bool doomed)
{
	struct scram_server_start start = { verifier, doomed, slice_str(auth->user), buf_slice(&auth->end_point) };
	auth->credentials.verifier = *verifier;
	scram_server_free(auth->scram);
	auth->scram = scram_server_new(&start);
}

static void append_request(struct buf *out, uint32_t kind, struct slice data)
{
	size_t begin = frame_begin(out, SERVER_AUTHENTICATION);
	buf_append_u32(out, kind);
	buf_append_slice(out, data);
	frame_end(out, begin);
}

void client_auth_ask(struct client_auth *auth, struct buf *to_client)
{
	static const char bound[] = SCRAM_SHA_256_PLUS "\0" SCRAM_SHA_256 "\0", unbound[] = SCRAM_SHA_256 "\0";
	if (auth->mode == AUTH_PASSWORD)
		append_request(to_client, AUTHENTICATION_PASSWORD, slice_of("", 0));
	else if (auth->end_point.len)
		append_request(to_client, AUTHENTICATION_SASL, slice_of(bound, sizeof(bound)));
	else
		append_request(to_client, AUTHENTICATION_SASL, slice_of(unbound, sizeof(unbound)));
}

size_t client_auth_max_bytes(const struct client_auth *auth)
{
	return auth->mode == AUTH_PASSWORD ? PASSWORD_MAX_BYTES : SCRAM_MESSAGE_MAX_BYTES;
}

static bool malformed(struct error *error_out, const char *message)
{
	error_set(error_out, SQLSTATE_PROTOCOL_VIOLATION, "%s", message);
	return false;
}

static bool take_password(struct client_auth *auth, struct slice body, struct error *error_out)
{
	if (!body.len || memchr(body.data, '\0', body.len) != body.data + body.len - 1)
		return malformed(error_out, "invalid password packet size");
	if (body.len == 1) {
		error_set(error_out, SQLSTATE_INVALID_PASSWORD, "empty password returned by client");
		return false;
	}
	buf_append_slice(&auth->credentials.password, body);
	auth->step = STEP_PROVEN; /* the server has the last word */
	return true;
}

static bool take_first(struct client_auth *auth, struct slice body, struct buf *answer, struct error *error_out)
{
	struct reader reader = reader_of(body);
	struct slice mechanism = reader_text(&reader);
	uint32_t len = reader_u32(&reader);
	struct slice message = reader_rest(&reader);
	if (reader.failed || len != message.len)
		return malformed(error_out, "invalid SASLInitialResponse message");
	if (!scram_server_first(auth->scram, mechanism, message, answer, error_out))
		return false;
	auth->step = STEP_FINAL;
	return true;
}

static bool take_final(struct client_auth *auth, struct slice body, struct buf *answer, struct error *error_out)
{
	struct credentials *credentials = &auth->credentials;
	if (!scram_server_final(auth->scram, body, answer, error_out))
		return false;
	credentials->keys.client_key = *scram_server_client_key(auth->scram);
	credentials->keys.server_key = credentials->verifier.server_key;
	credentials->has_keys = true;
	auth->step = STEP_PROVEN;
	return true;
}

bool client_auth_answer(struct client_auth *auth, struct slice body, struct buf *to_client, struct error *error_out)
{
	if (auth->mode == AUTH_PASSWORD)
		return take_password(auth, body, error_out);
	struct buf answer;
	buf_init(&answer);
	bool first = auth->step == STEP_FIRST;
	bool ok = first ? take_first(auth, body, &answer, error_out) : take_final(auth, body, &answer, error_out);
	if (ok)
		append_request(to_client, first ? AUTHENTICATION_SASL_CONTINUE : AUTHENTICATION_SASL_FINAL,
			       buf_slice(&answer));
	buf_deinit(&answer);
	return ok;
}

bool client_auth_proven(const struct client_auth *auth)
{
	return auth->step == STEP_PROVEN;
}

struct credentials *client_auth_credentials(struct client_auth *auth)
{
	return &auth->credentials;
}
