#include "admin/console_show.h"

#include "proxy/snapshot.h"

#include <inttypes.h>

enum { SNAPSHOT_TIMEOUT_MS = 3000 };

/* ---- tables ---- */

static const char *kind_name(enum map_kind kind)
{
	static const char *const names[] = { [MAP_MOVE] = "move", [MAP_TRANSFORM] = "transform",
					     [MAP_IDENTITY] = "identity", [MAP_DROPPED] = "dropped" };
	return names[kind];
}

static void put_name(struct console_result *result, struct rel_name name)
{
	console_put_text(result, name.name ? rel_name_print(result->arena, name) : NULL);
}

static void put_exists(struct console_result *result, const struct ruleset *ruleset,
		       const struct ruleset_entry *entry, enum side side)
{
	if (ruleset->facts)
		console_put_bool(result, entry->relation[side] != NULL);
	else
		console_put_null(result);
}

static void show_entry(struct console_result *result, const char *database, const struct ruleset *ruleset,
		       const struct ruleset_entry *entry)
{
	int32_t group = entry->map->group;
	console_put_text(result, database);
	console_put_text(result, entry->key);
	put_name(result, entry->names[SIDE_NEW]);
	console_put_text(result, kind_name(entry->kind));
	console_put_text(result, stage_name(entry->stage));
	console_put_text(result, side_name(entry->physical));
	console_put_bool(result, entry->drift);
	console_put_text(result, group < 0 ? NULL : ruleset->map->groups[group].name);
	put_exists(result, ruleset, entry, SIDE_OLD);
	put_exists(result, ruleset, entry, SIDE_NEW);
}

static void show_tables(const struct console_sources *sources, struct console_result *result)
{
	struct overview_databases databases;
	overview_databases(sources->overview, &databases);
	for (size_t i = 0; i < databases.count; i++) {
		const struct ruleset *ruleset = databases.items[i].ruleset;
		for (size_t k = 0; ruleset && k < ruleset->entry_count; k++)
			show_entry(result, databases.items[i].name, ruleset, &ruleset->entries[k]);
	}
	overview_databases_deinit(&databases);
}

/* ---- usage ---- */

static void put_use(void *context, const struct usage_tally_row *row)
{
	struct console_result *result = context;
	console_put_text(result, row->database);
	console_put_text(result, row->table);
	console_put_text(result, side_name(row->side));
	console_put_number(result, (int64_t)row->unchanged);
	console_put_number(result, (int64_t)row->rewritten);
	console_put_number(result, (int64_t)row->refused);
	console_put_number(result, (int64_t)row->errors);
}

static void show_usage(const struct console_sources *sources, struct console_result *result)
{
	if (sources->usage)
		usage_totals(sources->usage, put_use, result);
}

/* ---- sessions and caches ---- */

static void put_client(struct console_result *result, const struct snapshot_session *session)
{
	console_put_number(result, (int64_t)session->id);
	console_put_text(result, session->database);
	console_put_text(result, session->user);
	console_put_text(result, session->application);
	console_put_text(result, session->address);
	console_put_text(result, session->state);
	console_put_text(result, session->waits_for);
	console_put_time(result, session->began_ms);
	console_put_number(result, (int64_t)session->bytes_from_client);
	console_put_number(result, (int64_t)session->ruleset);
	console_put_number(result, session->worker);
}

static void put_number_or_null(struct console_result *result, uint64_t number)
{
	if (number)
		console_put_number(result, (int64_t)number);
	else
		console_put_null(result);
}

static void put_server(struct console_result *result, const struct snapshot_session *session)
{
	if (!session->server[0])
		return;
	console_put_number(result, (int64_t)session->id);
	console_put_text(result, session->database);
	console_put_text(result, session->user);
	console_put_text(result, session->server);
	put_number_or_null(result, session->server_pid);
	console_put_text(result, session->state);
	console_put_text(result, session->transaction);
	console_put_number(result, session->requests);
	console_put_number(result, (int64_t)session->bytes_from_server);
	console_put_number(result, session->worker);
}

static void show_sessions(const struct console_sources *sources, struct console_result *result,
			  void (*put)(struct console_result *, const struct snapshot_session *))
{
	struct snapshot *snapshot = snapshot_take(sources->proxy, SNAPSHOT_TIMEOUT_MS);
	for (size_t i = 0; i < snapshot->worker_count; i++) {
		const struct snapshot_worker *worker = &snapshot->workers[i];
		for (size_t k = 0; k < worker->session_count; k++)
			put(result, &worker->sessions[k]);
	}
	snapshot_free(snapshot);
}

static void show_cache(const struct console_sources *sources, struct console_result *result)
{
	struct snapshot *snapshot = snapshot_take(sources->proxy, SNAPSHOT_TIMEOUT_MS);
	for (size_t i = 0; i < snapshot->worker_count; i++) {
		const struct snapshot_worker *worker = &snapshot->workers[i];
		if (!worker->answered)
			continue;
		console_put_number(result, worker->worker);
		console_put_number(result, (int64_t)worker->cache.entries);
		console_put_number(result, (int64_t)worker->cache.bytes);
		console_put_number(result, (int64_t)worker->cache.hits);
		console_put_number(result, (int64_t)worker->cache.recipe_hits);
		console_put_number(result, (int64_t)worker->cache.misses);
		console_put_number(result, (int64_t)worker->cache.evicted);
	}
	snapshot_free(snapshot);
}

/* ---- counters ---- */

static void put_stat(struct console_result *result, const char *name, const char *value)
{
	console_put_text(result, name);
	console_put_text(result, value);
}

static void put_count(struct console_result *result, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_stat(result, name, text);
}

static void put_ages(const struct console_sources *sources, struct console_result *result)
{
	struct overview_databases databases;
	char name[96], text[24];
	overview_databases(sources->overview, &databases);
	for (size_t i = 0; i < databases.count; i++) {
		const struct overview_database *database = &databases.items[i];
		snprintf(name, sizeof(name), "facts_age_ms.%s", database->name);
		snprintf(text, sizeof(text), "%" PRId64, database->facts_age_ms);
		put_stat(result, name, database->facts_age_ms < 0 ? NULL : text);
		snprintf(name, sizeof(name), "ruleset.%s", database->name);
		put_count(result, name, database->ruleset ? database->ruleset->version : 0);
	}
	overview_databases_deinit(&databases);
}

static void put_closed(struct console_result *result, const struct proxy_stats *stats)
{
	char name[64];
	for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
		snprintf(name, sizeof(name), "closed.%s", close_reason_name((enum close_reason)i));
		put_count(result, name, stats->closed[i]);
	}
}

static void show_stats(const struct console_sources *sources, struct console_result *result)
{
	static const char *const phases[] = { [OVERVIEW_STARTING] = "starting", [OVERVIEW_READY] = "ready",
					      [OVERVIEW_DRAINING] = "draining" };
	struct proxy_stats proxy;
	struct usage_stats usage;
	proxy_stats(sources->proxy, &proxy);
	usage_stats(sources->usage, &usage);
	put_stat(result, "phase", phases[overview_phase(sources->overview)]);
	put_stat(result, "rewriting", overview_rewriting(sources->overview) ? "on" : "off");
	put_count(result, "started_at_ms", (uint64_t)sources->started_ms);
	put_count(result, "sessions", proxy.sessions);
	put_count(result, "sessions_total", proxy.sessions_total);
	put_count(result, "bytes_from_client", proxy.bytes_from_client);
	put_count(result, "bytes_from_server", proxy.bytes_from_server);
	put_count(result, "messages_from_client", proxy.messages_from_client);
	put_count(result, "messages_from_server", proxy.messages_from_server);
	put_count(result, "statements_unchanged", proxy.statements_unchanged);
	put_count(result, "statements_rewritten", proxy.statements_rewritten);
	put_count(result, "statements_refused", proxy.statements_refused);
	put_count(result, "hidden_exchanges", proxy.hidden_exchanges);
	put_count(result, "reprepared", proxy.reprepared);
	put_count(result, "retried", proxy.retried);
	put_count(result, "parked", proxy.parked);
	put_count(result, "parked_total", proxy.parked_total);
	put_count(result, "cancels", proxy.cancels);
	put_count(result, "usage_statements", usage.statements);
	put_count(result, "usage_lost", usage.lost);
	put_count(result, "usage_failures", usage.failures);
	put_count(result, "usage_lag_ms", usage.lag_ms);
	put_ages(sources, result);
	put_closed(result, &proxy);
}

static void show_help(struct console_result *result)
{
	for (int i = 0; i < CONSOLE_VERB_COUNT; i++) {
		const struct console_command *command = console_command((enum console_verb)i);
		if (command->help)
			put_stat(result, command->syntax, command->help);
	}
}

bool console_show(const struct console_sources *sources, enum console_verb verb, struct console_result *result)
{
	switch (verb) {
	case CONSOLE_SHOW_TABLES: show_tables(sources, result); return true;
	case CONSOLE_SHOW_USAGE: show_usage(sources, result); return true;
	case CONSOLE_SHOW_CLIENTS: show_sessions(sources, result, put_client); return true;
	case CONSOLE_SHOW_SERVERS: show_sessions(sources, result, put_server); return true;
	case CONSOLE_SHOW_CACHE: show_cache(sources, result); return true;
	case CONSOLE_SHOW_STATS: show_stats(sources, result); return true;
	case CONSOLE_SHOW_VERSION: console_put_text(result, CROSSFADE_VERSION); return true;
	case CONSOLE_SHOW_HELP: show_help(result); return true;
	default: return false;
	}
}
