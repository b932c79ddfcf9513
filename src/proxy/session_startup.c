/*
 * The beginning of a session: from the client's first bytes to the server's
 * first ReadyForQuery, or a cancel request on its way.
 */
#include "proxy/session_parts.h"

#include "base/log.h"
#include "base/memory.h"
#include "wire/error_fields.h"
#include "wire/proxy_header.h"

#include <stdio.h>

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
	    LOG_STR("replication", session->login->startup.replication ? "true" : NULL),
	    LOG_STR("tls", session->client.tls ? tls_version(session->client.tls) : NULL));
}

static void begin_session(struct session *session, struct slice packet)
{
	session->login = login_new(packet);
	copy_identity(session);
	prepare_conversation(session);
	log_start(session);
	if (!session_may_be_plain(session) || !session_may_log_in(session))
		return;
	if (!session_has_room(session))
		return;
	session->phase = SESSION_CONNECTING;
	session_connect_server(session);
}

static void begin_cancel(struct session *session, const struct startup_packet *packet, struct slice whole)
{
	session->phase = SESSION_CANCELLING;
	session_login_is_over(session);
	traffic_add(&session->worker->traffic.cancels, 1);
	buf_append_slice(&session->cancel_packet, whole);
	session->cancel = NULL;
	struct cancel_target target;
	bool known = cancel_registry_find(session->worker->owner->cancels, packet->cancel_pid, packet->cancel_key,
					  &target);
	session->server_address.len = 0;
	if (!known && !session_cancel_has_room(session))
		return;
	if (known)
		session->server_address = target.server;
	if (!known || !gate_has_parked(session->worker->owner->gate)) {
		session_connect_server(session);
		return;
	}
	/* What a pause holds up, only its own worker can cancel. */
	stream_read_enable(&session->client, false);
	worker_post_cancel(target.worker, target.session, session->worker, session->id);
}

void session_on_cancel_answer(struct session *session, bool done)
{
	if (session->phase != SESSION_CANCELLING || session->connector || session->server.open)
		return;
	if (done)
		session_end(session, CLOSE_CANCEL_REQUEST);
	else
		session_connect_server(session);
}

/* Encryption is asked for once of each kind; a second request is no startup packet. */
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
	bool secure = kind == STARTUP_SSL && session_offers_tls(session);
	if (!stream_write(&session->client, secure ? "S" : "N", 1))
		return false;
	if (secure)
		session_secure_client(session, slice_of(NULL, 0));
	return true;
}

/* What the load balancer says of the client stands before the client's own first byte. False: not all is here. */
static bool take_header(struct session *session, const char *data, size_t len)
{
	struct proxy_header header;
	struct error error;
	enum proxy_header_kind kind = proxy_header_parse(slice_of(data, len), &header);
	if (kind == PROXY_HEADER_INVALID) {
		error_set(&error, SQLSTATE_PROTOCOL_VIOLATION, "the connection does not begin with a PROXY protocol header");
		error_detail(&error, "This address is for load balancers that send one.");
		error_hint(&error, "Connect through the load balancer, or to an address without proxy_protocol.");
		refuse_startup(session, CLOSE_STARTUP_INVALID, &error);
		return false;
	}
	session_keep_rest(&session->client_rest, data, len, kind == PROXY_HEADER_INCOMPLETE ? 0 : header.size);
	if (kind == PROXY_HEADER_INCOMPLETE)
		return false;
	session->expects_header = false;
	if (kind == PROXY_HEADER_ADDRESS)
		snprintf(session->address, sizeof(session->address), "%s", header.address);
	session_count_address(session);
	return session->client_rest.len > 0;
}

static void on_first_packet(struct session *session, const char *data, size_t len)
{
	struct startup_packet packet;
	struct error error;
	if (session_is_direct_tls(session, data)) {
		session_secure_client(session, slice_of(data, len));
		session_keep_rest(&session->client_rest, data, len, len);
		return;
	}
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
		session_keep_rest(&session->client_rest, data, len, taken);
}

void session_on_startup(struct session *session, const char *data, size_t len)
{
	if (!session->expects_header)
		on_first_packet(session, data, len);
	else if (take_header(session, data, len))
		on_first_packet(session, session->client_rest.data, session->client_rest.len);
}

/* ---- server connection ---- */

static void on_connected(void *context, int fd, const struct address *address, const struct error *error)
{
	struct session *session = context;
	const struct proxy_settings *settings = session_settings(session);
	session->connector = NULL;
	if (fd < 0) {
		worker_server_failed(session->worker);
		LOG(LOG_WARNING, "server_unreachable", LOG_UINT("session", session->id), LOG_STR("detail", error->detail));
		if (session->phase == SESSION_CANCELLING)
			session_end(session, CLOSE_SERVER_UNREACHABLE);
		else
			session_fail(session, CLOSE_SERVER_UNREACHABLE, error);
		return;
	}
	session->worker->backoff_ms = 0;
	session->server_address = *address;
	stream_tune(fd, settings->tcp_keepalive_s, settings->tcp_user_timeout_ms);
	if (stream_open(&session->server, &session->worker->loop.uv, fd, &session_server_callbacks, settings->queue_low_bytes,
			session) < 0) {
		session_end(session, CLOSE_SERVER_UNREACHABLE);
		return;
	}
	session->open_streams++;
	if (!session_asks_server_for_tls(session)) {
		session->server_leg = SERVER_LEG_READY;
		session_server_ready(session);
	}
	session_update_reading(session);
}

void session_server_ready(struct session *session)
{
	if (session->phase == SESSION_CANCELLING) {
		stream_write(&session->server, session->cancel_packet.data, session->cancel_packet.len);
		buf_deinit(&session->cancel_packet);
	} else {
		session->phase = SESSION_LOGIN;
		session_begin_auth(session);
		stream_write(&session->server, session->login->packet.data, session->login->packet.len);
		if (session->client_ended)
			stream_shutdown(&session->server);
	}
	session_update_reading(session);
}

void session_connect_server(struct session *session)
{
	struct worker *worker = session->worker;
	uint32_t timeout_ms = session_settings(session)->connect_timeout_ms;
	session->server_leg = SERVER_LEG_NONE;
	stream_read_enable(&session->client, false);
	if (session->server_address.len)
		session->connector = connector_start_at(&worker->loop.uv, &session->server_address, timeout_ms,
							on_connected, session);
	else
		session->connector = connector_start(&worker->loop.uv, worker->server_host, worker->server_port,
						     timeout_ms, on_connected, session);
	connector_delay(session->connector, worker->backoff_ms);
}

void session_finish_login(struct session *session)
{
	struct login *login = session->login;
	session_login_is_over(session);
	if (login->key.data)
		session->cancel = cancel_registry_add(
			session->worker->owner->cancels, login->pid, login->key,
			&(struct cancel_target){ session->server_address, session->worker, session->id });
	session->server_pid = login->key.data ? login->pid : 0;
	session->phase = login->startup.replication ? SESSION_RELAY : SESSION_RUNNING;
	login_free(login);
	session->login = NULL;
	session_untime(session);
	conversation_adopt_ruleset(&session->conversation);
}
