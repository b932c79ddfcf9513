/*
 * Keeping the shared ledger within its bounds; whichever proxy comes first
 * does it, the others pass. As for a file (usage/store_upkeep.c): hours become
 * days, old days go, stale statements make room, totals stay.
 */
#include "shared/parts.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdlib.h>

enum { HOUR_S = 3600, STALE_DAYS = 60, OBSERVATIONS_MAX = 10000, FLIPS_MAX = 10000, BYPASSES_MAX = 10000 };
#define DAY_S INT64_C(86400)

struct upkeep {
	struct usage_shared *shared;
	struct error *error;
	int64_t now_s;
};

static bool step(struct upkeep *u, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool step(struct upkeep *u, const char *format, ...)
{
	char sql[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	return shared_run(u->shared, sql, NULL, u->error);
}

static bool number(struct upkeep *u, const char *table, size_t *count_out)
{
	PGresult *result;
	char sql[256];
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s.usage_%s", u->shared->schema, table);
	if (!shared_run(u->shared, sql, &result, u->error))
		return false;
	*count_out = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return true;
}

#define ADD                                                                                        \
	" ok_count = t.ok_count + excluded.ok_count, error_count = t.error_count + excluded.error_count," \
	" refused_count = t.refused_count + excluded.refused_count, row_count = t.row_count + excluded.row_count"

static bool roll_up(struct upkeep *u, int64_t before_s)
{
	const char *schema = u->shared->schema;
	return step(u,
		    "WITH gone AS (DELETE FROM %s.usage_hours WHERE start_s < %lld RETURNING *) INSERT INTO %s.usage_days AS t"
		    " (start_s, use, ok_count, error_count, refused_count, row_count) SELECT start_s / 86400 * 86400, use,"
		    " sum(ok_count), sum(error_count), sum(refused_count), sum(row_count) FROM gone GROUP BY 1, 2"
		    " ON CONFLICT (start_s, use) DO UPDATE SET" ADD, schema, (long long)before_s, schema);
}

static bool series_rows(struct upkeep *u, size_t *rows_out, size_t *days_out)
{
	size_t hours;
	if (!number(u, "hours", &hours) || !number(u, "days", days_out))
		return false;
	*rows_out = hours + *days_out;
	return true;
}

static bool bound_series(struct upkeep *u)
{
	const char *schema = u->shared->schema;
	size_t rows, days, most = u->shared->settings.series_max;
	if (!series_rows(u, &rows, &days))
		return false;
	if (rows > most && (!roll_up(u, (u->now_s - 2 * HOUR_S) / HOUR_S * HOUR_S) || !series_rows(u, &rows, &days)))
		return false;
	while (rows > most && days) {
		if (!step(u, "DELETE FROM %s.usage_days WHERE start_s = (SELECT min(start_s) FROM %s.usage_days)", schema, schema) ||
		    !series_rows(u, &rows, &days))
			return false;
	}
	return true;
}

/* Their counts go to the "(other)" statement of the same table and client; so does what the series has of them. */
static bool forget_uses(struct upkeep *u, int64_t before_ms)
{
	const char *schema = u->shared->schema;
	return step(u,
		    "WITH gone AS (DELETE FROM %s.usage_uses WHERE statement <> 0 AND last_ms < %lld RETURNING *)"
		    " INSERT INTO %s.usage_uses AS t (entry, statement, identity, side, kind, rewritten, refused, unparsed, ok_count,"
		    " error_count, refused_count, row_count, first_ms, last_ms) SELECT entry, 0, identity, side, kind, rewritten,"
		    " refused, unparsed, sum(ok_count), sum(error_count), sum(refused_count), sum(row_count), min(first_ms),"
		    " max(last_ms) FROM gone GROUP BY entry, identity, side, kind, rewritten, refused, unparsed"
		    " ON CONFLICT (entry, statement, identity, side, kind, rewritten, refused, unparsed) DO UPDATE SET" ADD
		    ", first_ms = least(t.first_ms, excluded.first_ms), last_ms = greatest(t.last_ms, excluded.last_ms)",
		    schema, (long long)before_ms, schema) &&
	       step(u, "DELETE FROM %s.usage_days d WHERE NOT EXISTS (SELECT FROM %s.usage_uses u WHERE u.id = d.use)", schema, schema) &&
	       step(u, "DELETE FROM %s.usage_hours h WHERE NOT EXISTS (SELECT FROM %s.usage_uses u WHERE u.id = h.use)", schema, schema);
}

static bool drop_unused(struct upkeep *u)
{
	const char *schema = u->shared->schema;
	return step(u, "DELETE FROM %s.usage_statements s WHERE id <> 0 AND NOT EXISTS (SELECT FROM %s.usage_uses u"
		       " WHERE u.statement = s.id)", schema, schema) &&
	       step(u, "DELETE FROM %s.usage_forecasts f WHERE NOT EXISTS (SELECT FROM %s.usage_statements s"
		       " WHERE s.id = f.statement)", schema, schema) &&
	       step(u, "DELETE FROM %s.usage_statement_columns c WHERE NOT EXISTS (SELECT FROM %s.usage_statements s"
		       " WHERE s.id = c.statement)", schema, schema) &&
	       step(u, "DELETE FROM %s.usage_identities i WHERE id <> 0 AND NOT EXISTS (SELECT FROM %s.usage_uses u"
		       " WHERE u.identity = i.id) AND NOT EXISTS (SELECT FROM %s.usage_column_uses c WHERE c.identity = i.id)",
		    schema, schema, schema);
}

/* Other proxies know ids of what goes: a ledger with another name makes them ask again. */
static bool rename_ledger(struct upkeep *u)
{
	return step(u, "UPDATE %s.usage_meta SET value = md5(random()::text || clock_timestamp()::text) WHERE key = 'ledger'",
		    u->shared->schema);
}

static bool is_filling(size_t count, size_t max)
{
	return count > max - max / 10;
}

static bool forget_stale(struct upkeep *u)
{
	const struct usage_settings *settings = &u->shared->settings;
	size_t uses, statements, identities;
	if (!number(u, "uses", &uses) || !number(u, "statements", &statements) || !number(u, "identities", &identities))
		return false;
	if (!is_filling(uses, settings->uses_max) && !is_filling(statements, settings->shapes_max) &&
	    !is_filling(identities, settings->identities_max))
		return true;
	return forget_uses(u, (u->now_s - STALE_DAYS * DAY_S) * 1000) && drop_unused(u) && rename_ledger(u);
}

static bool trim(struct upkeep *u, const char *table, const char *by, int most)
{
	return step(u, "DELETE FROM %s.usage_%s WHERE id NOT IN (SELECT id FROM %s.usage_%s ORDER BY %s DESC LIMIT %d)",
		    u->shared->schema, table, u->shared->schema, table, by, most);
}

static bool maintain(struct upkeep *u)
{
	const struct usage_settings *settings = &u->shared->settings;
	int64_t today_s = u->now_s / DAY_S * DAY_S;
	return roll_up(u, today_s - settings->hours_days * DAY_S) &&
	       step(u, "DELETE FROM %s.usage_days WHERE start_s < %lld", u->shared->schema,
		    (long long)(today_s - settings->keep_days * DAY_S)) &&
	       bound_series(u) && trim(u, "observations", "heartbeat_ms", OBSERVATIONS_MAX) && trim(u, "flips", "at_ms", FLIPS_MAX) &&
	       trim(u, "bypasses", "last_ms", BYPASSES_MAX) && forget_stale(u);
}

bool shared_maintain(struct usage_shared *shared, struct error *error_out)
{
	struct upkeep u = { shared, error_out, clock_wall_ms() / 1000 };
	PGresult *result;
	if (!shared_connect(shared, error_out) || !shared_run(shared, "BEGIN", NULL, error_out))
		return false;
	bool ok = shared_run(shared, "SELECT pg_try_advisory_xact_lock(1128682861)", &result, error_out);
	bool ours = ok && PQgetvalue(result, 0, 0)[0] == 't';
	if (ok)
		PQclear(result);
	ok = ok && (!ours || maintain(&u)) && shared_run(shared, "COMMIT", NULL, error_out);
	if (!ok)
		shared_disconnect(shared);
	return ok;
}
