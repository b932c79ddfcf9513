/*
 *   files ──load──► rules ──publish──► proxy ──► workers
 *   catalog thread ──facts──► inbox ──► rules ──publish──► proxy
 *
 * Everything here runs on the main thread, except what catalog threads and
 * workers call: on_facts, on_facts_stale.
 */
#include "app/server_parts.h"

#include "app/commands.h"
#include "app/error_log.h"
#include "app/notify.h"
#include "app/report_rules.h"
#include "base/clock.h"
#include "base/memory.h"
#include "net/activation.h"

#include <signal.h>
#include <stdlib.h>

/* First sessions should find the catalog read; a server that is down must not keep the proxy from starting. */
enum { FIRST_FACTS_WAIT_MS = 3000, FILES_POLL_MS = 500 };

static const int signal_numbers[3] = { SIGHUP, SIGTERM, SIGINT };

/* ---- rules ---- */

struct rules_files server_files_of(const struct settings *settings, const struct settings_database *database,
				   const char *stages)
{
	struct rules_files files = { .map_path = database->map_path, .flags_path = database->flags_path,
				     .policy = settings->policy };
	if (!database->flags_in_schema)
		return files;
	files.flags_path = SERVER_STAGES_NAME;
	files.flags_text = slice_str(stages ? stages : "flags: {}");
	return files;
}

/* The ledger has one entry for tables of one name in several databases, at the stage of the one furthest behind. */
static const struct ruleset_entry *same_table(const struct server *server, size_t database, const struct ruleset_entry *entry)
{
	const struct ruleset *ruleset = rules_current(server->databases[database].rules);
	struct rel_name old_name = entry->names[SIDE_OLD];
	const struct ruleset_name *name = ruleset ? ruleset_find(ruleset, old_name.schema, old_name.name) : NULL;
	return name && strcmp(name->entry->key, entry->key) == 0 ? name->entry : NULL;
}

/* Appends the entries of one database that none before it has. */
static size_t declare_database(const struct server *server, size_t database, const struct usage_entry *entries,
			       struct usage_entry *declared, size_t count)
{
	const struct ruleset *ruleset = rules_current(server->databases[database].rules);
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		struct usage_entry one = entries[i];
		bool known = false;
		for (size_t other = 0; other < server->database_count; other++) {
			const struct ruleset_entry *same =
				other == database ? NULL : same_table(server, other, &ruleset->entries[i]);
			known |= same && other < database;
			if (same && same->stage < one.stage)
				one.stage = same->stage;
		}
		if (!known)
			declared[count++] = one;
	}
	return count;
}

static void declare_entries(struct server *server)
{
	size_t count = 0, at = 0;
	for (size_t i = 0; i < server->database_count; i++) {
		const struct ruleset *ruleset = rules_current(server->databases[i].rules);
		count += ruleset ? ruleset->entry_count : 0;
	}
	struct arena arena;
	arena_init(&arena);
	struct usage_entry *entries = ARENA_ARRAY(&arena, count, struct usage_entry);
	for (size_t i = 0; i < server->database_count; i++) {
		const struct ruleset *ruleset = rules_current(server->databases[i].rules);
		if (!ruleset || !ruleset->entry_count)
			continue;
		at = declare_database(server, i, report_rules_entries(ruleset, &arena), entries, at);
	}
	usage_declare(server->usage, entries, at);
	arena_deinit(&arena);
}

void server_rules_changed(struct server *server)
{
	declare_entries(server);
}

static void publish(void *context, const char *database, struct ruleset *ruleset)
{
	struct server_database *own = context;
	if (own->server->overview)
		overview_set_rules(own->server->overview, (size_t)(own - own->server->databases), database, ruleset);
	if (own->server->proxy)
		proxy_publish(own->server->proxy, database, own->server->rewriting_off ? NULL : ruleset, own->looked);
}

/* ---- facts ---- */

static void start_accepting(struct server *server);

static void on_facts(void *context, struct facts *facts)
{
	struct server_database *database = context;
	pthread_mutex_lock(&database->server->lock);
	facts_unref(database->arrived);
	database->arrived = facts;
	pthread_mutex_unlock(&database->server->lock);
	uv_async_send(&database->server->inbox);
}

/* Sessions that wait for a fact go on when rules are published, changed or not. */
static void on_checked(void *context, uint64_t ticket, bool fresh)
{
	struct server_database *database = context;
	pthread_mutex_lock(&database->server->lock);
	database->checked = ticket;
	database->fresh = fresh ? ticket : database->fresh;
	pthread_mutex_unlock(&database->server->lock);
	uv_async_send(&database->server->inbox);
}

static void take_facts(struct server_database *database)
{
	struct server *server = database->server;
	struct error error;
	pthread_mutex_lock(&server->lock);
	struct facts *facts = database->arrived;
	bool waiting = database->checked > database->looked;
	database->arrived = NULL;
	database->looked = database->checked;
	pthread_mutex_unlock(&server->lock);
	bool taken = facts && rules_set_facts(database->rules, facts, &error);
	if (!taken && waiting)
		rules_publish_again(database->rules);
	if (!facts)
		return;
	if (!taken)
		error_log(LOG_ERROR, "facts_rejected", rules_database(database->rules), &error);
	LOG(LOG_INFO, "facts", LOG_STR("database", rules_database(database->rules)),
	    LOG_UINT("relations", facts->relation_count), LOG_UINT("version", facts->version));
	facts_unref(facts);
	database->has_facts = true;
}

/* What the watcher finds out meanwhile may be older. */
bool server_take_change(struct server_database *database, const struct facts_change *change)
{
	struct error error;
	if (!database->watcher)
		return false;
	catalog_watcher_discard(database->watcher);
	pthread_mutex_lock(&database->server->lock);
	struct facts *arrived = database->arrived;
	database->arrived = NULL;
	pthread_mutex_unlock(&database->server->lock);
	const struct facts *base = arrived ? arrived : rules_facts(database->rules);
	struct facts *facts = base ? facts_changed(base, change) : NULL;
	bool ok = facts && rules_set_facts(database->rules, facts, &error);
	facts_unref(facts);
	facts_unref(arrived);
	return ok;
}

static bool all_facts_are_here(const struct server *server)
{
	for (size_t i = 0; i < server->database_count; i++) {
		if (server->databases[i].watcher && !server->databases[i].has_facts)
			return false;
		if (server->databases[i].member && !server->databases[i].stages)
			return false;
	}
	return true;
}

bool server_has_looked(const struct server *server)
{
	for (size_t i = 0; i < server->database_count; i++) {
		if (server->databases[i].looked < server->databases[i].awaited)
			return false;
	}
	return true;
}

void server_poke(struct server *server)
{
	for (size_t i = 0; i < server->database_count; i++) {
		struct server_database *database = &server->databases[i];
		if (database->watcher)
			database->awaited = catalog_watcher_poke(database->watcher);
	}
}

static void on_inbox(uv_async_t *async)
{
	struct server *server = async->data;
	for (size_t i = 0; i < server->database_count; i++) {
		server_take_stages(&server->databases[i]);
		take_facts(&server->databases[i]);
	}
	declare_entries(server);
	if (server->awaited_cause && server_has_looked(server))
		server_reload_again(server);
	if (!server->accepting && all_facts_are_here(server))
		start_accepting(server);
}

static uint64_t on_facts_stale(void *context, const char *database)
{
	struct server *server = context;
	for (size_t i = 0; i < server->database_count; i++) {
		struct server_database *own = &server->databases[i];
		const char *name = rules_database(own->rules);
		if (own->watcher && (!name || strcmp(name, database) == 0))
			return catalog_watcher_poke(own->watcher);
	}
	return 0;
}

/* ---- start and stop ---- */

static void on_files_timer(uv_timer_t *timer)
{
	struct server *server = timer->data;
	if (watch_changed(server->files, clock_monotonic_us() / 1000))
		server_reload_and_say(server, "file");
}

static void close_handle(uv_handle_t *handle, void *context)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void on_stopped(void *context)
{
	struct server *server = context;
	LOG(LOG_INFO, "stopped", LOG_STR("file", server->settings.file));
	uv_stop(&server->loop);
}

void server_stop(struct server *server, bool at_once)
{
	LOG(LOG_INFO, at_once ? "stopping" : "draining", LOG_STR("file", server->settings.file));
	if (!server->accepting) {
		on_stopped(server);
		return;
	}
	server->stopping = true;
	overview_set_phase(server->overview, OVERVIEW_DRAINING);
	notify_stopping();
	if (at_once)
		proxy_stop(server->proxy);
	else
		proxy_drain(server->proxy);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct server *server = handle->data;
	if (number == SIGHUP) {
		notify_reloading();
		server_reload_and_say(server, "signal");
		notify_ready();
	}
	else
		server_stop(server, number == SIGINT || server->stopping);
}

static void start_accepting(struct server *server)
{
	struct error error;
	uv_timer_stop(&server->start_timer);
	server_judge_start(server);
	server->accepting = true;
	if (!proxy_start(server->proxy, &error)) {
		error_log(LOG_FATAL, "start_failed", NULL, &error);
		server->accepting = false;
		server->status = EXIT_USAGE;
		uv_stop(&server->loop);
		return;
	}
	overview_set_phase(server->overview, OVERVIEW_READY);
	notify_ready();
	struct buf place;
	buf_init(&place);
	endpoint_append(&place, &server->settings.listen.items[0].endpoint);
	LOG(LOG_INFO, "ready", LOG_STR("version", CROSSFADE_VERSION), LOG_STR("listen", buf_cstr(&place)),
	    LOG_UINT("port", proxy_port(server->proxy)), LOG_UINT("workers", server->settings.proxy.workers),
	    LOG_INT("pid", uv_os_getpid()));
	buf_deinit(&place);
}

static void on_start_timer(uv_timer_t *timer)
{
	struct server *server = timer->data;
	LOG(LOG_WARNING, "starting_without_facts",
	    LOG_STR("message", "the catalog could not be read yet; flags alone decide until it can"));
	start_accepting(server);
}

static void init_loop(struct server *server)
{
	uv_loop_init(&server->loop);
	for (int i = 0; i < 3; i++) {
		uv_signal_init(&server->loop, &server->signals[i]);
		server->signals[i].data = server;
		uv_signal_start(&server->signals[i], on_signal, signal_numbers[i]);
	}
	uv_async_init(&server->loop, &server->inbox, on_inbox);
	server->inbox.data = server;
	uv_timer_init(&server->loop, &server->files_timer);
	server->files_timer.data = server;
	uv_timer_init(&server->loop, &server->start_timer);
	server->start_timer.data = server;
	pthread_mutex_init(&server->lock, NULL);
	server->calls = main_calls_new(&server->loop);
	server->cutovers = server_cutovers_new();
}

static bool open_rules(struct server *server, struct error *error_out)
{
	const struct settings_databases *wanted = &server->settings.databases;
	server->databases = memory_zalloc(wanted->count * sizeof(*server->databases));
	for (size_t i = 0; i < wanted->count; i++) {
		server->databases[i].server = server;
		server->databases[i].rules = rules_new(wanted->items[i].name, publish, &server->databases[i]);
		server->database_count = i + 1;
	}
	bool stale;
	return server_load_rules(server, &server->settings, NULL, &stale, error_out);
}

static bool open_listeners(struct server *server, struct error *error_out)
{
	const struct settings *settings = &server->settings;
	struct security *security;
	if (!security_new(&settings->security, &security, error_out))
		return false;
	proxy_set_security(server->proxy, security);
	security_unref(security);
	proxy_set_server(server->proxy, (struct proxy_address){ settings->server.host, settings->server.port });
	for (size_t i = 0; i < settings->listen.count; i++) {
		const struct settings_listener *item = &settings->listen.items[i];
		struct proxy_address address = { item->endpoint.host, item->endpoint.port };
		struct proxy_listener listener = { item->app, item->proxy_protocol };
		if (!proxy_listen(server->proxy, address, listener, error_out))
			return false;
	}
	if (activation_left())
		LOG(LOG_WARNING, "sockets_unused", LOG_UINT("count", activation_left()),
		    LOG_STR("message", "sockets were passed to crossfade whose addresses `listen` does not name"));
	return true;
}

/* Before the first session, so that a probe can see the start. */
static bool open_http(struct server *server, struct error *error_out)
{
	const struct endpoint *endpoint = &server->settings.http;
	if (!endpoint->host)
		return true;
	server->http_report = http_report_new(&server->settings, server->overview);
	struct http_sources sources = { server->overview, server->proxy, server->usage, http_report_json,
					server->http_report };
	if (!http_new(endpoint->host, endpoint->port, &sources, &server->http, error_out))
		return false;
	LOG(LOG_INFO, "http", LOG_STR("address", endpoint->host), LOG_UINT("port", http_port(server->http)));
	if (!http_is_local(server->http))
		LOG(LOG_WARNING, "http_is_open", LOG_STR("address", endpoint->host),
		    LOG_STR("message", "other machines may reach the http port, which asks nobody for a password"));
	return true;
}

static bool open_all(struct server *server, struct error *error_out)
{
	struct proxy_callbacks callbacks = { server, on_stopped, on_facts_stale, server_find_verifier };
	server->files = watch_new(WATCH_SETTLE_MS);
	server_watch_files(server);
	if (!usage_open(&server->settings.usage, &server->usage, error_out))
		return false;
	server->overview = overview_new(server->settings.databases.count);
	overview_set_server(server->overview, server->settings.server.host, server->settings.server.port);
	server->proxy = proxy_new(&server->loop, &server->settings.proxy, server->usage, callbacks);
	server_open_auth_query(server);
	if (!open_rules(server, error_out) || !open_listeners(server, error_out))
		return false;
	declare_entries(server);
	server_recall(server);
	return open_http(server, error_out) && server_open_console(server, error_out);
}

bool server_new(struct settings *settings, const char *config_path, struct server **server_out,
		struct error *error_out)
{
	struct server *server = memory_zalloc(sizeof(*server));
	signal(SIGPIPE, SIG_IGN);
	server->settings = *settings;
	server->config_path = memory_strdup(config_path);
	server_forbid_core_dumps(settings);
	init_loop(server);
	if (!open_all(server, error_out)) {
		server_free(server);
		return false;
	}
	*server_out = server;
	return true;
}

static void watch_catalogs(struct server *server)
{
	char name[SERVER_NAME_BYTES];
	state_make_id(server->id);
	server_name(server, name);
	for (size_t i = 0; i < server->database_count; i++) {
		struct server_database *database = &server->databases[i];
		struct catalog_watcher_settings settings = catalog_watcher_settings_default();
		struct catalog_watcher_callbacks callbacks = { database, on_facts, on_checked, server_pids, server_on_activity };
		settings.dsn = server->settings.databases.items[i].admin_dsn;
		settings.poll_ms = server->settings.poll_ms;
		settings.activity_ms = server->settings.sessions_ms;
		settings.id = server->id;
		settings.name = name;
		if (!settings.dsn)
			continue;
		database->watcher = catalog_watcher_new(&settings, rules_map(database->rules), callbacks);
		overview_set_watcher(server->overview, i, database->watcher);
	}
}

int server_run(struct server *server)
{
	watch_catalogs(server);
	server_join_fleet(server);
	uv_timer_start(&server->files_timer, on_files_timer, FILES_POLL_MS, FILES_POLL_MS);
	if (all_facts_are_here(server))
		start_accepting(server);
	else
		uv_timer_start(&server->start_timer, on_start_timer, FIRST_FACTS_WAIT_MS, 0);
	if (server->status == 0)
		uv_run(&server->loop, UV_RUN_DEFAULT);
	return server->status;
}

static void free_database(struct server_database *database)
{
	catalog_watcher_free(database->watcher);
	facts_unref(database->arrived);
	free(database->seen);
	rules_free(database->rules);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	server_close_console(server);
	server_leave_fleet(server);
	auth_query_free(server->auth_query); /* its answers go to the proxy */
	http_free(server->http);
	http_report_free(server->http_report);
	for (size_t i = 0; i < server->database_count; i++)
		free_database(&server->databases[i]);
	free(server->databases);
	proxy_free(server->proxy);
	overview_free(server->overview);
	usage_close(server->usage);
	watch_free(server->files);
	uv_walk(&server->loop, close_handle, NULL);
	uv_run(&server->loop, UV_RUN_DEFAULT);
	uv_loop_close(&server->loop);
	main_calls_free(server->calls);
	server_cutovers_free(server->cutovers);
	pthread_mutex_destroy(&server->lock);
	settings_deinit(&server->settings);
	free(server->config_path);
	free(server);
}

bool server_check(const struct settings *settings, struct error *error_out)
{
	if (!server_check_security(settings, error_out))
		return false;
	struct users *passwords;
	if (!server_load_passwords(settings, &passwords, error_out))
		return false;
	users_unref(passwords);
	for (size_t i = 0; i < settings->databases.count; i++) {
		const struct settings_database *database = &settings->databases.items[i];
		struct rules *rules = rules_new(database->name, NULL, NULL);
		struct rules_files files = server_files_of(settings, database, NULL);
		struct rules_change *change = NULL;
		bool ok = rules_prepare(rules, &files, &change, error_out);
		if (ok)
			rules_commit(rules, change); /* says what it warns of */
		rules_free(rules);
		if (!ok)
			return false;
	}
	return usage_check(&settings->usage, error_out);
}
