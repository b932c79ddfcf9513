#include "proxy/close_reason.h"

static const struct {
	const char *name, *meaning;
} reasons[CLOSE_REASON_COUNT] = {
	[CLOSE_CLIENT_TERMINATED] = { "client_terminated", "The client said goodbye (Terminate)." },
	[CLOSE_CLIENT_CLOSED] = { "client_closed", "The client closed its connection without saying goodbye." },
	[CLOSE_CLIENT_LOST] = { "client_lost", "The connection to the client broke." },
	[CLOSE_CLIENT_PROTOCOL] = { "client_protocol", "The client sent something that is not PostgreSQL's protocol." },
	[CLOSE_CLIENT_GAVE_UP] = { "client_gave_up", "The client left before the session had begun." },
	[CLOSE_STARTUP_TIMEOUT] = { "startup_timeout", "Login was not finished in time." },
	[CLOSE_STARTUP_INVALID] = { "startup_invalid", "The first packet was not a valid startup packet." },
	[CLOSE_TOO_MANY_CLIENTS] = { "too_many_clients", "The limit of sessions was reached." },
	[CLOSE_TOO_MANY_OF_ADDRESS] = { "too_many_of_address", "The limit of sessions from one address was reached." },
	[CLOSE_TOO_MANY_OF_USER] = { "too_many_of_user", "The limit of sessions of one user was reached." },
	[CLOSE_TOO_MANY_LOGINS] = { "too_many_logins", "It was the oldest of too many logins that waited for their clients." },
	[CLOSE_TOO_MANY_CANCELS] = { "too_many_cancels", "Too many cancel requests for sessions of other proxies were on their way." },
	[CLOSE_OUT_OF_MEMORY] = { "out_of_memory", "The limit of memory was reached." },
	[CLOSE_IDLE_TIMEOUT] = { "idle_timeout", "The client was idle for too long." },
	[CLOSE_IDLE_TRANSACTION_TIMEOUT] = { "idle_transaction_timeout", "The client was idle for too long with a transaction open." },
	[CLOSE_CLIENT_TLS] = { "client_tls", "TLS with the client could not be agreed on." },
	[CLOSE_TLS_REQUIRED] = { "tls_required", "The client did not encrypt, but client_tls.mode is require." },
	[CLOSE_CANCEL_REQUEST] = { "cancel_request", "The connection carried a cancel request, which was passed on." },
	[CLOSE_AUTH_FAILED] = { "auth_failed", "The login was refused." },
	[CLOSE_SERVER_UNREACHABLE] = { "server_unreachable", "The server could not be reached." },
	[CLOSE_SERVER_TLS] = { "server_tls", "TLS with the server could not be agreed on, or its certificate is not trusted." },
	[CLOSE_SERVER_REFUSED] = { "server_refused", "The server ended the connection during login." },
	[CLOSE_SERVER_FATAL] = { "server_fatal", "The server ended the session with a FATAL error of its own." },
	[CLOSE_SERVER_CLOSED] = { "server_closed", "The server closed the connection without a word." },
	[CLOSE_SERVER_LOST] = { "server_lost", "The connection to the server broke." },
	[CLOSE_SERVER_PROTOCOL] = { "server_protocol", "The server sent something that is not PostgreSQL's protocol." },
	[CLOSE_SHUTDOWN] = { "shutdown", "crossfade is stopping." },
};

const char *close_reason_name(enum close_reason reason)
{
	return reasons[reason].name;
}

const char *close_reason_meaning(enum close_reason reason)
{
	return reasons[reason].meaning;
}
