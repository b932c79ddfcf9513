/*
 * Moves bytes between the sockets of a session and its protocol code, and
 * bounds what is kept of them: a side is read only while the other one takes
 * what comes of it.
 */
#include "proxy/session_parts.h"

#include "base/memory.h"

enum {
	REST_COPIED_BYTES = 16 * 1024, /* a longer rest is read into directly, not through the worker's buffer */
	REST_KEPT_BYTES = 256,	       /* memory that an empty rest may keep */
};

/* The client of a draining proxy finishes what it has begun, and begins nothing more behind it. */
static bool ends_after_answers(const struct session *session)
{
	return session->worker->draining && conversation_between_segments(&session->conversation) &&
	       session->conversation.pipeline.count;
}

static bool client_must_wait(struct session *session)
{
	switch (session->phase) {
	case SESSION_STARTUP: return false;
	case SESSION_CONNECTING:
	case SESSION_CANCELLING: return true;
	case SESSION_LOGIN: return !session->login->wants_answer && session->client_rest.len > 0;
	case SESSION_RUNNING: return conversation_held(&session->conversation) || ends_after_answers(session);
	default: return false;
	}
}

/* Reads a side only while the other takes what comes of it. */
void session_update_reading(struct session *session)
{
	size_t high = session_settings(session)->queue_high_bytes;
	if (session->phase >= SESSION_LINGERING)
		return;
	stream_read_enable(&session->client, !session->client_ended && stream_unsent(&session->server) <= high &&
						     !client_must_wait(session));
	if (session->server.open)
		stream_read_enable(&session->server, stream_unsent(&session->client) <= high);
	session_watch_idle(session);
}

struct round session_begin_round(struct session *session)
{
	struct worker *worker = session->worker;
	return (struct round){ output_of(&worker->to_server), output_of(&worker->to_client) };
}

/* A login that crossfade takes part in: a password may be among what the client says and the server hears. */
static bool holds_secrets(const struct session *session)
{
	return session->login && session->login->client_auth;
}

/* What cannot be written breaks the stream, whose callback ends the session. */
void session_write_round(struct session *session, const struct round *round)
{
	struct slice to_server = output_slice(&round->to_server), to_client = output_slice(&round->to_client);
	if (to_server.len)
		stream_write(&session->server, to_server.data, to_server.len);
	if (to_client.len)
		stream_write(&session->client, to_client.data, to_client.len);
	if (holds_secrets(session))
		secret_wipe(session->worker->to_server.data, session->worker->to_server.len);
}

static size_t feed_client(struct session *session, const char *data, size_t len, struct round *round)
{
	switch (session->phase) {
	case SESSION_LOGIN:
		return login_from_client(session->login, data, len, round);
	case SESSION_RUNNING:
		return conversation_from_client(&session->conversation, data, len, round);
	case SESSION_RELAY:
		output_pass(&round->to_server, data, len);
		return len;
	default:
		return 0;
	}
}

static size_t feed_server(struct session *session, const char *data, size_t len, struct round *round)
{
	switch (session->phase) {
	case SESSION_LOGIN:
		return login_from_server(session->login, &session->conversation, data, len, round);
	case SESSION_RUNNING:
		return conversation_from_server(&session->conversation, data, len, round);
	case SESSION_RELAY:
		output_pass(&round->to_client, data, len);
		return len;
	default:
		return len;
	}
}

/* Reads behind what is left of the last round; *data_out and *len_out are all that is there. */
ssize_t session_read(struct session *session, struct stream *stream, struct buf *rest, char **data_out,
			 size_t *len_out)
{
	size_t size = session_settings(session)->read_buffer_bytes, old = rest->len;
	size_t room = stream->tls ? TLS_RECORD_BYTES : 1;
	char *data = session->worker->read_buffer;
	if (old <= REST_COPIED_BYTES && old + room <= size) {
		if (old)
			memcpy(data, rest->data, old);
	} else {
		size = old + (size > room ? size : room);
		buf_reserve(rest, size - old);
		data = rest->data;
	}
	ssize_t got = stream_read(stream, data + old, size - old);
	if (got > 0) {
		*data_out = data;
		*len_out = old + (size_t)got;
	}
	return got;
}

/* Keeps what was not taken; data is the worker's buffer or rest itself. */
void session_keep_rest(struct buf *rest, const char *data, size_t len, size_t taken)
{
	if (data == rest->data) {
		rest->len = len;
		buf_consume(rest, taken);
	} else {
		buf_clear(rest);
		if (taken < len)
			buf_append(rest, data + taken, len - taken);
	}
	if (!rest->len && rest->capacity > REST_KEPT_BYTES)
		buf_deinit(rest);
}

/* Nothing is on its way in either direction. */
bool session_is_quiet(const struct session *session)
{
	return !session->conversation.pipeline.count && !retry_pending(&session->conversation.retry) &&
	       !stream_unsent(&session->server) && !stream_unsent(&session->client);
}

/* What a round has brought about besides bytes; false: the session is over. */
bool session_after_round(struct session *session)
{
	struct conversation *conversation = &session->conversation;
	if (session->login)
		session_serve_login(session);
	if (session->login && session->login->violation) {
		struct error error = session->login->error;
		session_fail(session,
			     session->login->refused ? CLOSE_AUTH_FAILED :
			     session->login->violation == VIOLATION_CLIENT ? CLOSE_CLIENT_PROTOCOL :
									     CLOSE_SERVER_PROTOCOL,
			     &error);
		return false;
	}
	if (conversation->violation) {
		session_fail_violation(session, conversation->violation, conversation->violation_text);
		return false;
	}
	bool over = conversation->terminated || (session->client_ended && session->phase == SESSION_RUNNING);
	if (over && session_is_quiet(session)) {
		session_say_goodbye(session);
		session_end(session, conversation->terminated ? CLOSE_CLIENT_TERMINATED : CLOSE_CLIENT_CLOSED);
		return false;
	}
	return session->phase < SESSION_LINGERING;
}

static void watch_for_facts(struct session *session)
{
	if (session->conversation.hold == HOLD_FACT && link_is_empty(&session->timed))
		session_set_deadline(session, &session->worker->waiting, session_settings(session)->facts_timeout_ms);
}

/* Bytes of the client that had to wait; may leave some of them waiting on. */
void session_resume_client(struct session *session)
{
	struct buf *rest = &session->client_rest;
	bool again = session->phase == SESSION_RUNNING && retry_pending(&session->conversation.retry);
	if ((!rest->len && !again) || session->phase < SESSION_LOGIN || session->phase > SESSION_RELAY ||
	    client_must_wait(session))
		return;
	struct round round = session_begin_round(session);
	size_t taken = feed_client(session, rest->data, rest->len, &round);
	session_write_round(session, &round);
	session_keep_rest(rest, rest->data, rest->len, taken);
	watch_for_facts(session);
}

/* As session_keep_rest, but what was there before is wiped. */
static void keep_secret_rest(struct buf *rest, const char *data, size_t len, size_t taken)
{
	struct buf fresh;
	buf_init(&fresh);
	if (taken < len)
		buf_append(&fresh, data + taken, len - taken);
	secret_buf_deinit(rest);
	*rest = fresh;
}

void session_from_client(struct session *session, char *data, size_t len)
{
	struct round round = session_begin_round(session);
	size_t taken = feed_client(session, data, len, &round);
	session_write_round(session, &round);
	if (holds_secrets(session))
		keep_secret_rest(&session->client_rest, data, len, taken);
	else
		session_keep_rest(&session->client_rest, data, len, taken);
	watch_for_facts(session);
	session_resume_server(session);
	if (session_after_round(session))
		session_update_reading(session);
}

void session_resume_server(struct session *session)
{
	struct buf *rest = &session->server_rest;
	if (session->phase == SESSION_LOGIN && rest->len && login_server_may_go_on(session->login))
		session_from_server(session, rest->data, rest->len);
}

void session_from_server(struct session *session, char *data, size_t len)
{
	if (data[0] == SERVER_ERROR && session_tries_plain(session))
		return;
	struct round round = session_begin_round(session);
	size_t taken = feed_server(session, data, len, &round);
	if (session->phase == SESSION_LOGIN && session->login->ready && !session->login->violation) {
		if (!session_user_has_room(session))
			return;
		session_finish_login(session);
		taken += feed_server(session, data + taken, len - taken, &round);
	}
	session_write_round(session, &round);
	session_keep_rest(&session->server_rest, data, len, taken);
	if (!session_after_round(session))
		return;
	if (session_may_drain(session)) {
		session_fail_shutdown(session);
		return;
	}
	session_resume_client(session);
	watch_for_facts(session);
	if (session_after_round(session))
		session_update_reading(session);
}
