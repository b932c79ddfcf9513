/*
 * How sessions are protected: TLS on both sides, and who checks passwords.
 * Made from the settings as a whole, checked, and published like a ruleset;
 * a session keeps the one it began with until it is logged in.
 */
#ifndef CROSSFADE_PROXY_SECURITY_H
#define CROSSFADE_PROXY_SECURITY_H

#include "base/ref.h"
#include "auth/users.h"
#include "net/tls_context.h"
#include "proxy/credentials.h"

enum client_tls_mode { CLIENT_TLS_DISABLE, CLIENT_TLS_ALLOW, CLIENT_TLS_REQUIRE };

/* As libpq's sslmode. */
enum server_tls_mode {
	SERVER_TLS_DISABLE,
	SERVER_TLS_PREFER,
	SERVER_TLS_REQUIRE,
	SERVER_TLS_VERIFY_CA,
	SERVER_TLS_VERIFY_FULL,
};

struct security_settings {
	enum client_tls_mode client_mode;
	enum server_tls_mode server_mode;
	struct tls_settings client, server; /* server.verify follows from the mode */
	enum auth_mode auth;
	const char *users_file; /* NULL: none */
	const char *auth_query; /* NULL: none */
};

struct security {
	struct ref ref;
	enum client_tls_mode client_mode;
	enum server_tls_mode server_mode;
	struct tls_context *client, *server; /* NULL: disabled */
	enum auth_mode auth;
	bool asks_server; /* for verifiers of users that the file does not have */
	struct users *users; /* with AUTH_SCRAM */
};

/* Whether they fit together, files unseen. key_out: which one does not, as in "client_tls.verify". */
bool security_settings_check(const struct security_settings *settings, const char **key_out, struct error *error_out);
bool security_new(const struct security_settings *settings, struct security **security_out, struct error *error_out);
struct security *security_ref(struct security *security);
void security_unref(struct security *security);

#endif
