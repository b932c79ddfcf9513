#include "proxy/security.h"

#include "base/memory.h"

#include <stdlib.h>

static bool fail(const char *key, const char *message, const char *hint, const char **key_out, struct error *error_out)
{
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s", message);
	error_hint(error_out, "%s", hint);
	*key_out = key;
	return false;
}

static bool check_client(const struct security_settings *settings, const char **key_out, struct error *error_out)
{
	const struct tls_settings *tls = &settings->client;
	if (settings->client_mode == CLIENT_TLS_DISABLE)
		return true;
	if (!tls->cert || !tls->key)
		return fail("client_tls", "`client_tls` needs a certificate and its key",
			    "Set client_tls.cert and client_tls.key, or client_tls.mode: disable.", key_out, error_out);
	return tls->verify == TLS_VERIFY_NONE || tls->ca ||
	       fail("client_tls.verify", "`client_tls.verify` needs the authorities of client certificates",
		    "Set client_tls.ca, or client_tls.verify: none.", key_out, error_out);
}

static bool check_server(const struct security_settings *settings, const char **key_out, struct error *error_out)
{
	const struct tls_settings *tls = &settings->server;
	if (settings->server_mode == SERVER_TLS_DISABLE)
		return true;
	if (settings->server_mode >= SERVER_TLS_VERIFY_CA && !tls->ca)
		return fail("server_tls.mode", "`server_tls.mode` asks to verify the server, but nobody vouches for it",
			    "Set server_tls.ca to the file of its authority, or to `system`.", key_out, error_out);
	return !tls->cert == !tls->key || fail(tls->cert ? "server_tls.cert" : "server_tls.key",
					       "`server_tls.cert` and `server_tls.key` go together", "Set both, or neither.",
					       key_out, error_out);
}

static bool check_auth(const struct security_settings *settings, const char **key_out, struct error *error_out)
{
	if (settings->auth == AUTH_PASSWORD && settings->client_mode == CLIENT_TLS_DISABLE)
		return fail("auth", "`auth: password` takes passwords inside TLS only, and `client_tls.mode` is disable",
			    "Set client_tls.mode to allow or require, with a certificate.", key_out, error_out);
	return settings->auth != AUTH_SCRAM || settings->users_file || settings->auth_query ||
	       fail("auth", "`auth: scram` needs the verifiers of the users",
		    "Set auth_users_file to a file of them, or auth_query.", key_out, error_out);
}

bool security_settings_check(const struct security_settings *settings, const char **key_out, struct error *error_out)
{
	return check_client(settings, key_out, error_out) && check_server(settings, key_out, error_out) &&
	       check_auth(settings, key_out, error_out);
}

static bool make_client(const struct security_settings *settings, struct security *security, struct error *error_out)
{
	struct tls_settings tls = settings->client;
	if (settings->client_mode == CLIENT_TLS_DISABLE)
		return true;
	tls.secret = settings->auth == AUTH_PASSWORD;
	return tls_context_accepting(&tls, &security->client, error_out);
}

/* With authorities at hand the certificate is looked at in every mode, and prefer goes on without TLS
 * when it is not theirs: libpq's rules. */
static bool make_server(const struct security_settings *settings, struct security *security, struct error *error_out)
{
	struct tls_settings tls = settings->server;
	if (settings->server_mode == SERVER_TLS_DISABLE)
		return true;
	tls.verify = tls.ca ? TLS_VERIFY_REQUIRE : TLS_VERIFY_NONE;
	return tls_context_connecting(&tls, &security->server, error_out);
}

static bool make_auth(const struct security_settings *settings, struct security *security, struct error *error_out)
{
	security->auth = settings->auth;
	security->asks_server = settings->auth_query != NULL;
	if (settings->auth != AUTH_SCRAM)
		return true;
	if (settings->users_file)
		return users_load(settings->users_file, &security->users, error_out);
	security->users = users_none();
	return true;
}

bool security_new(const struct security_settings *settings, struct security **security_out, struct error *error_out)
{
	struct security *security = memory_zalloc(sizeof(*security));
	const char *key;
	ref_init(&security->ref);
	security->client_mode = settings->client_mode;
	security->server_mode = settings->server_mode;
	if (!security_settings_check(settings, &key, error_out) || !make_client(settings, security, error_out) ||
	    !make_server(settings, security, error_out) || !make_auth(settings, security, error_out)) {
		security_unref(security);
		return false;
	}
	*security_out = security;
	return true;
}

struct security *security_ref(struct security *security)
{
	ref_take(&security->ref);
	return security;
}

void security_unref(struct security *security)
{
	if (!security || !ref_drop(&security->ref))
		return;
	tls_context_unref(security->client);
	tls_context_unref(security->server);
	users_unref(security->users);
	free(security);
}
