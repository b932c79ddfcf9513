#include "proxy/login.h"

#include "base/memory.h"
#include "wire/error_fields.h"
#include "wire/reader.h"

#include <stdlib.h>

enum {
	SERVER_MAX_BYTES = 1 << 20,
};

struct login *login_new(struct slice packet)
{
	struct login *login = memory_zalloc(sizeof(*login));
	struct error unused;
	buf_append_slice(&login->packet, packet);
	login->foreign = startup_parse(buf_slice(&login->packet), &login->startup, &unused) == STARTUP_FOREIGN;
	return login;
}

void login_free(struct login *login)
{
	if (!login)
		return;
	buf_deinit(&login->packet);
	server_auth_free(login->server_auth);
	client_auth_free(login->client_auth);
	free(login);
}

static size_t violate(struct login *login, enum violation violation, const char *message)
{
	login->violation = violation;
	error_set(&login->error,
		  violation == VIOLATION_CLIENT ? SQLSTATE_PROTOCOL_VIOLATION : SQLSTATE_CONNECTION_FAILURE, "%s",
		  message);
	return 0;
}

static bool refuse(struct login *login)
{
	login->violation = VIOLATION_CLIENT;
	login->refused = true;
	return false;
}

/* ---- our own question to the client ---- */

static void take_verifier(struct login *login, const struct users *users)
{
	struct scram_verifier verifier;
	bool doomed;
	users_verifier(users, login->startup.user, &verifier, &doomed);
	login->wants_verifier = doomed && login->asks_server;
	client_auth_verifier(login->client_auth, &verifier, doomed);
	secret_wipe(&verifier, sizeof(verifier));
}

void login_secure(struct login *login, enum auth_mode mode, const struct users *users, bool asks_server,
		  const struct login_channel *channel)
{
	login->binding_fails = channel->client_secure && channel->server_secure;
	if (mode == AUTH_PASSTHROUGH)
		return;
	struct slice user = login->startup.user;
	client_auth_free(login->client_auth);
	server_auth_free(login->server_auth);
	login->client_auth = client_auth_new(mode, user, channel->client_end_point);
	struct server_auth_start start = { client_auth_credentials(login->client_auth), user, channel->server_end_point,
					   channel->server_private };
	login->server_auth = server_auth_new(&start);
	login->asks_server = asks_server && mode == AUTH_SCRAM;
	if (mode == AUTH_SCRAM)
		take_verifier(login, users);
}

static bool must_prove(const struct login *login)
{
	return login->client_auth && !client_auth_proven(login->client_auth);
}

static void ask_client(struct login *login, struct round *round)
{
	if (login->asked || login->wants_verifier)
		return;
	login->asked = login->wants_answer = true;
	client_auth_ask(login->client_auth, output_own(&round->to_client));
}

void login_verifier(struct login *login, const struct scram_verifier *verifier, struct round *round)
{
	login->wants_verifier = false;
	if (verifier)
		client_auth_verifier(login->client_auth, verifier, false);
	ask_client(login, round);
}

static bool check_own_answer(struct login *login, struct frame frame)
{
	if (frame.type != CLIENT_PASSWORD) {
		error_set(&login->error, SQLSTATE_PROTOCOL_VIOLATION, "expected password response, got message type %u",
			  frame.type);
		return refuse(login);
	}
	if (!frame_valid(frame) || frame.size > client_auth_max_bytes(login->client_auth) + FRAME_HEAD_BYTES) {
		error_set(&login->error, SQLSTATE_PROTOCOL_VIOLATION, "invalid message length");
		return refuse(login);
	}
	return true;
}

/* What it said may be a password: nothing of it stays in our buffers. */
static size_t take_own_answer(struct login *login, const char *data, size_t len, struct round *round)
{
	if (len < FRAME_HEAD_BYTES || !login->wants_answer)
		return 0;
	struct frame frame = frame_peek(data);
	if (!check_own_answer(login, frame) || len < frame.size)
		return 0;
	bool ok = client_auth_answer(login->client_auth, frame_body(data, frame), output_own(&round->to_client),
				     &login->error);
	secret_wipe((char *)(uintptr_t)data, frame.size);
	login->wants_answer = ok && must_prove(login);
	if (!ok)
		refuse(login);
	return frame.size;
}

bool login_server_may_go_on(const struct login *login)
{
	return login->client_auth && !must_prove(login) && !login->violation;
}

/* ---- client ---- */

/* A client that could bind to a channel says so, and the server, which could too, takes us for an intruder. */
static bool check_binding(struct login *login, const char *data, size_t len, struct frame frame)
{
	if (!login->binding_fails || frame.type != CLIENT_PASSWORD || len < frame.size)
		return true;
	struct reader reader = reader_of(frame_body(data, frame));
	struct slice mechanism = reader_text(&reader);
	reader_u32(&reader);
	struct slice message = reader_rest(&reader);
	if (reader.failed || !slice_is(mechanism, "SCRAM-SHA-256") || !message.len || message.data[0] != 'y')
		return true;
	error_set(&login->error, SQLSTATE_INVALID_AUTHORIZATION, "SCRAM channel binding negotiation error");
	error_detail(&login->error, "Client and server both know channel binding, but there is TLS on either side of "
				    "crossfade: there is no channel that they share.");
	error_hint(&login->error, "Connect with channel_binding=disable, or set `auth` to scram or password in crossfade.");
	return refuse(login);
}

/*
 * The server takes nothing but an authentication message now, so whatever
 * comes is safe to pass, and the server refuses it in its own words.
 */
static size_t take_answer(struct login *login, const char *data, size_t len, struct round *round)
{
	if (len < FRAME_HEAD_BYTES || !login->wants_answer)
		return 0;
	struct frame frame = frame_peek(data);
	if (!frame_valid(frame))
		frame.size = SIZE_MAX;
	if (!check_binding(login, data, len, frame))
		return 0;
	size_t take = len < frame.size ? len : frame.size;
	output_pass(&round->to_server, data, take);
	login->client_pass = frame.size - take;
	login->wants_answer = login->client_pass > 0;
	return take;
}

size_t login_from_client(struct login *login, const char *data, size_t len, struct round *round)
{
	size_t at = 0;
	if (login->client_auth)
		return take_own_answer(login, data, len, round);
	while (at < len && !login->violation) {
		size_t step = len - at < login->client_pass ? len - at : login->client_pass;
		if (step) {
			output_pass(&round->to_server, data + at, step);
			login->client_pass -= step;
			login->wants_answer = login->client_pass > 0;
		} else {
			step = take_answer(login, data + at, len - at, round);
		}
		if (!step)
			break;
		at += step;
	}
	return at;
}

/* ---- server ---- */

/* Once the client has proved who it is; of all this it sees the end alone. */
static bool on_own_authentication(struct login *login, uint32_t kind, struct slice data, struct round *round)
{
	switch (server_auth_request(login->server_auth, kind, data, output_own(&round->to_server), &login->error)) {
	case SERVER_AUTH_DONE:
		return true;
	case SERVER_AUTH_DERIVES:
		login->wants_keys = true;
		return false;
	case SERVER_AUTH_FAILED:
		refuse(login);
		return false;
	default:
		return false;
	}
}

void login_take_work(struct login *login, struct server_auth_work *work_out)
{
	server_auth_take_work(login->server_auth, work_out);
}

void login_finish_work(struct login *login, const struct server_auth_work *work, struct round *round)
{
	login->wants_keys = false;
	server_auth_finish_work(login->server_auth, work, output_own(&round->to_server));
}

/* True: passed as it is. */
static bool on_authentication(struct login *login, struct slice body, struct round *round)
{
	uint32_t kind;
	struct slice data;
	if (!authentication_read(body, &kind, &data)) {
		violate(login, VIOLATION_SERVER, "the server sent a malformed authentication request");
		return false;
	}
	if (login->client_auth)
		return on_own_authentication(login, kind, data, round);
	login->wants_answer = authentication_wants_answer(kind);
	if (kind != AUTHENTICATION_SASL)
		return true;
	if (!authentication_append_unbound(output_own(&round->to_client), data)) {
		violate(login, VIOLATION_SERVER, "the server only offers authentication with channel binding");
		error_hint(&login->error, "Let the server accept SCRAM-SHA-256 for this user.");
	}
	return false;
}

static void on_key(struct login *login, struct slice body)
{
	struct slice key;
	uint32_t pid;
	if (!key_data_read(body, &pid, &key) || key.len > sizeof(login->key_bytes))
		return;
	memcpy(login->key_bytes, key.data, key.len);
	login->key = slice_of(login->key_bytes, key.len);
	login->pid = pid;
}

static bool on_message(struct login *login, struct conversation *conversation, uint8_t type, struct slice body,
		       struct round *round)
{
	struct slice name, value;
	switch (type) {
	case SERVER_AUTHENTICATION:
		return on_authentication(login, body, round);
	case SERVER_KEY_DATA:
		on_key(login, body);
		return true;
	case SERVER_PARAMETER_STATUS:
		if (parameter_status_read(body, &name, &value))
			conversation_reported(conversation, name, value);
		return true;
	case SERVER_ERROR:
		login->fatal = true; /* during login every error ends it */
		return true;
	case SERVER_READY:
		login->ready = true;
		return true;
	default:
		return true;
	}
}

/* A refusal passes in whatever shape the server gives it; old versions had another one. */
static size_t take_refusal(struct login *login, const char *data, size_t len, struct round *round)
{
	if (!login->fatal && data[0] != SERVER_ERROR)
		return violate(login, VIOLATION_SERVER, "crossfade speaks version 3 of the protocol only");
	login->fatal = true;
	output_pass(&round->to_client, data, len);
	return len;
}

size_t login_from_server(struct login *login, struct conversation *conversation, const char *data, size_t len,
			 struct round *round)
{
	size_t at = 0;
	if (login->foreign && len)
		return take_refusal(login, data, len, round);
	while (len - at >= FRAME_HEAD_BYTES && !login->ready && !login->violation) {
		struct frame frame = frame_peek(data + at);
		if (!frame_valid(frame) || frame.size > SERVER_MAX_BYTES)
			return violate(login, VIOLATION_SERVER, "the server does not speak PostgreSQL's protocol");
		if (len - at < frame.size)
			break;
		if (must_prove(login) && frame.type != SERVER_ERROR && frame.type != SERVER_NOTICE &&
		    frame.type != SERVER_NEGOTIATE_VERSION) {
			ask_client(login, round);
			break;
		}
		if (login->wants_keys)
			break;
		login->spoke = true;
		if (on_message(login, conversation, frame.type, frame_body(data + at, frame), round))
			output_pass(&round->to_client, data + at, frame.size);
		at += frame.size;
	}
	return at;
}

/* ---- settings ---- */

static void set_default(struct session_state *state, const char *name, const char *value)
{
	struct effect effect = { .kind = EFFECT_SET, .name = name, .value = value };
	session_state_set_default(state, name, value);
	session_state_apply(state, &effect);
}

struct session_state *login_session_state(const struct login *login, const struct ruleset *ruleset)
{
	static const char *const settings[] = { "role", "standard_conforming_strings", "client_encoding" };
	struct buf value;
	buf_init(&value);
	char *database = memory_copy(login->startup.database.data, login->startup.database.len);
	char *user = memory_copy(login->startup.user.data, login->startup.user.len);
	const char *path = NULL;
	if (startup_setting(&login->startup, "search_path", &value))
		path = buf_cstr(&value);
	else if (ruleset && ruleset->facts)
		path = facts_default_search_path(ruleset->facts, user);
	struct session_state *state = session_state_new(database, user, path);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		buf_clear(&value);
		if (startup_setting(&login->startup, settings[i], &value))
			set_default(state, settings[i], buf_cstr(&value));
	}
	buf_deinit(&value);
	free(database);
	free(user);
	return state;
}
