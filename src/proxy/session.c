/* What happens to a session: its sockets' events, deadlines, new rules, and the owner's wish to stop. */
#include "proxy/session_parts.h"

#include "base/clock.h"
#include "base/memory.h"
#include "wire/error_fields.h"

#include <errno.h>

/* ---- client events ---- */

static void on_client_end(struct session *session)
{
	struct conversation *conversation = &session->conversation;
	session->client_ended = true;
	if (session->phase == SESSION_STARTUP || session->phase == SESSION_CANCELLING) {
		session_end(session, CLOSE_CLIENT_GAVE_UP);
		return;
	}
	if (session->phase == SESSION_RUNNING && session_is_quiet(session)) {
		session_say_goodbye(session);
		session_end(session, conversation->terminated ? CLOSE_CLIENT_TERMINATED : CLOSE_CLIENT_CLOSED);
		return;
	}
	/* Its last requests may still be answered: it has only said that no more will come. */
	stream_shutdown(&session->server);
	session_update_reading(session);
}

static void on_client_readable(struct stream *stream)
{
	struct session *session = stream->owner;
	char *data;
	size_t len;
	ssize_t got = session_read(session, stream, &session->client_rest, &data, &len);
	if (got == -EAGAIN)
		return;
	if (session->phase == SESSION_LINGERING) {
		session_on_lingering(session, got);
		return;
	}
	if (got < 0) {
		session_say_goodbye(session);
		session_end(session, CLOSE_CLIENT_LOST);
		return;
	}
	if (got == 0) {
		on_client_end(session);
		return;
	}
	session->bytes_from_client += (uint64_t)got;
	traffic_add(&session->worker->traffic.bytes_from_client, (uint64_t)got);
	if (session->phase == SESSION_STARTUP) {
		session_on_startup(session, data, len);
		if (session->phase < SESSION_LINGERING)
			session_update_reading(session);
		return;
	}
	session_from_client(session, data, len);
}

/* ---- server events ---- */

static void on_server_gone(struct session *session, bool broken)
{
	struct conversation *conversation = &session->conversation;
	struct error error;
	if (session->phase == SESSION_CANCELLING) {
		session_end(session, CLOSE_CANCEL_REQUEST);
		return;
	}
	bool said_why = conversation->server_fatal || (session->login && session->login->fatal);
	if (said_why) {
		if (session_note_reason(session, session->login ? CLOSE_AUTH_FAILED : CLOSE_SERVER_FATAL))
			session_linger(session);
		return;
	}
	if (conversation->terminated || session->client_ended) {
		session_finish(session, conversation->terminated ? CLOSE_CLIENT_TERMINATED :
					session->login	       ? CLOSE_CLIENT_GAVE_UP :
								 CLOSE_CLIENT_CLOSED);
		return;
	}
	error_set(&error, SQLSTATE_CONNECTION_FAILURE, "the server closed the connection unexpectedly");
	error_detail(&error, session->login ? "It did so during login." :
					      "It may have been restarted, or it crashed; an open transaction is lost.");
	error_hint(&error, "Connect again; the server's log says more.");
	session_fail(session, session->login ? CLOSE_SERVER_REFUSED : broken ? CLOSE_SERVER_LOST : CLOSE_SERVER_CLOSED,
		     &error);
}

static void on_server_readable(struct stream *stream)
{
	struct session *session = stream->owner;
	char *data;
	size_t len;
	ssize_t got = session_read(session, stream, &session->server_rest, &data, &len);
	if (got == -EAGAIN) {
		session_stop_flow(session);
		return;
	}
	if (got <= 0) {
		on_server_gone(session, got < 0);
		return;
	}
	session_note_flow(session, (size_t)got);
	if (session->server_leg == SERVER_LEG_ASKED) {
		session_on_tls_answer(session, data, len);
		return;
	}
	session->bytes_from_server += (uint64_t)got;
	traffic_add(&session->worker->traffic.bytes_from_server, (uint64_t)got);
	session_from_server(session, data, len);
}

/* ---- both ---- */

static void on_drained(struct stream *stream)
{
	struct session *session = stream->owner;
	if (session->phase == SESSION_LINGERING) {
		if (session->client_ended)
			session_close_streams(session);
		return;
	}
	if (session_after_round(session))
		session_update_reading(session);
}

static void on_client_broken(struct stream *stream, int error)
{
	struct session *session = stream->owner;
	if (session->phase == SESSION_LINGERING) {
		session_close_streams(session);
		return;
	}
	if (session_client_tls_failed(session))
		return;
	session_say_goodbye(session);
	session_end(session, CLOSE_CLIENT_LOST);
}

static void on_server_broken(struct stream *stream, int error)
{
	if (!session_server_tls_failed(stream->owner))
		on_server_gone(stream->owner, true);
}

static void on_client_half_closed(struct stream *stream)
{
	session_on_client_leaving(stream->owner);
}

static const struct stream_callbacks client_callbacks = {
	on_client_readable, on_drained, on_client_broken, session_on_stream_closed, session_on_client_secured,
	on_client_half_closed,
};
const struct stream_callbacks session_server_callbacks = {
	on_server_readable, on_drained, on_server_broken, session_on_stream_closed, session_on_server_secured,
};

void session_begin(struct worker *worker, int fd, const struct address *peer, struct proxy_listener listener)
{
	const struct proxy_settings *settings = worker->owner->settings;
	struct session *session = memory_zalloc(sizeof(*session));
	session->worker = worker;
	session->id = worker->next_session_id;
	worker->next_session_id += settings->workers;
	session->began_us = clock_monotonic_us();
	session->app = listener.app;
	session->expects_header = listener.proxy_protocol;
	address_text(peer, session->address);
	session->client_local = address_is_unix(peer);
	session->security = worker->security ? security_ref(worker->security) : NULL;
	session_count_in(session);
	link_init(&session->timed);
	link_init(&session->idle);
	link_init(&session->flowing);
	link_append(&worker->sessions, &session->link);
	session->server.fd = -1;
	conversation_init(&session->conversation, &worker->env, NULL);
	traffic_add(&worker->traffic.sessions_total, 1);
	stream_tune(fd, settings->tcp_keepalive_s, settings->tcp_user_timeout_ms);
	if (stream_open(&session->client, &worker->loop.uv, fd, &client_callbacks, settings->queue_low_bytes, session) <
	    0) {
		session_end(session, CLOSE_CLIENT_LOST);
		return;
	}
	session->open_streams = 1;
	session->client.watch_hangup = true;
	session_set_deadline(session, &worker->starting, settings->startup_timeout_ms);
	stream_read_enable(&session->client, true);
	session_make_room(worker, session);
}

void session_on_deadline(struct session *session)
{
	struct error error;
	if (session->phase == SESSION_LINGERING) {
		session_on_linger_deadline(session);
	} else if (session->phase == SESSION_RUNNING) {
		conversation_fact_arrived(&session->conversation);
		session_resume_client(session);
		if (session_after_round(session))
			session_update_reading(session);
	} else if (session->phase == SESSION_CANCELLING) {
		session_end(session, CLOSE_CANCEL_REQUEST);
	} else {
		error_set(&error, SQLSTATE_CANNOT_CONNECT_NOW, "login was not finished in time");
		error_detail(&error, "limits.startup_timeout is %u ms.", session_settings(session)->startup_timeout_ms);
		session_fail(session, CLOSE_STARTUP_TIMEOUT, &error);
	}
}

void session_on_rules(struct session *session, struct worker_rules *rules)
{
	struct conversation *conversation = &session->conversation;
	bool watched = session->database && conversation->vars.confirmed;
	bool ours = conversation->published == &rules->ruleset ||
		    (session->database && strcmp(session->database, rules->database) == 0);
	if (!watched || !ours || session->phase >= SESSION_RELAY)
		return;
	conversation->published = &rules->ruleset;
	if (session->phase != SESSION_RUNNING)
		return;
	conversation_looked(conversation, rules->looked);
	conversation_adopt_ruleset(conversation);
	if (conversation->hold != HOLD_FACT || conversation->fact_ticket)
		return;
	session_untime(session);
	session_on_deadline(session);
}

void session_on_parsed(struct session *session, struct rewrite *rewrite)
{
	conversation_parsed(&session->conversation, rewrite);
	if (session->phase != SESSION_RUNNING)
		return;
	session_resume_client(session);
	if (session_after_round(session))
		session_update_reading(session);
}

/* A replication session has no transactions and goes on until the deadline: a base backup may end before. */
void session_drain(struct session *session)
{
	if (session->phase <= SESSION_LOGIN || session_may_drain(session))
		session_fail_shutdown(session);
	else if (session->phase == SESSION_CANCELLING)
		session_set_deadline(session, &session->worker->lingering, SESSION_LINGER_MS);
}

void session_stop(struct session *session)
{
	if (session->phase < SESSION_LINGERING)
		session_fail_shutdown(session);
	if (session->phase != SESSION_GONE)
		session_close_streams(session);
}
