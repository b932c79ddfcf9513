/* What the server does about secrets: verifiers asked of PostgreSQL, checks before the start, no core dumps. */
#include "app/server_parts.h"

#include <sys/prctl.h>
#include <sys/resource.h>

static void on_verifier(void *asker, const char *verifier, const struct error *error)
{
	proxy_answer_verifier(asker, verifier, error);
}

void server_find_verifier(void *context, const char *user, struct proxy_asker *asker)
{
	struct server *server = context;
	auth_query_ask(server->auth_query, user, asker);
}

/* The roles of a cluster are the same in all its databases: any connection will do, and there is one (settings.c). */
static const char *any_dsn(const struct settings *settings)
{
	for (size_t i = 0; i < settings->databases.count; i++) {
		if (settings->databases.items[i].admin_dsn)
			return settings->databases.items[i].admin_dsn;
	}
	return NULL;
}

void server_open_auth_query(struct server *server)
{
	struct auth_query_settings settings = auth_query_settings_default();
	if (!server->settings.security.auth_query)
		return;
	settings.dsn = any_dsn(&server->settings);
	settings.sql = server->settings.security.auth_query;
	server->auth_query = auth_query_new(&settings, on_verifier);
}

bool server_check_security(const struct settings *settings, struct error *error_out)
{
	struct security *security;
	if (!security_new(&settings->security, &security, error_out))
		return false;
	security_unref(security);
	return true;
}

/* One may help to find a fault where it would hold no secrets. */
void server_forbid_core_dumps(const struct settings *settings)
{
	const struct security_settings *security = &settings->security;
	struct rlimit none = { 0, 0 };
	if (security->auth == AUTH_PASSTHROUGH && !security->client.key && !security->server.key)
		return;
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}
