/*
 * TLS of a session, on either side. The client asks for it (SSLRequest) or
 * begins right away (direct TLS, which must name its protocol); the server is
 * asked as libpq asks it, with libpq's meaning of each mode.
 *
 * Whatever arrives in clear where only TLS may follow was not said by the
 * peer, or need not have been: such a connection ends.
 */
#include "proxy/session_parts.h"

#include "base/log.h"

enum { TLS_HANDSHAKE_BYTE = 0x16 };

/* ---- client ---- */

bool session_offers_tls(const struct session *session)
{
	return session->security && session->security->client && !session->client_local && !session->client.tls;
}

bool session_is_direct_tls(const struct session *session, const char *data)
{
	return session_offers_tls(session) && !session->encryption_answered[0] && !session->encryption_answered[1] &&
	       (uint8_t)data[0] == TLS_HANDSHAKE_BYTE;
}

void session_secure_client(struct session *session, struct slice ahead)
{
	session->direct_tls = ahead.len > 0;
	session->encryption_answered[0] = session->encryption_answered[1] = true;
	stream_secure(&session->client, session->security->client, NULL, ahead);
}

static void log_client_tls(struct session *session, const char *why)
{
	LOG(LOG_WARNING, "client_tls_failed", LOG_UINT("session", session->id), LOG_STR("client", session->address),
	    LOG_STR("error", why));
}

void session_on_client_secured(struct stream *stream)
{
	struct session *session = stream->owner;
	if (!session->direct_tls || tls_has_alpn(stream->tls))
		return;
	log_client_tls(session, "direct TLS without ALPN: the client must name the protocol \"" TLS_ALPN "\"");
	session_end(session, CLOSE_CLIENT_TLS);
}

bool session_client_tls_failed(struct session *session)
{
	if (session->phase != SESSION_STARTUP || !session->client.tls || session->client.handshake != TLS_FAILED)
		return false;
	log_client_tls(session, stream_why(&session->client));
	session_end(session, CLOSE_CLIENT_TLS);
	return true;
}

bool session_may_be_plain(struct session *session)
{
	struct error error;
	bool required = session->security && session->security->client_mode == CLIENT_TLS_REQUIRE;
	if (!required || session->client.tls || session->client_local)
		return true;
	error_set(&error, SQLSTATE_INVALID_AUTHORIZATION, "crossfade takes encrypted connections only");
	error_detail(&error, "client_tls.mode is require, and this connection is not encrypted.");
	error_hint(&error, "Connect with sslmode=require or better.");
	session_fail(session, CLOSE_TLS_REQUIRED, &error);
	return false;
}

/* ---- server ---- */

static const char *server_host(const struct session *session)
{
	return session->worker->server_host;
}

bool session_asks_server_for_tls(struct session *session)
{
	struct buf request;
	if (!session->security || !session->security->server || session->server_plain ||
	    address_is_unix(&session->server_address))
		return false;
	buf_init(&request);
	ssl_request_append(&request);
	session->server_leg = SERVER_LEG_ASKED;
	stream_write(&session->server, request.data, request.len);
	buf_deinit(&request);
	return true;
}

static void fail_server(struct session *session, const char *detail, const char *hint)
{
	struct error error;
	error_set(&error, SQLSTATE_CONNECTION_FAILURE, "crossfade cannot make a secure connection to the server");
	error_detail(&error, "%s", detail);
	error_hint(&error, "%s", hint);
	LOG(LOG_WARNING, "server_tls_failed", LOG_UINT("session", session->id), LOG_STR("detail", detail));
	if (session->phase == SESSION_CANCELLING)
		session_end(session, CLOSE_SERVER_TLS);
	else
		session_fail(session, CLOSE_SERVER_TLS, &error);
}

static bool prefers_only(const struct session *session)
{
	return session->security->server_mode == SERVER_TLS_PREFER;
}

/* libpq's prefer: once more without; the stream must be closed before it is opened again. */
static void try_plain(struct session *session)
{
	session->server_plain = true;
	session->server_leg = SERVER_LEG_AGAIN;
	buf_deinit(&session->server_rest);
	stream_close(&session->server);
}

static void on_refusal(struct session *session)
{
	if (!prefers_only(session)) {
		fail_server(session, "The server does not support TLS.",
			    "Switch TLS on in the server, or set server_tls.mode to prefer or disable.");
		return;
	}
	session->server_leg = SERVER_LEG_READY;
	session_server_ready(session);
}

/* The one byte that answers an SSLRequest. */
void session_on_tls_answer(struct session *session, const char *data, size_t len)
{
	if (len > 1)
		fail_server(session, "The server sent unencrypted bytes behind its answer to an SSLRequest.",
			    "Somebody between crossfade and the server may have injected them.");
	else if (data[0] == 'N')
		on_refusal(session);
	else if (data[0] == 'S') {
		session->server_leg = SERVER_LEG_SECURING;
		stream_secure(&session->server, session->security->server, server_host(session), slice_of(NULL, 0));
	} else
		fail_server(session, "The server did not answer an SSLRequest as PostgreSQL does.",
			    "Does `server` name a PostgreSQL server that takes connections?");
}

void session_on_server_secured(struct stream *stream)
{
	struct session *session = stream->owner;
	char detail[400];
	if (session->security->server_mode == SERVER_TLS_VERIFY_FULL && !tls_is_host(stream->tls, server_host(session))) {
		snprintf(detail, sizeof(detail), "The server's certificate is not for the host \"%s\".",
			 server_host(session));
		fail_server(session, detail,
			    "Name the server in `server` as its certificate does, or set server_tls.mode: verify-ca.");
		return;
	}
	session->server_leg = SERVER_LEG_READY;
	session_server_ready(session);
}

bool session_server_tls_failed(struct session *session)
{
	char detail[400];
	if (session->server_leg != SERVER_LEG_SECURING || session->server.handshake != TLS_FAILED)
		return false;
	if (prefers_only(session)) {
		try_plain(session);
		return true;
	}
	snprintf(detail, sizeof(detail), "TLS with the server failed: %s.", stream_why(&session->server));
	fail_server(session, detail, "Check server_tls.ca, .cert and .key, and the server's certificate.");
	return true;
}

/* A server that takes some users without TLS only says so when it hears who comes. */
bool session_tries_plain(struct session *session)
{
	if (session->phase != SESSION_LOGIN || !session->server.tls || !prefers_only(session) || session->login->spoke)
		return false;
	session->phase = SESSION_CONNECTING;
	try_plain(session);
	return true;
}
