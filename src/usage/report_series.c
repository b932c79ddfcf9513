#include "usage/report_series.h"

#include "usage/report_index.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

static const char series_sql[] =
	"SELECT e.table_name, u.side, b.span_s, b.start_s, sum(b.ok_count + b.error_count + b.refused_count)"
	" FROM (SELECT 3600 AS span_s, * FROM hours UNION ALL SELECT 86400, * FROM days) b"
	" JOIN uses u ON u.id = b.use JOIN entries e ON e.id = u.entry JOIN identities i ON i.id = u.identity"
	" WHERE b.start_s >= ?4 AND (?1 IS NULL OR e.table_name = ?1 OR e.new_name = ?1)"
	" AND (?2 IS NULL OR i.application = ?2) AND (?3 IS NULL OR i.user = ?3)"
	" GROUP BY u.entry, u.side, b.span_s, b.start_s";

int64_t report_hours_from_ms(const struct report *report)
{
	int64_t hour = report->filter.now_ms / 1000 / HOUR_S;
	return (hour - REPORT_HOURS + 1) * HOUR_S * 1000;
}

int64_t report_days_from_ms(const struct report *report)
{
	int64_t day = report->filter.now_ms / 1000 / DAY_S;
	return (day - REPORT_DAYS + 1) * DAY_S * 1000;
}

static void add(uint64_t *counts, int64_t size, int64_t at, uint64_t more)
{
	if (at >= 0 && at < size)
		counts[at] += more;
}

static void read_row(struct report *report, sqlite3_stmt *statement)
{
	const char *name = (const char *)sqlite3_column_text(statement, 0);
	const char *side_text = (const char *)sqlite3_column_text(statement, 1);
	int64_t start_s = sqlite3_column_int64(statement, 3);
	uint64_t count = (uint64_t)sqlite3_column_int64(statement, 4);
	if (!name || !side_text)
		return;
	struct report_table *table = report_table_of(report, name);
	enum side side = strcmp(side_text, "new") == 0 ? SIDE_NEW : SIDE_OLD;
	if (sqlite3_column_int(statement, 2) == HOUR_S)
		add(table->hours[side], REPORT_HOURS, (start_s - report_hours_from_ms(report) / 1000) / HOUR_S, count);
	add(table->days[side], REPORT_DAYS, (start_s - report_days_from_ms(report) / 1000) / DAY_S, count);
}

static void bind_name(sqlite3_stmt *statement, int index, const char *text)
{
	if (text)
		sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

bool report_read_series(struct report *report, sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, series_sql, -1, &statement, NULL);
	if (result == SQLITE_OK) {
		bind_name(statement, 1, report->filter.table);
		bind_name(statement, 2, report->filter.application);
		bind_name(statement, 3, report->filter.user);
		sqlite3_bind_int64(statement, 4, report_days_from_ms(report) / 1000);
		while ((result = sqlite3_step(statement)) == SQLITE_ROW)
			read_row(report, statement);
	}
	sqlite3_finalize(statement);
	return result == SQLITE_DONE;
}
