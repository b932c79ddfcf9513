#include "catalog/activity.h"

#include "catalog/own_schema.h"

#include <libpq-fe.h>
#include <stdlib.h>

/* ---- what proxies say of themselves ---- */

static const char table_sql[] =
	"CREATE TABLE IF NOT EXISTS crossfade.presences (proxy text PRIMARY KEY, name text NOT NULL,"
	" pids int[] NOT NULL, at timestamptz NOT NULL, every_ms bigint NOT NULL)";

enum place { PLACE_NONE, PLACE_SCHEMA, PLACE_TABLE };

static const char place_sql[] =
	"SELECT CASE WHEN pg_catalog.has_table_privilege(pg_catalog.to_regclass('crossfade.presences'),"
	" 'INSERT, UPDATE, DELETE') THEN 2 WHEN pg_catalog.to_regclass('crossfade.presences') IS NULL AND"
	" pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('crossfade'), 'CREATE') THEN 1 ELSE 0 END,"
	" pg_catalog.pg_is_in_recovery()";

static bool find_place(struct catalog_connection *connection, uint32_t timeout_ms, enum place *place_out,
		       struct error *error_out)
{
	PGresult *result;
	if (!catalog_query(connection, place_sql, timeout_ms, &result, 1, error_out))
		return false;
	bool readonly = PQgetvalue(result, 0, 1)[0] == 't';
	*place_out = readonly ? PLACE_NONE : (enum place)atoi(PQgetvalue(result, 0, 0));
	PQclear(result);
	return true;
}

static void append_presence(struct catalog_connection *connection, const struct activity_presence *presence,
			    struct buf *sql)
{
	buf_append_str(sql, "INSERT INTO crossfade.presences VALUES (");
	catalog_append_literal(connection, sql, presence->id);
	buf_append_str(sql, ", ");
	catalog_append_literal(connection, sql, presence->name);
	buf_append_str(sql, ", '{");
	for (size_t i = 0; i < presence->count; i++)
		buf_printf(sql, "%s%u", i ? "," : "", presence->pids[i]);
	buf_printf(sql,
		   "}', pg_catalog.clock_timestamp(), %u) ON CONFLICT (proxy) DO UPDATE SET pids = excluded.pids, at = "
		   "excluded.at, every_ms = excluded.every_ms;"
		   "DELETE FROM crossfade.presences WHERE at < pg_catalog.clock_timestamp() - interval '1 day'",
		   presence->every_ms);
}

bool activity_tell(struct catalog_connection *connection, const struct activity_presence *presence, uint32_t timeout_ms,
		   struct error *error_out)
{
	enum place place;
	struct buf sql;
	if (!find_place(connection, timeout_ms, &place, error_out))
		return false;
	if (place == PLACE_SCHEMA && (!catalog_execute(connection, table_sql, timeout_ms, error_out) ||
				      !own_schema_grant(connection, "crossfade", timeout_ms, error_out)))
		return false;
	if (place == PLACE_NONE)
		return true;
	buf_init(&sql);
	append_presence(connection, presence, &sql);
	bool ok = catalog_execute(connection, buf_cstr(&sql), timeout_ms, error_out);
	buf_deinit(&sql);
	return ok;
}

/* ---- who is connected ---- */

/* Whether members of a fleet say it too, each with its lease. */
static const char told_sql[] =
	"SELECT pg_catalog.current_database(),"
	" coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('crossfade.presences'), 'SELECT'), false),"
	" coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('crossfade.proxies'), 'SELECT'), false) AND"
	" EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('crossfade.proxies') AND"
	"  attname = 'sessions' AND NOT attisdropped)";

/* A process that began later than that has taken over the number of one that ended. */
#define TOLD_BY_PRESENCE "SELECT pg_catalog.unnest(pids) AS pid, at AS until FROM crossfade.presences"
#define TOLD_BY_MEMBER "SELECT pg_catalog.unnest(sessions) AS pid, lease_until AS until FROM crossfade.proxies"
#define TOLD_BY_NOBODY "SELECT NULL::int AS pid, NULL::timestamptz AS until WHERE false"

/*
 * Workers of a parallel query belong to a session that is listed itself, and
 * our own connections (of any process of ours) say who they are. What a role
 * without pg_read_all_stats may not see of others comes as NULL.
 */
static const char sessions_sql[] =
	"SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),"
	" CASE WHEN a.client_addr IS NOT NULL THEN pg_catalog.host(a.client_addr) WHEN a.client_port = -1 THEN 'local' END,"
	" a.backend_type, extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start) * 1000,"
	" a.datname = pg_catalog.current_database(),"
	" EXISTS (SELECT FROM told WHERE told.pid = a.pid AND coalesce(a.backend_start < told.until, true))"
	" FROM pg_catalog.pg_stat_activity a WHERE a.datname IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() AND a.usename IS NOT NULL"
	" AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'parallel worker')"
	" AND NOT ((a.application_name = 'crossfade' OR a.application_name LIKE 'crossfade %') AND a.usename = current_user)"
	" ORDER BY a.pid";

static const char *keep(struct activity *activity, const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL
						: arena_strdup(&activity->arena, PQgetvalue(result, row, column));
}

static void take(struct activity *activity, const PGresult *result)
{
	activity->sessions = ARENA_ARRAY(&activity->arena, (size_t)PQntuples(result) + 1, struct activity_session);
	for (int row = 0; row < PQntuples(result); row++)
		activity->sessions[activity->count++] = (struct activity_session){
			.pid = (uint32_t)strtoul(PQgetvalue(result, row, 0), NULL, 10),
			.user = keep(activity, result, row, 1),
			.application = keep(activity, result, row, 2),
			.address = keep(activity, result, row, 3),
			.kind = keep(activity, result, row, 4),
			.is_here = PQgetvalue(result, row, 6)[0] == 't',
			.age_ms = PQgetisnull(result, row, 5) ? -1 : (int64_t)strtod(PQgetvalue(result, row, 5), NULL),
			.of_proxy = PQgetvalue(result, row, 7)[0] == 't',
		};
}

/* Who has not said anything for three times as long as usual is gone. */
static void append_told_ms(struct catalog_connection *connection, bool by_presence, const char *own, struct buf *sql)
{
	if (!by_presence) {
		buf_append_str(sql, "SELECT 0");
		return;
	}
	buf_append_str(sql, "SELECT coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - min(at)) * 1000, 0) FROM"
			    " crossfade.presences WHERE at > pg_catalog.clock_timestamp() - 3 * every_ms * interval '1 ms'"
			    " AND proxy <> ");
	catalog_append_literal(connection, sql, own ? own : "");
}

static void append_all(struct catalog_connection *connection, const PGresult *told, const char *own, struct buf *sql)
{
	bool by_presence = PQgetvalue(told, 0, 1)[0] == 't', by_member = PQgetvalue(told, 0, 2)[0] == 't';
	append_told_ms(connection, by_presence, own, sql);
	buf_printf(sql, ";WITH told AS MATERIALIZED (%s%s%s) %s", by_presence ? TOLD_BY_PRESENCE : TOLD_BY_NOBODY,
		   by_member ? " UNION ALL " : "", by_member ? TOLD_BY_MEMBER : "", sessions_sql);
}

bool activity_load(struct catalog_connection *connection, const char *own, uint32_t timeout_ms,
		   struct activity *activity_out, struct error *error_out)
{
	PGresult *told, *results[2];
	struct activity activity = { 0 };
	struct buf sql;
	if (!catalog_query(connection, told_sql, timeout_ms, &told, 1, error_out))
		return false;
	buf_init(&sql);
	append_all(connection, told, own, &sql);
	bool ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, results, 2, error_out);
	buf_deinit(&sql);
	if (ok) {
		arena_init(&activity.arena);
		activity.database = keep(&activity, told, 0, 0);
		activity.told_ms = (int64_t)strtod(PQgetvalue(results[0], 0, 0), NULL);
		take(&activity, results[1]);
		PQclear(results[0]);
		PQclear(results[1]);
		*activity_out = activity;
	}
	PQclear(told);
	return ok;
}

void activity_deinit(struct activity *activity)
{
	arena_deinit(&activity->arena);
}
