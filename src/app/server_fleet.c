/*
 * Stages that live in the database and are shared by many proxies: what the
 * member of each database (fleet/member.h) finds is brought to the main
 * thread here, and SET FLAG writes there instead of into a file.
 */
#include "app/server_parts.h"

#include "app/error_log.h"
#include "base/clock.h"
#include "base/memory.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, QUERY_MS = 10000, LOOK_US = 2000 };

/* ---- on the member's thread ---- */

static void on_stages(void *context, const char *text)
{
	struct server_database *database = context;
	struct server *server = database->server;
	pthread_mutex_lock(&server->lock);
	free(database->stages_arrived);
	database->stages_arrived = memory_strdup(text);
	pthread_mutex_unlock(&server->lock);
	uv_async_send(&server->inbox);
}

struct look {
	struct server_database *database;
	const char *stages; /* the text of a flags file; NULL: those of before */
	uint64_t *ticket;
	bool done;
};

static void run_poke(void *context)
{
	struct look *look = context;
	if (look->stages)
		rules_expect_stages(look->database->rules, slice_str(look->stages));
	if (!*look->ticket && look->database->watcher)
		*look->ticket = catalog_watcher_poke(look->database->watcher);
}

static void run_looked(void *context)
{
	struct look *look = context;
	struct server_database *database = look->database;
	if (database->looked < *look->ticket)
		return;
	pthread_mutex_lock(&database->server->lock);
	look->done = database->fresh >= *look->ticket;
	pthread_mutex_unlock(&database->server->lock);
	if (!look->done)
		*look->ticket = catalog_watcher_poke(database->watcher); /* it could not be read: again */
}

static bool on_refresh(void *context, const char *stages, uint64_t *ticket, uint32_t timeout_ms)
{
	struct server_database *database = context;
	struct look look = { .database = database, .stages = stages, .ticket = ticket };
	uint64_t until_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
	if (!main_calls_run(database->server->calls, run_poke, &look))
		return true; /* the process is ending */
	while (!look.done && clock_monotonic_us() < until_us) {
		if (!main_calls_run(database->server->calls, run_looked, &look))
			return true;
		usleep(LOOK_US);
	}
	return look.done;
}

struct change_call {
	struct server_database *database;
	const char *stages;
	const struct facts_change *change;
	bool done;
};

static void run_change(void *context)
{
	struct change_call *call = context;
	rules_expect_stages(call->database->rules, slice_str(call->stages));
	call->done = server_take_change(call->database, call->change);
}

static bool on_change(void *context, const char *stages, const struct facts_change *change)
{
	struct server_database *database = context;
	struct change_call call = { database, stages, change, false };
	return main_calls_run(database->server->calls, run_change, &call) && call.done;
}

struct rules_call {
	struct server_database *database;
	struct ruleset *rules;
	bool serving;
};

static void run_rules(void *context)
{
	struct rules_call *call = context;
	const struct ruleset *rules = rules_current(call->database->rules);
	call->rules = rules ? ruleset_ref((struct ruleset *)rules) : NULL;
	call->serving = call->database->server->accepting;
}

static struct ruleset *on_rules(void *context)
{
	struct rules_call call = { .database = context };
	main_calls_run(call.database->server->calls, run_rules, &call);
	return call.rules;
}

static bool on_is_serving(void *context)
{
	struct rules_call call = { .database = context };
	main_calls_run(call.database->server->calls, run_rules, &call);
	ruleset_unref(call.rules);
	return call.serving;
}

/* ---- on the main thread ---- */

void server_take_stages(struct server_database *database)
{
	struct server *server = database->server;
	struct error error;
	pthread_mutex_lock(&server->lock);
	char *text = database->stages_arrived;
	database->stages_arrived = NULL;
	pthread_mutex_unlock(&server->lock);
	if (!text)
		return;
	database->stages_refused = !rules_set_flags(database->rules, slice_str(text), SERVER_STAGES_NAME, &error);
	if (!database->stages_refused) {
		LOG(LOG_INFO, "stages", LOG_STR("database", rules_database(database->rules)));
	} else {
		error_log(LOG_ERROR, "stages_rejected", rules_database(database->rules), &error);
	}
	free(database->stages);
	database->stages = text;
	server_rules_changed(server);
}

void server_name(const struct server *server, char name_out[SERVER_NAME_BYTES])
{
	char host[128] = "";
	gethostname(host, sizeof(host) - 1);
	snprintf(name_out, SERVER_NAME_BYTES, "%s:%u pid %d", host, proxy_port(server->proxy), (int)getpid());
}

/* Several looks fit in. */
static uint32_t lease_ms(uint32_t poll_ms)
{
	uint32_t wanted = 3 * poll_ms;
	return wanted > MEMBER_LEASE_MS ? wanted : MEMBER_LEASE_MS;
}

void server_join_fleet(struct server *server)
{
	char name[SERVER_NAME_BYTES];
	server_name(server, name);
	for (size_t i = 0; i < server->database_count; i++) {
		struct server_database *database = &server->databases[i];
		const struct settings_database *settings = &server->settings.databases.items[i];
		struct member_callbacks callbacks = { database, on_stages, on_refresh, on_change, on_rules, on_is_serving };
		struct member_settings wanted = { .dsn = settings->admin_dsn, .primary_dsn = settings->primary_dsn,
						  .database = settings->name, .name = name, .proxy = server->proxy,
						  .poll_ms = server->settings.poll_ms,
						  .lease_ms = lease_ms(server->settings.poll_ms) };
		if (settings->flags_in_schema && settings->admin_dsn)
			database->member = member_new(&wanted, callbacks);
	}
}

void server_leave_fleet(struct server *server)
{
	for (size_t i = 0; i < server->database_count; i++) {
		struct server_database *database = &server->databases[i];
		member_free(database->member);
		database->member = NULL;
		free(database->stages_arrived);
		free(database->stages);
		database->stages_arrived = database->stages = NULL;
	}
}

/* ---- on a console's thread ---- */

struct catalog_connection *server_connect_state(const char *dsn, struct error *error_out)
{
	struct catalog_connection *connection = NULL;
	if (catalog_connect(dsn, -1, CONNECT_MS, &connection, error_out) && state_ensure(connection, QUERY_MS, error_out))
		return connection;
	catalog_connection_free(connection);
	return NULL;
}

bool server_store_stage(const char *dsn, const struct state_change *change, struct error *error_out)
{
	struct catalog_connection *connection = server_connect_state(dsn, error_out);
	bool ok = connection && state_store(connection, change, QUERY_MS, error_out);
	catalog_connection_free(connection);
	return ok;
}

static int64_t milliseconds(const char *text)
{
	return (int64_t)strtoll(text, NULL, 10);
}

static const char *text_of(struct arena *arena, const PGresult *rows, int row, int column)
{
	return PQgetisnull(rows, row, column) ? NULL : arena_strdup(arena, PQgetvalue(rows, row, column));
}

static struct journal_entry entry_of(struct arena *arena, const char *database, const PGresult *rows, int row)
{
	const char *kind = text_of(arena, rows, row, 2), *outcome = text_of(arena, rows, row, 6);
	const char *detail = text_of(arena, rows, row, 7);
	return (struct journal_entry){
		.at_ms = milliseconds(PQgetvalue(rows, row, 0)),
		.who = text_of(arena, rows, row, 1),
		.action = strcmp(kind, "flag") == 0 ? "set flag" : kind,
		.database = database,
		.table = text_of(arena, rows, row, 3),
		.from = text_of(arena, rows, row, 4),
		.to = text_of(arena, rows, row, 5),
		.outcome = detail ? arena_printf(arena, "%s: %s", outcome, detail) : outcome,
		.reason = text_of(arena, rows, row, 8),
		.forced = PQgetvalue(rows, row, 9)[0] == 't',
	};
}

bool server_read_journal(const char *database, const char *dsn, const char *table, size_t most, struct arena *arena,
			 struct journal_entries *entries_out, struct error *error_out)
{
	static const char sql[] =
		"SELECT (extract(epoch from j.at) * 1000)::bigint, j.who, j.kind, t.name, t.before, t.after, j.outcome, j.detail,"
		" j.reason, j.forced FROM crossfade.journal j LEFT JOIN LATERAL unnest(j.tables, j.from_stages, j.to_stages)"
		" t(name, before, after) ON true WHERE $1 IN ('', t.name) ORDER BY j.at DESC, t.name LIMIT 20000";
	PGresult *rows = NULL;
	struct catalog_connection *connection = server_connect_state(dsn, error_out);
	bool ok = connection && catalog_query_for(connection, sql, table ? table : "", QUERY_MS, &rows, error_out);
	size_t count = ok ? (size_t)PQntuples(rows) : 0;
	if (ok) {
		entries_out->items = ARENA_ARRAY(arena, count + 1, struct journal_entry);
		for (entries_out->count = 0; entries_out->count < count && entries_out->count < most; entries_out->count++)
			entries_out->items[entries_out->count] = entry_of(arena, database, rows, (int)entries_out->count);
	}
	PQclear(rows);
	catalog_connection_free(connection);
	return ok;
}

static void put_proxies(struct console_result *result, const char *database, const char *self, const PGresult *rows)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		const char *id = PQgetvalue(rows, row, 0);
		console_put_text(result, database);
		console_put_text(result, id);
		console_put_text(result, PQgetvalue(rows, row, 1));
		console_put_text(result, PQgetvalue(rows, row, 2));
		console_put_time(result, milliseconds(PQgetvalue(rows, row, 3)));
		console_put_time(result, milliseconds(PQgetvalue(rows, row, 4)));
		console_put_bool(result, PQgetvalue(rows, row, 5)[0] == 't');
		console_put_bool(result, self && strcmp(self, id) == 0);
		console_put_bool(result, PQgetvalue(rows, row, 6)[0] == 't');
		console_put_text(result, PQgetisnull(rows, row, 7) ? NULL : PQgetvalue(rows, row, 7));
		console_put_number(result, milliseconds(PQgetvalue(rows, row, 8)));
		console_put_text(result, PQgetisnull(rows, row, 9) ? NULL : PQgetvalue(rows, row, 9));
	}
}

bool server_show_proxies(const char *database, const char *dsn, const char *self, struct console_result *result,
			 struct error *error_out)
{
	PGresult *rows = NULL;
	struct catalog_connection *connection = server_connect_state(dsn, error_out);
	bool ok = connection &&
		  catalog_query(connection,
				"SELECT id, name, version, (extract(epoch from started_at) * 1000)::bigint, (extract(epoch from "
				"lease_until) * 1000)::bigint, lease_until > clock_timestamp(), standby, map, "
				"coalesce(cardinality(sessions), 0), address FROM crossfade.proxies ORDER BY started_at",
				QUERY_MS, &rows, 1, error_out);
	if (ok)
		put_proxies(result, database, self, rows);
	PQclear(rows);
	catalog_connection_free(connection);
	return ok;
}
