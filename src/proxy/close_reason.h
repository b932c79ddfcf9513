/*
 * Why a session ended: one row per reason, which gives the name in the log,
 * the counter in the statistics and the line in the documentation.
 */
#ifndef CROSSFADE_PROXY_CLOSE_REASON_H
#define CROSSFADE_PROXY_CLOSE_REASON_H

enum close_reason {
	CLOSE_CLIENT_TERMINATED,
	CLOSE_CLIENT_CLOSED,
	CLOSE_CLIENT_LOST,
	CLOSE_CLIENT_PROTOCOL,
	CLOSE_CLIENT_GAVE_UP,
	CLOSE_STARTUP_TIMEOUT,
	CLOSE_STARTUP_INVALID,
	CLOSE_TOO_MANY_CLIENTS,
	CLOSE_CLIENT_TLS,
	CLOSE_TLS_REQUIRED,
	CLOSE_CANCEL_REQUEST,
	CLOSE_AUTH_FAILED,
	CLOSE_SERVER_UNREACHABLE,
	CLOSE_SERVER_TLS,
	CLOSE_SERVER_REFUSED,
	CLOSE_SERVER_FATAL,
	CLOSE_SERVER_CLOSED,
	CLOSE_SERVER_LOST,
	CLOSE_SERVER_PROTOCOL,
	CLOSE_SHUTDOWN,
	CLOSE_REASON_COUNT
};

const char *close_reason_name(enum close_reason reason);
/* One sentence for the documentation and `SHOW STATS`. */
const char *close_reason_meaning(enum close_reason reason);

#endif
