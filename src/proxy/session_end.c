/*
 * How a session ends: with a reason that is counted and logged once, with a
 * last word to the client where one fits in, and with both sockets closed
 * only when the client had a chance to read it.
 */
#include "proxy/session_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/error_fields.h"

#include <stdlib.h>

static void session_free(struct session *session);

static void log_end(struct session *session)
{
	LOG(LOG_INFO, "session_end", LOG_UINT("session", session->id), LOG_STR("reason", close_reason_name(session->reason)),
	    LOG_STR("client", session->address), LOG_STR("user", session->user),
	    LOG_STR("database", session->database), LOG_UINT("bytes_from_client", session->bytes_from_client),
	    LOG_UINT("bytes_from_server", session->bytes_from_server),
	    LOG_UINT("duration_ms", (clock_monotonic_us() - session->began_us) / 1000));
}

void session_untime(struct session *session)
{
	link_remove(&session->timed);
}

void session_set_deadline(struct session *session, struct list_link *list, uint32_t in_ms)
{
	session_untime(session);
	session->deadline_us = clock_monotonic_us() + (uint64_t)in_ms * 1000;
	link_append(list, &session->timed);
	worker_watch_time(session->worker);
}

static void drop_server(struct session *session)
{
	connector_cancel(session->connector);
	session->connector = NULL;
	cancel_registry_remove(session->worker->owner->cancels, session->cancel);
	session->cancel = NULL;
	parking_go(&session->conversation); /* it waits no more */
	session_stop_flow(session);
	stream_close(&session->server);
	buf_deinit(&session->server_rest);
}

/* The first reason counts. */
bool session_note_reason(struct session *session, enum close_reason reason)
{
	if (session->phase >= SESSION_LINGERING)
		return false;
	session->reason = reason;
	session_login_is_over(session);
	link_remove(&session->idle);
	traffic_add(&session->worker->traffic.closed[reason], 1);
	log_end(session);
	return true;
}

void session_close_streams(struct session *session)
{
	session->phase = SESSION_GONE;
	session_untime(session);
	drop_server(session);
	if (session->open_streams) {
		stream_close(&session->client);
		return;
	}
	session_free(session);
}

void session_end(struct session *session, enum close_reason reason)
{
	if (session->phase == SESSION_GONE)
		return;
	session_note_reason(session, reason);
	session_close_streams(session);
}

/* After its last message the client may still be sending; to close on unread
 * bytes would reset the connection and could destroy that message. */
void session_linger(struct session *session)
{
	session->phase = SESSION_LINGERING;
	drop_server(session);
	buf_deinit(&session->client_rest);
	session->client.low_bytes = 0; /* on_drained when all is sent */
	session->lingering_bytes = stream_unsent(&session->client);
	stream_shutdown(&session->client);
	stream_read_enable(&session->client, !session->client_ended);
	session_set_deadline(session, &session->worker->lingering, SESSION_LINGER_MS);
	if (session->client_ended && !session->lingering_bytes)
		session_close_streams(session);
}

/* Ends the session once the client has what was meant for it. */
void session_finish(struct session *session, enum close_reason reason)
{
	if (!session_note_reason(session, reason))
		return;
	if (session->client.open && !session->client.broken && stream_unsent(&session->client))
		session_linger(session);
	else
		session_close_streams(session);
}

static bool may_speak_to_client(const struct session *session)
{
	bool inside = session->phase == SESSION_RELAY ||
		      (session->phase == SESSION_LOGIN && session->login->server_pass) ||
		      (session->phase == SESSION_RUNNING && conversation_server_mid_message(&session->conversation));
	return session->client.open && !session->client.broken && !inside;
}

/* Ends the session with a last word to the client, where one fits in. */
void session_fail(struct session *session, enum close_reason reason, const struct error *error)
{
	struct buf message;
	if (!session_note_reason(session, reason))
		return;
	if (!may_speak_to_client(session)) {
		session_close_streams(session);
		return;
	}
	buf_init(&message);
	error_append(&message, "FATAL", error);
	stream_write(&session->client, message.data, message.len);
	buf_deinit(&message);
	session_linger(session);
}

/* A server that learns that its client is gone need not find out by itself. */
void session_say_goodbye(struct session *session)
{
	struct buf message;
	if (session->phase != SESSION_RUNNING || conversation_client_mid_message(&session->conversation) ||
	    session->conversation.terminated || stream_unsent(&session->server) || !session->server.open)
		return;
	buf_init(&message);
	terminate_append(&message);
	stream_write(&session->server, message.data, message.len);
	buf_deinit(&message);
}

void session_on_stream_closed(struct stream *stream)
{
	struct session *session = stream->owner;
	if (--session->open_streams == 0 && session->phase == SESSION_GONE)
		session_free(session);
	else if (session->server_leg == SERVER_LEG_AGAIN && session->phase < SESSION_LINGERING)
		session_connect_server(session);
}

static void session_free(struct session *session)
{
	struct worker *worker = session->worker;
	session_count_out(session);
	link_remove(&session->link);
	conversation_deinit(&session->conversation);
	login_free(session->login);
	buf_deinit(&session->client_rest);
	buf_deinit(&session->server_rest);
	buf_deinit(&session->cancel_packet);
	security_unref(session->security);
	free(session->user);
	free(session->database);
	free(session);
	traffic_add(&worker->traffic.sessions_ended, 1);
	worker_session_gone(worker);
}

void session_fail_violation(struct session *session, enum violation violation, const char *text)
{
	struct error error;
	bool client = violation == VIOLATION_CLIENT;
	error_set(&error, SQLSTATE_PROTOCOL_VIOLATION, "%s", text);
	if (!client)
		error_set(&error, SQLSTATE_CONNECTION_FAILURE, "crossfade lost step with the server: %s", text);
	session_fail(session, client ? CLOSE_CLIENT_PROTOCOL : CLOSE_SERVER_PROTOCOL, &error);
}

static void set_shutdown_error(struct error *error_out)
{
	error_set(error_out, SQLSTATE_ADMIN_SHUTDOWN, "terminating connection due to administrator command");
	error_detail(error_out, "crossfade is stopping.");
	error_hint(error_out, "Connect again.");
}

void session_fail_shutdown(struct session *session)
{
	struct error error;
	set_shutdown_error(&error);
	session_say_goodbye(session);
	session_fail(session, CLOSE_SHUTDOWN, &error);
}

/* ---- lingering ---- */

/* Whatever the client still says is thrown away; when it says no more, and has all, it is over. */
void session_on_lingering(struct session *session, ssize_t got)
{
	if (got > 0)
		return;
	if (got == 0 && stream_unsent(&session->client)) {
		session->client_ended = true;
		stream_read_enable(&session->client, false);
		return;
	}
	session_close_streams(session);
}

/* A slow reader gets more time as long as it reads. */
void session_on_linger_deadline(struct session *session)
{
	size_t left = stream_unsent(&session->client);
	if (!left || left >= session->lingering_bytes) {
		session_close_streams(session);
		return;
	}
	session->lingering_bytes = left;
	session_set_deadline(session, &session->worker->lingering, SESSION_LINGER_MS);
}

/* What waits in client_rest has not reached the server: it was not done, as the last word says. */
bool session_may_drain(const struct session *session)
{
	const struct conversation *conversation = &session->conversation;
	return session->worker->draining && session->phase == SESSION_RUNNING &&
	       (conversation_idle(conversation) || conversation_barely_begun(conversation)) &&
	       !conversation_server_mid_message(conversation);
}
