#include "proxy/server_auth.h"

#include "auth/password.h"
#include "auth/scram_message.h"
#include "base/memory.h"
#include "wire/client_message.h"
#include "wire/reader.h"
#include "wire/server_message.h"

#include <stdlib.h>

/* Some seconds of a core; an honest server asks for thousands. */
enum { ITERATIONS_MAX = 10 * 1000 * 1000 };

struct server_auth {
	struct credentials *credentials;
	char *user;
	struct buf end_point;
	bool private, verified;
	struct scram_client *scram; /* once the server has asked for it */
	struct buf salt;
	uint32_t iterations;
};

struct server_auth *server_auth_new(const struct server_auth_start *start)
{
	struct server_auth *auth = memory_zalloc(sizeof(*auth));
	auth->credentials = start->credentials;
	auth->user = memory_copy(start->user.len ? start->user.data : "", start->user.len);
	buf_append_slice(&auth->end_point, start->end_point);
	auth->private = start->private;
	return auth;
}

void server_auth_free(struct server_auth *auth)
{
	if (!auth)
		return;
	free(auth->user);
	buf_deinit(&auth->end_point);
	buf_deinit(&auth->salt);
	scram_client_free(auth->scram);
	free(auth);
}

static enum server_auth_step fail(struct error *error_out, const char *sqlstate, const char *message, const char *detail,
				  const char *hint)
{
	error_set(error_out, sqlstate, "%s", message);
	error_detail(error_out, "%s", detail);
	error_hint(error_out, "%s", hint);
	return SERVER_AUTH_FAILED;
}

static enum server_auth_step fail_method(struct server_auth *auth, const char *method, struct error *error_out)
{
	char detail[300];
	snprintf(detail, sizeof(detail), "The server asks user \"%s\" for %s, which the keys of `auth: scram` cannot give.",
		 auth->user, method);
	return fail(error_out, SQLSTATE_INVALID_AUTHORIZATION, "crossfade cannot log in to the server", detail,
		    "Let the server's pg_hba.conf ask for scram-sha-256, or set `auth` to password or passthrough.");
}

static void append_message(struct buf *out, struct slice body)
{
	size_t begin = frame_begin(out, CLIENT_PASSWORD);
	buf_append_slice(out, body);
	frame_end(out, begin);
}

/* ---- clear text and md5 ---- */

static enum server_auth_step answer_clear(struct server_auth *auth, struct buf *to_server, struct error *error_out)
{
	if (!auth->credentials->password.len)
		return fail_method(auth, "its password in clear text", error_out);
	if (!auth->private)
		return fail(error_out, SQLSTATE_INVALID_AUTHORIZATION, "crossfade does not send a password in clear text",
			    "The server asks for it, but the connection to the server is not encrypted.",
			    "Set server_tls.mode to verify-full, or let the server ask for scram-sha-256.");
	append_message(to_server, buf_slice(&auth->credentials->password));
	return SERVER_AUTH_WAITS;
}

static enum server_auth_step answer_md5(struct server_auth *auth, struct slice salt, struct buf *to_server,
					struct error *error_out)
{
	struct buf text;
	if (!auth->credentials->password.len)
		return fail_method(auth, "an md5 hash of its password", error_out);
	if (salt.len != MD5_SALT_BYTES)
		return fail(error_out, SQLSTATE_CONNECTION_FAILURE, "the server's authentication request is malformed", "",
			    "");
	buf_init(&text);
	bool ok = password_append_md5(&text, auth->credentials->password.data, slice_str(auth->user), salt);
	buf_append_byte(&text, 0);
	if (ok)
		append_message(to_server, buf_slice(&text));
	secret_buf_deinit(&text);
	return ok ? SERVER_AUTH_WAITS :
		    fail(error_out, SQLSTATE_INVALID_AUTHORIZATION, "crossfade cannot answer an md5 request",
			 "This machine's OpenSSL does not allow MD5.", "Let the server ask for scram-sha-256.");
}

/* ---- SCRAM ---- */

static bool offers(struct slice mechanisms, const char *name)
{
	struct reader reader = reader_of(mechanisms);
	while (reader_left(&reader)) {
		struct slice mechanism = reader_text(&reader);
		if (reader.failed || !mechanism.len)
			return false;
		if (slice_is(mechanism, name))
			return true;
	}
	return false;
}

static enum server_auth_step begin_scram(struct server_auth *auth, struct slice mechanisms, struct buf *to_server,
					 struct error *error_out)
{
	bool bound = auth->end_point.len && offers(mechanisms, SCRAM_SHA_256_PLUS);
	if (auth->scram || (!bound && !offers(mechanisms, SCRAM_SHA_256)))
		return fail(error_out, SQLSTATE_INVALID_AUTHORIZATION, "crossfade cannot log in to the server",
			    "The server offers no authentication mechanism that crossfade knows.",
			    "Let the server's pg_hba.conf ask for scram-sha-256.");
	struct buf message;
	buf_init(&message);
	auth->scram = scram_client_new(bound ? buf_slice(&auth->end_point) : slice_of(NULL, 0));
	scram_client_first(auth->scram, &message);
	size_t begin = frame_begin(to_server, CLIENT_PASSWORD);
	buf_append_str(to_server, scram_client_mechanism(auth->scram));
	buf_append_byte(to_server, 0);
	buf_append_u32(to_server, (uint32_t)message.len);
	buf_append_slice(to_server, buf_slice(&message));
	frame_end(to_server, begin);
	buf_deinit(&message);
	return SERVER_AUTH_WAITS;
}

static void answer_with(struct server_auth *auth, const struct scram_login_keys *keys, struct buf *to_server)
{
	struct buf message;
	buf_init(&message);
	scram_client_answer(auth->scram, keys, &message);
	append_message(to_server, buf_slice(&message));
	secret_buf_deinit(&message);
}

static enum server_auth_step fail_verifier(struct server_auth *auth, struct error *error_out)
{
	char detail[300];
	snprintf(detail, sizeof(detail),
		 "The server's verifier of user \"%s\" has another salt or iteration count than crossfade's copy: its "
		 "password was set anew since.",
		 auth->user);
	return fail(error_out, SQLSTATE_INVALID_AUTHORIZATION, "crossfade's copy of a password verifier is outdated", detail,
		    "Copy it anew from pg_authid.rolpassword into auth_users_file; with auth_query, connect again.");
}

static enum server_auth_step continue_scram(struct server_auth *auth, struct slice message, struct buf *to_server,
					    struct error *error_out)
{
	struct slice salt;
	if (!auth->scram || auth->iterations) {
		return fail(error_out, SQLSTATE_CONNECTION_FAILURE, "the server's authentication request is out of order", "",
			    "");
	}
	if (!scram_client_challenge(auth->scram, message, &auth->iterations, &salt, error_out))
		return SERVER_AUTH_FAILED;
	if (auth->credentials->has_keys) {
		if (!scram_verifier_same_salt(&auth->credentials->verifier, auth->iterations, salt))
			return fail_verifier(auth, error_out);
		answer_with(auth, &auth->credentials->keys, to_server);
		return SERVER_AUTH_WAITS;
	}
	if (auth->iterations > ITERATIONS_MAX)
		return fail(error_out, SQLSTATE_CONNECTION_FAILURE, "the server asks for too much work",
			    "Its SCRAM iteration count is beyond ten million.", "Set the password with fewer scram_iterations.");
	buf_append_slice(&auth->salt, salt);
	return SERVER_AUTH_DERIVES;
}

static enum server_auth_step finish_scram(struct server_auth *auth, struct slice message, struct error *error_out)
{
	if (!auth->iterations || auth->verified || !scram_client_verify(auth->scram, message, error_out))
		return auth->iterations && !auth->verified ?
			       SERVER_AUTH_FAILED :
			       fail(error_out, SQLSTATE_CONNECTION_FAILURE,
				    "the server's authentication request is out of order", "", "");
	auth->verified = true;
	return SERVER_AUTH_WAITS;
}

/* A server that skips the proof of its own may not know the password at all. */
static enum server_auth_step finish(struct server_auth *auth, struct error *error_out)
{
	if (auth->scram && !auth->verified)
		return fail(error_out, SQLSTATE_CONNECTION_FAILURE, "the server did not prove that it knows this user", "",
			    "Is `server` the server that it should be?");
	return SERVER_AUTH_DONE;
}

enum server_auth_step server_auth_request(struct server_auth *auth, uint32_t kind, struct slice data,
					  struct buf *to_server, struct error *error_out)
{
	char method[64];
	switch (kind) {
	case AUTHENTICATION_OK:
		return finish(auth, error_out);
	case AUTHENTICATION_PASSWORD:
		return answer_clear(auth, to_server, error_out);
	case AUTHENTICATION_MD5:
		return answer_md5(auth, data, to_server, error_out);
	case AUTHENTICATION_SASL:
		return begin_scram(auth, data, to_server, error_out);
	case AUTHENTICATION_SASL_CONTINUE:
		return continue_scram(auth, data, to_server, error_out);
	case AUTHENTICATION_SASL_FINAL:
		return finish_scram(auth, data, error_out);
	default:
		snprintf(method, sizeof(method), "authentication method %u", kind);
		return fail_method(auth, method, error_out);
	}
}

void server_auth_take_work(struct server_auth *auth, struct server_auth_work *work_out)
{
	*work_out = (struct server_auth_work){ .iterations = auth->iterations };
	buf_append_slice(&work_out->password, buf_slice(&auth->credentials->password));
	buf_append_slice(&work_out->salt, buf_slice(&auth->salt));
}

void server_auth_derive(struct server_auth_work *work)
{
	work->ok = scram_login_keys_from(work->password.data, buf_slice(&work->salt), work->iterations, &work->keys);
}

void server_auth_finish_work(struct server_auth *auth, const struct server_auth_work *work, struct buf *to_server)
{
	answer_with(auth, &work->keys, to_server);
}

void server_auth_work_deinit(struct server_auth_work *work)
{
	secret_buf_deinit(&work->password);
	buf_deinit(&work->salt);
	secret_wipe(&work->keys, sizeof(work->keys));
}
