#include "proxy/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/error_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	REST_COPIED_BYTES = 16 * 1024, /* a longer rest is read into directly, not through the worker's buffer */
	REST_KEPT_BYTES = 256,	       /* memory that an empty rest may keep */
	LINGER_MS = 2000,
};

static const struct stream_callbacks client_callbacks, server_callbacks;
static void connect_server(struct session *session);
static void session_free(struct session *session);

/* ---- the end ---- */

static void log_end(struct session *session)
{
	LOG(LOG_INFO, "session_end", LOG_UINT("session", session->id), LOG_STR("reason", close_reason_name(session->reason)),
	    LOG_STR("client", session->address), LOG_STR("user", session->user),
	    LOG_STR("database", session->database), LOG_UINT("bytes_from_client", session->bytes_from_client),
	    LOG_UINT("bytes_from_server", session->bytes_from_server),
	    LOG_UINT("duration_ms", (clock_monotonic_us() - session->began_us) / 1000));
}

static void untime(struct session *session)
{
	link_remove(&session->timed);
}

static void set_deadline(struct session *session, struct list_link *list, uint32_t in_ms)
{
	untime(session);
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
	stream_close(&session->server);
	buf_deinit(&session->server_rest);
}

/* The first reason counts. */
static bool note_reason(struct session *session, enum close_reason reason)
{
	if (session->phase >= SESSION_LINGERING)
		return false;
	session->reason = reason;
	traffic_add(&session->worker->traffic.closed[reason], 1);
	log_end(session);
	return true;
}

static void close_streams(struct session *session)
{
	session->phase = SESSION_GONE;
	untime(session);
	drop_server(session);
	if (session->open_streams) {
		stream_close(&session->client);
		return;
	}
	session_free(session);
}

static void session_end(struct session *session, enum close_reason reason)
{
	if (session->phase == SESSION_GONE)
		return;
	note_reason(session, reason);
	close_streams(session);
}

/* After its last message the client may still be sending; to close on unread
 * bytes would reset the connection and could destroy that message. */
static void linger(struct session *session)
{
	session->phase = SESSION_LINGERING;
	drop_server(session);
	buf_deinit(&session->client_rest);
	session->client.low_bytes = 0; /* on_drained when all is sent */
	session->lingering_bytes = stream_unsent(&session->client);
	stream_shutdown(&session->client);
	stream_read_enable(&session->client, !session->client_ended);
	set_deadline(session, &session->worker->lingering, LINGER_MS);
	if (session->client_ended && !session->lingering_bytes)
		close_streams(session);
}

/* Ends the session once the client has what was meant for it. */
static void session_finish(struct session *session, enum close_reason reason)
{
	if (!note_reason(session, reason))
		return;
	if (session->client.open && !session->client.broken && stream_unsent(&session->client))
		linger(session);
	else
		close_streams(session);
}

static bool may_speak_to_client(const struct session *session)
{
	bool inside = session->phase == SESSION_RELAY ||
		      (session->phase == SESSION_RUNNING && conversation_server_mid_message(&session->conversation));
	return session->client.open && !session->client.broken && !inside;
}

/* Ends the session with a last word to the client, where one fits in. */
static void session_fail(struct session *session, enum close_reason reason, const struct error *error)
{
	struct buf message;
	if (!note_reason(session, reason))
		return;
	if (!may_speak_to_client(session)) {
		close_streams(session);
		return;
	}
	buf_init(&message);
	error_append(&message, "FATAL", error);
	stream_write(&session->client, message.data, message.len);
	buf_deinit(&message);
	linger(session);
}

/* A server that learns that its client is gone need not find out by itself. */
static void say_goodbye(struct session *session)
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

static void on_stream_closed(struct stream *stream)
{
	struct session *session = stream->owner;
	if (--session->open_streams == 0 && session->phase == SESSION_GONE)
		session_free(session);
}

static void session_free(struct session *session)
{
	struct worker *worker = session->worker;
	link_remove(&session->link);
	conversation_deinit(&session->conversation);
	login_free(session->login);
	buf_deinit(&session->client_rest);
	buf_deinit(&session->server_rest);
	free(session->user);
	free(session->database);
	free(session);
	traffic_add(&worker->traffic.sessions_ended, 1);
	worker_session_gone(worker);
}

/* ---- moving bytes ---- */

static const struct proxy_settings *settings_of(const struct session *session)
{
	return session->worker->owner->settings;
}

static bool client_must_wait(struct session *session)
{
	switch (session->phase) {
	case SESSION_STARTUP: return false;
	case SESSION_CONNECTING:
	case SESSION_CANCELLING: return true;
	case SESSION_LOGIN: return !session->login->wants_answer && session->client_rest.len > 0;
	case SESSION_RUNNING: return conversation_held(&session->conversation);
	default: return false;
	}
}

/* Reads a side only while the other takes what comes of it. */
static void update_reading(struct session *session)
{
	size_t high = settings_of(session)->queue_high_bytes;
	if (session->phase >= SESSION_LINGERING)
		return;
	stream_read_enable(&session->client, !session->client_ended && stream_unsent(&session->server) <= high &&
						     !client_must_wait(session));
	if (session->server.open)
		stream_read_enable(&session->server, stream_unsent(&session->client) <= high);
}

static struct round begin_round(struct worker *worker)
{
	return (struct round){ output_of(&worker->to_server), output_of(&worker->to_client) };
}

/* What cannot be written breaks the stream, whose callback ends the session. */
static void write_round(struct session *session, const struct round *round)
{
	struct slice to_server = output_slice(&round->to_server), to_client = output_slice(&round->to_client);
	if (to_server.len)
		stream_write(&session->server, to_server.data, to_server.len);
	if (to_client.len)
		stream_write(&session->client, to_client.data, to_client.len);
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
static ssize_t read_more(struct session *session, struct stream *stream, struct buf *rest, char **data_out,
			 size_t *len_out)
{
	size_t size = settings_of(session)->read_buffer_bytes, old = rest->len;
	char *data = session->worker->read_buffer;
	if (old <= REST_COPIED_BYTES && old < size) {
		if (old)
			memcpy(data, rest->data, old);
	} else {
		buf_reserve(rest, size);
		data = rest->data;
		size = old + size;
	}
	ssize_t got = stream_read(stream, data + old, size - old);
	if (got > 0) {
		*data_out = data;
		*len_out = old + (size_t)got;
	}
	return got;
}

/* Keeps what was not taken; data is the worker's buffer or rest itself. */
static void keep_rest(struct buf *rest, const char *data, size_t len, size_t taken)
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

static void fail_violation(struct session *session, enum violation violation, const char *text)
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

static void fail_shutdown(struct session *session)
{
	struct error error;
	set_shutdown_error(&error);
	say_goodbye(session);
	session_fail(session, CLOSE_SHUTDOWN, &error);
}

/* Nothing is on its way in either direction. */
static bool is_quiet(const struct session *session)
{
	return !session->conversation.pipeline.count && !stream_unsent(&session->server) &&
	       !stream_unsent(&session->client);
}

/* What a round has brought about besides bytes; false: the session is over. */
static bool after_round(struct session *session)
{
	struct conversation *conversation = &session->conversation;
	if (session->login && session->login->violation) {
		struct error error = session->login->error;
		session_fail(session,
			     session->login->violation == VIOLATION_CLIENT ? CLOSE_CLIENT_PROTOCOL :
									     CLOSE_SERVER_PROTOCOL,
			     &error);
		return false;
	}
	if (conversation->violation) {
		fail_violation(session, conversation->violation, conversation->violation_text);
		return false;
	}
	if (conversation->terminated && is_quiet(session)) {
		session_end(session, CLOSE_CLIENT_TERMINATED);
		return false;
	}
	return session->phase < SESSION_LINGERING;
}

static void watch_for_facts(struct session *session)
{
	if (session->conversation.hold == HOLD_FACT && link_is_empty(&session->timed))
		set_deadline(session, &session->worker->waiting, settings_of(session)->facts_timeout_ms);
}

/* Bytes of the client that had to wait; may leave some of them waiting on. */
static void resume_client(struct session *session)
{
	struct buf *rest = &session->client_rest;
	if (!rest->len || session->phase < SESSION_LOGIN || session->phase > SESSION_RELAY || client_must_wait(session))
		return;
	struct round round = begin_round(session->worker);
	size_t taken = feed_client(session, rest->data, rest->len, &round);
	write_round(session, &round);
	keep_rest(rest, rest->data, rest->len, taken);
	watch_for_facts(session);
}

/* ---- startup ---- */

static void refuse_startup(struct session *session, enum close_reason reason, struct error *error)
{
	session_fail(session, reason, error);
}

static void copy_identity(struct session *session)
{
	const struct startup_packet *startup = &session->login->startup;
	session->user = memory_copy(startup->user.data, startup->user.len);
	session->database = memory_copy(startup->database.data, startup->database.len);
}

static void prepare_conversation(struct session *session)
{
	struct worker *worker = session->worker;
	struct conversation *conversation = &session->conversation;
	struct worker_rules *rules = worker_find_rules(worker, session->login->startup.database);
	bool rewritten = !session->login->startup.replication && !session->login->foreign;
	struct session_state *state =
		rewritten ? login_session_state(session->login, rules ? rules->ruleset : NULL) : NULL;
	conversation_init(conversation, &worker->env, state);
	conversation->published = rules && rewritten ? &rules->ruleset : NULL;
	conversation->who.database = session->database;
	conversation->who.user = session->user;
	conversation->who.address = session->address;
	if (session->app) {
		conversation->application_fixed = true;
		conversation->who.application = session->app;
	}
}

static void log_start(struct session *session)
{
	LOG(LOG_INFO, "session_start", LOG_UINT("session", session->id), LOG_STR("client", session->address),
	    LOG_STR("user", session->user), LOG_STR("database", session->database),
	    LOG_STR("replication", session->login->startup.replication ? "true" : NULL));
}

static void begin_session(struct session *session, struct slice packet)
{
	struct error error;
	session->login = login_new(packet);
	copy_identity(session);
	prepare_conversation(session);
	log_start(session);
	if (session->over_limit) {
		error_set(&error, SQLSTATE_TOO_MANY_CONNECTIONS, "sorry, too many clients already");
		error_detail(&error, "crossfade serves at most %u clients at once.", settings_of(session)->clients);
		error_hint(&error, "Close idle connections, or raise limits.clients.");
		refuse_startup(session, CLOSE_TOO_MANY_CLIENTS, &error);
		return;
	}
	session->phase = SESSION_CONNECTING;
	connect_server(session);
}

static void begin_cancel(struct session *session, const struct startup_packet *packet, struct slice whole)
{
	session->phase = SESSION_CANCELLING;
	traffic_add(&session->worker->traffic.cancels, 1);
	buf_append_slice(&session->server_rest, whole); /* until the server is reached */
	session->cancel = NULL;
	bool known = cancel_registry_find(session->worker->owner->cancels, packet->cancel_pid, packet->cancel_key,
					  &session->server_address);
	if (!known)
		session->server_address.len = 0;
	connect_server(session);
}

/* Encryption is refused once for each kind; a second request is no startup packet. */
static bool answer_encryption(struct session *session, enum startup_kind kind, size_t left)
{
	bool *answered = &session->encryption_answered[kind == STARTUP_GSSENC];
	struct error error;
	if (*answered || left) {
		error_set(&error, SQLSTATE_PROTOCOL_VIOLATION,
			  left ? "received unencrypted data after an encryption request" :
				 "encryption was requested twice");
		error_detail(&error, "A client waits for the answer before it sends more.");
		refuse_startup(session, CLOSE_STARTUP_INVALID, &error);
		return false;
	}
	*answered = true;
	return stream_write(&session->client, "N", 1);
}

static void on_startup_bytes(struct session *session, const char *data, size_t len)
{
	struct startup_packet packet;
	struct error error;
	enum startup_kind kind = startup_parse(slice_of(data, len), &packet, &error);
	size_t taken = kind == STARTUP_INCOMPLETE || kind == STARTUP_INVALID ? 0 : packet.size;
	switch (kind) {
	case STARTUP_INCOMPLETE:
		break;
	case STARTUP_INVALID:
		refuse_startup(session, CLOSE_STARTUP_INVALID, &error);
		return;
	case STARTUP_SSL:
	case STARTUP_GSSENC:
		if (!answer_encryption(session, kind, len - taken))
			return;
		break;
	case STARTUP_CANCEL:
		begin_cancel(session, &packet, slice_of(data, packet.size));
		break;
	case STARTUP_SESSION:
	case STARTUP_FOREIGN:
		begin_session(session, slice_of(data, packet.size));
		break;
	}
	if (session->phase < SESSION_LINGERING)
		keep_rest(&session->client_rest, data, len, taken);
}

/* ---- server connection ---- */

static void on_connected(void *context, int fd, const struct address *address, const struct error *error)
{
	struct session *session = context;
	const struct proxy_settings *settings = settings_of(session);
	session->connector = NULL;
	if (fd < 0) {
		LOG(LOG_WARNING, "server_unreachable", LOG_UINT("session", session->id), LOG_STR("detail", error->detail));
		if (session->phase == SESSION_CANCELLING)
			session_end(session, CLOSE_SERVER_UNREACHABLE);
		else
			session_fail(session, CLOSE_SERVER_UNREACHABLE, error);
		return;
	}
	session->server_address = *address;
	stream_tune(fd, settings->tcp_keepalive_s, settings->tcp_user_timeout_ms);
	if (stream_open(&session->server, &session->worker->loop.uv, fd, &server_callbacks, settings->queue_low_bytes,
			session) < 0) {
		session_end(session, CLOSE_SERVER_UNREACHABLE);
		return;
	}
	session->open_streams++;
	if (session->phase == SESSION_CANCELLING) {
		stream_write(&session->server, session->server_rest.data, session->server_rest.len);
		buf_deinit(&session->server_rest);
	} else {
		session->phase = SESSION_LOGIN;
		stream_write(&session->server, session->login->packet.data, session->login->packet.len);
		if (session->client_ended)
			stream_shutdown(&session->server);
	}
	update_reading(session);
}

static void connect_server(struct session *session)
{
	struct worker *worker = session->worker;
	uint32_t timeout_ms = settings_of(session)->connect_timeout_ms;
	stream_read_enable(&session->client, false);
	if (session->server_address.len)
		session->connector = connector_start_at(&worker->loop.uv, &session->server_address, timeout_ms,
							on_connected, session);
	else
		session->connector = connector_start(&worker->loop.uv, worker->server_host, worker->server_port,
						     timeout_ms, on_connected, session);
}

static void finish_login(struct session *session)
{
	struct login *login = session->login;
	if (login->key.data)
		session->cancel = cancel_registry_add(session->worker->owner->cancels, login->pid, login->key,
						      &session->server_address);
	session->phase = login->startup.replication ? SESSION_RELAY : SESSION_RUNNING;
	login_free(login);
	session->login = NULL;
	untime(session);
	conversation_adopt_ruleset(&session->conversation);
}

/* ---- client events ---- */

static void on_client_end(struct session *session)
{
	struct conversation *conversation = &session->conversation;
	session->client_ended = true;
	if (session->phase == SESSION_STARTUP || session->phase == SESSION_CANCELLING) {
		session_end(session, CLOSE_CLIENT_GAVE_UP);
		return;
	}
	if (session->phase == SESSION_RUNNING && is_quiet(session)) {
		say_goodbye(session);
		session_end(session, conversation->terminated ? CLOSE_CLIENT_TERMINATED : CLOSE_CLIENT_CLOSED);
		return;
	}
	/* Its last requests may still be answered: it has only said that no more will come. */
	stream_shutdown(&session->server);
	update_reading(session);
}

static void on_client_bytes(struct session *session, char *data, size_t len)
{
	struct round round = begin_round(session->worker);
	size_t taken = feed_client(session, data, len, &round);
	write_round(session, &round);
	keep_rest(&session->client_rest, data, len, taken);
	watch_for_facts(session);
	if (after_round(session))
		update_reading(session);
}

/* Whatever the client still says is thrown away; when it says no more, and has all, it is over. */
static void on_lingering(struct session *session, ssize_t got)
{
	if (got > 0)
		return;
	if (got == 0 && stream_unsent(&session->client)) {
		session->client_ended = true;
		stream_read_enable(&session->client, false);
		return;
	}
	close_streams(session);
}

static void on_client_readable(struct stream *stream)
{
	struct session *session = stream->owner;
	char *data;
	size_t len;
	ssize_t got = read_more(session, stream, &session->client_rest, &data, &len);
	if (got == -EAGAIN)
		return;
	if (session->phase == SESSION_LINGERING) {
		on_lingering(session, got);
		return;
	}
	if (got < 0) {
		say_goodbye(session);
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
		on_startup_bytes(session, data, len);
		if (session->phase < SESSION_LINGERING)
			update_reading(session);
		return;
	}
	on_client_bytes(session, data, len);
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
		if (note_reason(session, session->login ? CLOSE_AUTH_FAILED : CLOSE_SERVER_FATAL))
			linger(session);
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

static bool drain_now(struct session *session)
{
	return session->worker->draining && session->phase == SESSION_RUNNING &&
	       conversation_idle(&session->conversation) && !session->client_rest.len &&
	       !conversation_server_mid_message(&session->conversation);
}

static void on_server_bytes(struct session *session, char *data, size_t len)
{
	struct round round = begin_round(session->worker);
	size_t taken = feed_server(session, data, len, &round);
	if (session->phase == SESSION_LOGIN && session->login->ready && !session->login->violation) {
		finish_login(session);
		taken += feed_server(session, data + taken, len - taken, &round);
	}
	write_round(session, &round);
	keep_rest(&session->server_rest, data, len, taken);
	if (!after_round(session))
		return;
	resume_client(session);
	if (!after_round(session))
		return;
	if (drain_now(session))
		fail_shutdown(session);
	else
		update_reading(session);
}

static void on_server_readable(struct stream *stream)
{
	struct session *session = stream->owner;
	char *data;
	size_t len;
	ssize_t got = read_more(session, stream, &session->server_rest, &data, &len);
	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		on_server_gone(session, got < 0);
		return;
	}
	session->bytes_from_server += (uint64_t)got;
	traffic_add(&session->worker->traffic.bytes_from_server, (uint64_t)got);
	on_server_bytes(session, data, len);
}

/* ---- both ---- */

static void on_drained(struct stream *stream)
{
	struct session *session = stream->owner;
	if (session->phase == SESSION_LINGERING) {
		if (session->client_ended)
			close_streams(session);
		return;
	}
	if (after_round(session))
		update_reading(session);
}

static void on_client_broken(struct stream *stream, int error)
{
	struct session *session = stream->owner;
	if (session->phase == SESSION_LINGERING) {
		close_streams(session);
		return;
	}
	say_goodbye(session);
	session_end(session, CLOSE_CLIENT_LOST);
}

static void on_server_broken(struct stream *stream, int error)
{
	on_server_gone(stream->owner, true);
}

static const struct stream_callbacks client_callbacks = { on_client_readable, on_drained, on_client_broken,
							  on_stream_closed };
static const struct stream_callbacks server_callbacks = { on_server_readable, on_drained, on_server_broken,
							  on_stream_closed };

void session_begin(struct worker *worker, int fd, const struct address *peer, const char *app)
{
	const struct proxy_settings *settings = worker->owner->settings;
	struct session *session = memory_zalloc(sizeof(*session));
	session->worker = worker;
	session->id = worker->next_session_id;
	worker->next_session_id += settings->workers;
	session->began_us = clock_monotonic_us();
	session->app = app;
	session->over_limit = atomic_load(&worker->owner->clients) > settings->clients;
	address_text(peer, session->address);
	link_init(&session->timed);
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
	set_deadline(session, &worker->starting, settings->startup_timeout_ms);
	stream_read_enable(&session->client, true);
}

/* A slow reader gets more time as long as it reads. */
static void on_linger_deadline(struct session *session)
{
	size_t left = stream_unsent(&session->client);
	if (!left || left >= session->lingering_bytes) {
		close_streams(session);
		return;
	}
	session->lingering_bytes = left;
	set_deadline(session, &session->worker->lingering, LINGER_MS);
}

void session_on_deadline(struct session *session)
{
	struct error error;
	if (session->phase == SESSION_LINGERING) {
		on_linger_deadline(session);
	} else if (session->phase == SESSION_RUNNING) {
		conversation_fact_arrived(&session->conversation);
		resume_client(session);
		if (after_round(session))
			update_reading(session);
	} else if (session->phase == SESSION_CANCELLING) {
		session_end(session, CLOSE_CANCEL_REQUEST);
	} else {
		error_set(&error, SQLSTATE_CANNOT_CONNECT_NOW, "login was not finished in time");
		error_detail(&error, "limits.startup_timeout is %u ms.", settings_of(session)->startup_timeout_ms);
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
	untime(session);
	session_on_deadline(session);
}

void session_drain(struct session *session)
{
	if (session->phase < SESSION_LOGIN || drain_now(session))
		fail_shutdown(session);
}

void session_stop(struct session *session)
{
	if (session->phase < SESSION_LINGERING)
		fail_shutdown(session);
	if (session->phase != SESSION_GONE)
		close_streams(session);
}
