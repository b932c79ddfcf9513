#include "catalog/activity.h"

#include <libpq-fe.h>
#include <stdlib.h>

/*
 * Workers of a parallel query belong to a session that is listed itself, and
 * our own connections (of any process of ours) say who they are. What a role
 * without pg_read_all_stats may not see of others comes as NULL.
 */
static const char query[] =
	"SELECT pg_catalog.current_database(), a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),"
	" CASE WHEN a.client_addr IS NOT NULL THEN pg_catalog.host(a.client_addr) WHEN a.client_port = -1 THEN 'local' END,"
	" a.backend_type, extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start) * 1000,"
	" a.datname = pg_catalog.current_database() FROM pg_catalog.pg_stat_activity a WHERE a.datname IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() AND a.usename IS NOT NULL"
	" AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'parallel worker')"
	" AND NOT (a.application_name IN ('crossfade', 'crossfade cutover', 'crossfade member') AND a.usename = current_user) ORDER BY a.pid";

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
			.pid = (uint32_t)strtoul(PQgetvalue(result, row, 1), NULL, 10),
			.user = keep(activity, result, row, 2),
			.application = keep(activity, result, row, 3),
			.address = keep(activity, result, row, 4),
			.kind = keep(activity, result, row, 5),
			.is_here = PQgetvalue(result, row, 7)[0] == 't',
			.age_ms = PQgetisnull(result, row, 6) ? -1 : (int64_t)strtod(PQgetvalue(result, row, 6), NULL),
		};
}

bool activity_load(struct catalog_connection *connection, uint32_t timeout_ms, struct activity *activity_out,
		   struct error *error_out)
{
	PGresult *results[2];
	struct activity activity = { 0 };
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT pg_catalog.current_database();");
	buf_append_str(&sql, query);
	bool ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, results, 2, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	arena_init(&activity.arena);
	activity.database = keep(&activity, results[0], 0, 0);
	take(&activity, results[1]);
	PQclear(results[0]);
	PQclear(results[1]);
	*activity_out = activity;
	return true;
}

void activity_deinit(struct activity *activity)
{
	arena_deinit(&activity->arena);
}
