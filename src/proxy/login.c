#include "proxy/login.h"

#include "base/memory.h"
#include "wire/error_fields.h"

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

/* ---- client ---- */

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
	size_t take = len < frame.size ? len : frame.size;
	output_pass(&round->to_server, data, take);
	login->client_pass = frame.size - take;
	login->wants_answer = login->client_pass > 0;
	return take;
}

size_t login_from_client(struct login *login, const char *data, size_t len, struct round *round)
{
	size_t at = 0;
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

/* True: passed as it is. */
static bool on_authentication(struct login *login, struct slice body, struct round *round)
{
	uint32_t kind;
	struct slice data;
	if (!authentication_read(body, &kind, &data)) {
		violate(login, VIOLATION_SERVER, "the server sent a malformed authentication request");
		return false;
	}
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

static void on_error(struct login *login, struct slice body)
{
	struct error_fields fields;
	login->fatal = true; /* during login every error ends it */
	(void)error_fields_read(body, &fields);
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
		on_error(login, body);
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
