/*
 * Keeping the file within its bounds: hours become days, old days go, stale
 * statements make room. Totals in the table uses never change by it.
 */
#include "usage/store_db.h"

#include "base/clock.h"
#include "usage/schema.h"

enum { OBSERVATIONS_MAX = 10000, FLIPS_MAX = 10000, BYPASSES_MAX = 10000, STALE_DAYS = 60, HOUR_S = 3600 };
#define DAY_S INT64_C(86400)

static bool run_until(struct usage_store *store, enum sql_id id, int64_t value)
{
	sqlite3_bind_int64(store_sql(store, id), 1, value);
	return store_run(store, id);
}

static bool roll_up(struct usage_store *store, int64_t before_s)
{
	return run_until(store, SQL_ROLL_UP, before_s) && run_until(store, SQL_DROP_ROLLED_UP, before_s);
}

static bool series_rows(struct usage_store *store, size_t *rows_out, size_t *days_out)
{
	sqlite3_stmt *statement = store_sql(store, SQL_SERIES_ROWS);
	bool ok = sqlite3_step(statement) == SQLITE_ROW;
	*rows_out = ok ? (size_t)sqlite3_column_int64(statement, 0) : 0;
	*days_out = ok ? (size_t)sqlite3_column_int64(statement, 1) : 0;
	sqlite3_reset(statement);
	return ok;
}

/* Too many rows: fewer hours first, then the oldest days go. The totals in uses stay. */
static bool bound_series(struct usage_store *store, int64_t now_s)
{
	static const int64_t hourly_s[] = { DAY_S, 2 * HOUR_S };
	size_t rows, days;
	if (!series_rows(store, &rows, &days))
		return false;
	for (size_t i = 0; i < 2 && rows > store->settings.series_max; i++) {
		if (!roll_up(store, (now_s - hourly_s[i]) / HOUR_S * HOUR_S) || !series_rows(store, &rows, &days))
			return false;
	}
	while (rows > store->settings.series_max && days) {
		if (!store_run(store, SQL_DROP_OLDEST_DAY) || !series_rows(store, &rows, &days))
			return false;
	}
	return true;
}

static bool is_filling(size_t count, size_t max)
{
	return count > max - max / 10;
}

/*
 * Near a bound, statements nobody has run for long make room for new ones:
 * their counts go to the "(other)" statement of the same table and client.
 */
static bool forget_stale(struct usage_store *store, int64_t now_s)
{
	static const enum sql_id steps[] = { SQL_FORGET_USES, SQL_FORGET_HOURS, SQL_DROP_FORGOTTEN_HOURS,
					     SQL_FORGET_DAYS, SQL_DROP_FORGOTTEN_DAYS, SQL_DROP_FORGOTTEN_USES,
					     SQL_FORGET_COLUMNS, SQL_DROP_FORGOTTEN_COLUMNS };
	if (!is_filling(store->statement_count, store->settings.shapes_max) &&
	    !is_filling(store->identity_count, store->settings.identities_max) &&
	    !is_filling(store->use_count, store->settings.uses_max) &&
	    !is_filling(store->column_count, store->settings.uses_max) &&
	    !is_filling(store->statement_column_count, store->settings.uses_max))
		return true;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!run_until(store, steps[i], (now_s - STALE_DAYS * DAY_S) * 1000))
			return false;
	}
	store->generation = store_next_generation();
	return store_run(store, SQL_DROP_UNUSED_STATEMENTS) && store_run(store, SQL_DROP_UNUSED_FORECASTS) &&
	       store_run(store, SQL_DROP_UNUSED_STATEMENT_COLUMNS) &&
	       store_run(store, SQL_DROP_UNUSED_IDENTITIES) && store_recount(store);
}

static bool maintain(struct usage_store *store)
{
	int64_t now_s = clock_wall_ms() / 1000;
	int64_t today_s = now_s / DAY_S * DAY_S;
	return roll_up(store, today_s - store->settings.hours_days * DAY_S) &&
	       run_until(store, SQL_DROP_DAYS, today_s - store->settings.keep_days * DAY_S) &&
	       run_until(store, SQL_TRIM_OBSERVATIONS, OBSERVATIONS_MAX) &&
	       run_until(store, SQL_TRIM_FLIPS, FLIPS_MAX) && run_until(store, SQL_TRIM_BYPASSES, BYPASSES_MAX) &&
	       bound_series(store, now_s) &&
	       forget_stale(store, now_s);
}

bool usage_store_maintain(struct usage_store *store, struct error *error_out)
{
	if (store_begin(store) && maintain(store) && store_run(store, SQL_COMMIT))
		return true;
	usage_schema_error(store->db, store->path, "tidy up", error_out);
	store_undo(store);
	return false;
}
