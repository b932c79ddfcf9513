/* A reload: all files are read and all that comes of them is checked, then all of it takes effect or nothing. */
#include "app/server_parts.h"

#include "app/error_log.h"
#include "base/memory.h"

#include <stdlib.h>

static void on_fixed_field(void *context, const struct field *field)
{
	LOG(LOG_WARNING, "reload_needs_restart", LOG_STR("key", field->path),
	    LOG_STR("message", "the new value takes effect at the next start"));
}

static bool same_database(const struct settings_database *a, const struct settings_database *b)
{
	return (!a->name && !b->name) || (a->name && b->name && strcmp(a->name, b->name) == 0);
}

/* Prepares all databases, so that either all change or none. */
static bool prepare_rules(struct server *server, const struct settings *fresh, struct rules_change **changes,
			  struct error *error_out)
{
	for (size_t i = 0; i < server->database_count; i++) {
		const struct settings_database *database = &fresh->databases.items[i];
		struct rules_files files = server_files_of(fresh, database, server->databases[i].stages);
		/* What a cutover has just made of them may not have come as a text yet. */
		files.keep_flags = database->flags_in_schema && !server->databases[i].stages_refused;
		if (!rules_prepare(server->databases[i].rules, &files, &changes[i], error_out))
			return false;
	}
	return true;
}

void server_commit_rules(struct server_database *database, struct rules_change *change)
{
	rules_commit(database->rules, change);
	if (database->watcher)
		catalog_watcher_set_map(database->watcher, rules_map(database->rules));
}

/* The rules of stages; NULL order: at the start there is nothing to compare with. */
static bool judge_rules(struct server *server, struct rules_change **changes, const struct server_order *order,
			bool *stale_out, struct error *error_out)
{
	for (size_t i = 0; order && i < server->database_count; i++) {
		if (server_judge(&server->databases[i], changes[i], order, stale_out, error_out))
			continue;
		if (!*stale_out)
			server_note_stages(&server->databases[i], changes[i], order, error_out->message);
		return false;
	}
	return true;
}

bool server_load_rules(struct server *server, const struct settings *fresh, const struct server_order *order,
		       bool *stale_out, struct error *error_out)
{
	struct rules_change **changes = memory_zalloc(server->database_count * sizeof(*changes));
	bool ok = prepare_rules(server, fresh, changes, error_out) &&
		  judge_rules(server, changes, order, stale_out, error_out);
	for (size_t i = 0; i < server->database_count; i++) {
		if (!ok) {
			rules_abandon(changes[i]);
			continue;
		}
		if (order)
			server_note_stages(&server->databases[i], changes[i], order, NULL);
		server_commit_rules(&server->databases[i], changes[i]);
	}
	free(changes);
	return ok;
}

static bool databases_are_the_same(const struct settings *a, const struct settings *b)
{
	if (a->databases.count != b->databases.count)
		return false;
	for (size_t i = 0; i < a->databases.count; i++) {
		if (!same_database(&a->databases.items[i], &b->databases.items[i]))
			return false;
	}
	return true;
}

void server_watch_files(struct server *server)
{
	const struct settings *settings = &server->settings;
	const struct tls_settings *client = &settings->security.client, *tls = &settings->security.server;
	size_t count = 0;
	const char **paths = memory_zalloc((9 + 2 * settings->databases.count) * sizeof(*paths));
	paths[count++] = settings->file;
	paths[count++] = client->cert;
	paths[count++] = client->key;
	paths[count++] = client->ca;
	paths[count++] = tls->cert;
	paths[count++] = tls->key;
	paths[count++] = tls->ca;
	paths[count++] = settings->security.users_file;
	paths[count++] = settings->console.users_path;
	for (size_t i = 0; i < settings->databases.count; i++) {
		paths[count++] = settings->databases.items[i].map_path;
		paths[count++] = settings->databases.items[i].flags_path;
	}
	watch_files(server->files, paths, count);
	free(paths);
}

static void apply_settings(struct server *server, const struct settings *fresh, struct users *passwords)
{
	fields_compare(settings_fields(), &server->settings, fresh, on_fixed_field, NULL);
	settings_deinit(&server->settings);
	server->settings = *fresh;
	log_setup(fresh->log_level, fresh->log_format);
	proxy_set_server(server->proxy, (struct proxy_address){ fresh->server.host, fresh->server.port });
	overview_set_server(server->overview, fresh->server.host, fresh->server.port);
	if (server->http_report)
		http_report_configure(server->http_report, fresh);
	server_console_reloaded(server, passwords);
	server_rules_changed(server);
	server_watch_files(server);
}

/* Everything is read and checked before anything changes. */
static bool reload(struct server *server, const struct server_order *order, bool *stale_out,
		   struct error *error_out)
{
	struct settings fresh;
	if (!settings_load(server->config_path, &fresh, error_out))
		return false;
	if (!databases_are_the_same(&server->settings, &fresh)) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "the databases of the configuration have changed");
		error_hint(error_out, "Databases are added and removed by a restart.");
		error_at(error_out, fresh.file, 0, 0);
		settings_deinit(&fresh);
		return false;
	}
	struct security *security = NULL;
	struct users *passwords = NULL;
	if (!server->auth_query)
		fresh.security.auth_query = NULL; /* it needs a restart */
	if (!security_new(&fresh.security, &security, error_out) ||
	    !server_load_passwords(&fresh, &passwords, error_out) ||
	    !server_load_rules(server, &fresh, order, stale_out, error_out)) {
		security_unref(security);
		users_unref(passwords);
		settings_deinit(&fresh);
		return false;
	}
	proxy_set_security(server->proxy, security);
	security_unref(security);
	apply_settings(server, &fresh, passwords);
	users_unref(passwords);
	return true;
}

bool server_reload(struct server *server, const struct server_order *order, struct error *error_out)
{
	bool stale = false;
	server->awaited_cause = NULL;
	return reload(server, order, &stale, error_out);
}

static void reload_for(struct server *server, const char *cause, bool final)
{
	struct server_order order = { .who = cause, .action = "reload", .final = final };
	struct error error;
	bool stale = false;
	server->awaited_cause = NULL;
	if (reload(server, &order, &stale, &error)) {
		LOG(LOG_INFO, "reload", LOG_STR("cause", cause));
	} else if (stale) {
		server->awaited_cause = cause;
		server_poke(server);
	} else {
		error_log(LOG_ERROR, "reload_failed", NULL, &error);
	}
}

void server_reload_and_say(struct server *server, const char *cause)
{
	reload_for(server, cause, false);
}

void server_reload_again(struct server *server)
{
	reload_for(server, server->awaited_cause, true);
}
