/* Reading a ledger's file into a report, while a proxy may be writing it. */
#include "usage/report.h"

#include "base/memory.h"
#include "usage/report_index.h"
#include "usage/report_series.h"
#include "usage/schema.h"
#include "usage/shared.h"

#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 5000, RUNNING_MS = 30000, DAY_MS = 86400000 };

#define ROW_COLUMNS                                                                                \
	"SELECT e.table_name, u.side, u.kind, i.database, i.user, i.application, i.address, i.controller," \
	" i.route, i.action, s.text, s.hash, u.rewritten, u.unparsed, "
#define ROW_TABLES                                                                                 \
	" JOIN entries e ON e.id = u.entry JOIN identities i ON i.id = u.identity"                 \
	" JOIN statements s ON s.id = u.statement"
#define ROW_FILTER                                                                                 \
	" WHERE (?1 IS NULL OR e.table_name = ?1 OR e.new_name = ?1)"                              \
	" AND (?2 IS NULL OR i.application = ?2) AND (?3 IS NULL OR i.user = ?3)"

static const char totals_sql[] = ROW_COLUMNS
	"u.ok_count, u.error_count, u.refused_count, u.row_count, u.first_ms, u.last_ms FROM uses u" ROW_TABLES ROW_FILTER;

static const char window_sql[] = ROW_COLUMNS
	"b.ok, b.errors, b.refused, b.row_count, max(u.first_ms, b.from_s * 1000),"
	" min(u.last_ms, b.until_s * 1000 - 1) FROM (SELECT use, sum(ok_count) AS ok, sum(error_count) AS errors,"
	"  sum(refused_count) AS refused, sum(row_count) AS row_count, min(start_s) AS from_s,"
	"  max(start_s + span_s) AS until_s FROM"
	"  (SELECT 3600 AS span_s, * FROM hours UNION ALL SELECT 86400, * FROM days)"
	"  WHERE (?4 = 0 OR start_s + span_s > ?4) AND (?5 = 0 OR start_s < ?5) GROUP BY use) b"
	" JOIN uses u ON u.id = b.use" ROW_TABLES ROW_FILTER;

static const char old_sql[] =
	"SELECT e.table_name, i.application, i.user, sum(u.ok_count), sum(u.error_count), max(u.last_ms)"
	" FROM uses u" ROW_TABLES ROW_FILTER " AND u.side = 'old' GROUP BY u.entry, i.application, i.user, u.refused";

static const char entries_sql[] =
	"SELECT table_name, new_name, stage, declared_ms, withdrawn_ms IS NULL AND declared_ms IS NOT NULL,"
	" deprecated FROM entries WHERE (?1 IS NULL OR table_name = ?1 OR new_name = ?1)";

static const char observations_sql[] =
	"SELECT host, version, pid, started_ms, heartbeat_ms, stopped_ms, lost, broken_off FROM observations ORDER BY started_ms";

static const char series_sql[] =
	"SELECT min(start_s) FROM (SELECT min(start_s) AS start_s FROM hours UNION ALL SELECT min(start_s) FROM days)";

static const char columns_sql[] =
	"SELECT e.table_name, c.side, i.application, c.column_name, c.count, c.last_ms FROM column_uses c"
	" JOIN entries e ON e.id = c.entry JOIN identities i ON i.id = c.identity" ROW_FILTER;

static const char statement_columns_sql[] =
	"SELECT e.table_name, c.side, s.text, c.column_name FROM statement_columns c JOIN entries e ON e.id = c.entry"
	" JOIN statements s ON s.id = c.statement WHERE (?1 IS NULL OR e.table_name = ?1 OR e.new_name = ?1)"
	" ORDER BY c.column_name";

static const char forecasts_sql[] =
	"SELECT e.table_name, f.side, s.text, f.stage, f.outcome, f.reason, f.made_ms FROM forecasts f JOIN entries e ON e.id = f.entry"
	" JOIN statements s ON s.id = f.statement WHERE (?1 IS NULL OR e.table_name = ?1 OR e.new_name = ?1)";

static const char flips_sql[] =
	"SELECT e.table_name, f.at_ms, f.from_stage, f.to_stage FROM flips f JOIN entries e ON e.id = f.entry"
	" WHERE (?1 IS NULL OR e.table_name = ?1 OR e.new_name = ?1) ORDER BY f.at_ms DESC LIMIT 1000";

static const char bypasses_sql[] =
	"SELECT user, application, max(most_sessions) FROM bypasses"
	" WHERE last_ms >= ?4 AND (?2 IS NULL OR application = ?2) AND (?3 IS NULL OR user = ?3) GROUP BY user, application ORDER BY 3 DESC, 1, 2";

static const char looks_sql[] = "SELECT count(*) FROM bypass_looks WHERE last_ms >= ?4";

/* ---- reading ---- */

static const char *text_at(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	return text ? text : "";
}

static void read_counts(sqlite3_stmt *statement, struct report_counts *counts_out)
{
	struct report_counts counts = { .ok = (uint64_t)sqlite3_column_int64(statement, 14),
					.errors = (uint64_t)sqlite3_column_int64(statement, 15),
					.refused = (uint64_t)sqlite3_column_int64(statement, 16),
					.rows = (uint64_t)sqlite3_column_int64(statement, 17),
					.first_ms = sqlite3_column_int64(statement, 18),
					.last_ms = sqlite3_column_int64(statement, 19) };
	counts.total = counts.ok + counts.errors + counts.refused;
	counts.rewritten = sqlite3_column_int(statement, 12) ? counts.total : 0;
	counts.unparsed = sqlite3_column_int(statement, 13) ? counts.total : 0;
	*counts_out = counts;
}

static void read_row(struct report *report, sqlite3_stmt *statement)
{
	struct report_row row = {
		.table = text_at(statement, 0), .side = text_at(statement, 1), .kind = text_at(statement, 2),
		.database = text_at(statement, 3), .user = text_at(statement, 4),
		.application = text_at(statement, 5), .address = text_at(statement, 6),
		.controller = text_at(statement, 7), .route = text_at(statement, 8), .action = text_at(statement, 9),
		.statement = text_at(statement, 10), .hash = (uint64_t)sqlite3_column_int64(statement, 11),
	};
	read_counts(statement, &row.counts);
	report_add_row(report, &row);
}

static void read_old_use(struct report *report, sqlite3_stmt *statement)
{
	struct report_row row = {
		.table = text_at(statement, 0), .application = text_at(statement, 1), .user = text_at(statement, 2),
		.counts = { .ok = (uint64_t)sqlite3_column_int64(statement, 3),
			    .errors = (uint64_t)sqlite3_column_int64(statement, 4),
			    .last_ms = sqlite3_column_int64(statement, 5) },
	};
	report_add_old_use(report, &row);
}

/* Names with a newline between them. */
static void deprecate_lines(struct report *report, const struct report_table *table, const char *names)
{
	while (*names) {
		size_t len = strcspn(names, "\n");
		const char *name = arena_copy(&report->arena, names, len);
		report_deprecate(report, table->name, name);
		names += len + (names[len] != '\0');
	}
}

static void read_entry(struct report *report, sqlite3_stmt *statement)
{
	struct report_table *table = report_table_of(report, text_at(statement, 0));
	bool in_map = sqlite3_column_int(statement, 4);
	int64_t declared_ms = sqlite3_column_int64(statement, 3);
	report->map_known |= declared_ms != 0;
	/* Of several ledgers those that still have the entry say what it is, and the first has watched it longest. */
	if (table->in_map && !in_map)
		return;
	if (sqlite3_column_type(statement, 1) != SQLITE_NULL)
		table->new_name = arena_strdup(&report->arena, text_at(statement, 1));
	if (sqlite3_column_type(statement, 2) != SQLITE_NULL)
		table->stage = arena_strdup(&report->arena, text_at(statement, 2));
	if (!table->in_map || !table->declared_ms || (declared_ms && declared_ms < table->declared_ms))
		table->declared_ms = declared_ms;
	table->in_map |= in_map;
	deprecate_lines(report, table, text_at(statement, 5));
}

static enum report_end end_of(const struct report *report, bool stopped, bool broken_off, int64_t heartbeat_ms)
{
	if (stopped)
		return REPORT_STOPPED;
	bool alive = !broken_off && report->filter.now_ms - heartbeat_ms < RUNNING_MS;
	return alive ? REPORT_RUNNING : REPORT_BROKEN_OFF;
}

static void read_observation(struct report *report, sqlite3_stmt *statement)
{
	if (report->observation_count == report->observation_capacity) {
		report->observation_capacity = report->observation_capacity ? report->observation_capacity * 2 : 16;
		report->observations = memory_realloc(report->observations, report->observation_capacity *
								sizeof(*report->observations));
	}
	struct report_observation *observation = &report->observations[report->observation_count++];
	bool stopped = sqlite3_column_type(statement, 5) != SQLITE_NULL;
	*observation = (struct report_observation){
		.host = arena_strdup(&report->arena, text_at(statement, 0)),
		.version = arena_strdup(&report->arena, text_at(statement, 1)),
		.pid = sqlite3_column_int64(statement, 2),
		.started_ms = sqlite3_column_int64(statement, 3),
		.until_ms = sqlite3_column_int64(statement, stopped ? 5 : 4),
		.end = end_of(report, stopped, sqlite3_column_int(statement, 7), sqlite3_column_int64(statement, 4)),
		.lost = (uint64_t)sqlite3_column_int64(statement, 6),
	};
	report->lost += (int64_t)observation->lost;
}

static void read_column(struct report *report, sqlite3_stmt *statement)
{
	struct report_row row = { .table = text_at(statement, 0), .side = text_at(statement, 1),
				  .application = text_at(statement, 2),
				  .counts = { .total = (uint64_t)sqlite3_column_int64(statement, 4),
					      .last_ms = sqlite3_column_int64(statement, 5) } };
	report_add_column(report, &row, text_at(statement, 3));
}

static void read_statement_column(struct report *report, sqlite3_stmt *statement)
{
	struct report_row row = { .table = text_at(statement, 0), .side = text_at(statement, 1),
				  .statement = text_at(statement, 2) };
	report_add_statement_column(report, &row, text_at(statement, 3));
}

static void read_forecast(struct report *report, sqlite3_stmt *statement)
{
	bool has_reason = sqlite3_column_type(statement, 5) != SQLITE_NULL;
	struct report_foreseen foreseen = { text_at(statement, 0), text_at(statement, 1), text_at(statement, 2),
					    text_at(statement, 3), text_at(statement, 4),
					    has_reason ? text_at(statement, 5) : NULL, sqlite3_column_int64(statement, 6) };
	report_add_forecast(report, &foreseen);
}

static void read_flip(struct report *report, sqlite3_stmt *statement)
{
	if (report->flip_count == report->flip_capacity) {
		report->flip_capacity = report->flip_capacity ? report->flip_capacity * 2 : 16;
		report->flips = memory_realloc(report->flips, report->flip_capacity * sizeof(*report->flips));
	}
	report->flips[report->flip_count++] = (struct report_flip){
		.table = arena_strdup(&report->arena, text_at(statement, 0)),
		.at_ms = sqlite3_column_int64(statement, 1),
		.from = arena_strdup(&report->arena, text_at(statement, 2)),
		.to = arena_strdup(&report->arena, text_at(statement, 3)),
	};
}

static void read_bypass(struct report *report, sqlite3_stmt *statement)
{
	report_add_bypass(report, text_at(statement, 0), text_at(statement, 1), (uint64_t)sqlite3_column_int64(statement, 2));
}

static void read_looks(struct report *report, sqlite3_stmt *statement)
{
	if (sqlite3_column_int64(statement, 0))
		report_set_bypass_known(report);
}

static void read_series_start(struct report *report, sqlite3_stmt *statement)
{
	int64_t from_ms = sqlite3_column_int64(statement, 0) * 1000;
	if (from_ms && (!report->series_from_ms || from_ms < report->series_from_ms))
		report->series_from_ms = from_ms;
}

static void bind_name(sqlite3_stmt *statement, int index, const char *text)
{
	if (index <= sqlite3_bind_parameter_count(statement) && text)
		sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static void bind_filter(sqlite3_stmt *statement, const struct report_filter *filter)
{
	bind_name(statement, 1, filter->table);
	bind_name(statement, 2, filter->application);
	bind_name(statement, 3, filter->user);
	if (sqlite3_bind_parameter_count(statement) == 4)
		sqlite3_bind_int64(statement, 4, filter->now_ms - (int64_t)filter->idle_days * DAY_MS);
	if (sqlite3_bind_parameter_count(statement) >= 5) {
		sqlite3_bind_int64(statement, 4, filter->since_ms / 1000);
		sqlite3_bind_int64(statement, 5, (filter->until_ms + 999) / 1000);
	}
}

typedef void read_fn(struct report *report, sqlite3_stmt *statement);

static bool read_all(struct report *report, sqlite3 *db, const char *sql, read_fn *read)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (result == SQLITE_OK) {
		bind_filter(statement, &report->filter);
		while ((result = sqlite3_step(statement)) == SQLITE_ROW)
			read(report, statement);
	}
	sqlite3_finalize(statement);
	return result == SQLITE_DONE;
}

/* In one read transaction, so that all parts are of one moment. */
static bool read_ledger(struct report *report, sqlite3 *db)
{
	bool window = report->filter.since_ms || report->filter.until_ms;
	return sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
	       read_all(report, db, entries_sql, read_entry) &&
	       read_all(report, db, window ? window_sql : totals_sql, read_row) &&
	       read_all(report, db, old_sql, read_old_use) &&
	       read_all(report, db, observations_sql, read_observation) &&
	       read_all(report, db, series_sql, read_series_start) && report_read_series(report, db) &&
	       read_all(report, db, columns_sql, read_column) &&
	       read_all(report, db, statement_columns_sql, read_statement_column) &&
	       read_all(report, db, forecasts_sql, read_forecast) && read_all(report, db, flips_sql, read_flip) &&
	       read_all(report, db, bypasses_sql, read_bypass) && read_all(report, db, looks_sql, read_looks) &&
	       sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

/* A file that no proxy has open, in a folder we may not write: SQLite needs to be told that it will not change. */
static bool open_immutable(const char *path, sqlite3 **db_out)
{
	char *uri = sqlite3_mprintf("%s-wal", path);
	bool quiet = uri && access(uri, F_OK) != 0;
	sqlite3_free(uri);
	char *escaped = quiet ? memory_alloc(strlen(path) * 3 + 32) : NULL;
	if (!escaped)
		return false;
	char *at = escaped + sprintf(escaped, "file:");
	for (const char *c = path; *c; c++)
		at += strchr("?#%", *c) ? sprintf(at, "%%%02X", (unsigned char)*c) : sprintf(at, "%c", *c);
	strcpy(at, "?immutable=1");
	bool ok = sqlite3_open_v2(escaped, db_out, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == SQLITE_OK;
	free(escaped);
	return ok;
}

static bool is_readable(sqlite3 *db)
{
	return sqlite3_exec(db, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL) == SQLITE_OK;
}

static bool open_reader(const char *path, sqlite3 **db_out, struct error *error_out)
{
	sqlite3 *db = NULL;
	bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
	if (ok) {
		sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
		ok = is_readable(db);
	}
	if (!ok && db && sqlite3_errcode(db) == SQLITE_CANTOPEN && access(path, R_OK) == 0) {
		sqlite3_close(db);
		db = NULL;
		ok = open_immutable(path, &db) && is_readable(db);
	}
	if (!ok) {
		usage_schema_error(db, path, "read", error_out);
		if (access(path, F_OK) != 0)
			error_hint(error_out, "There is no such file. The proxy creates it (\"usage\" in "
					      "crossfade.yaml); give another with --ledger FILE.");
		sqlite3_close(db);
		return false;
	}
	*db_out = db;
	return true;
}

static bool open_any(const char *path, sqlite3 **db_out, struct error *error_out)
{
	if (usage_is_shared(path))
		return usage_shared_get() && usage_shared_get()->read(path, db_out, error_out);
	return open_reader(path, db_out, error_out);
}

bool report_add_ledger(struct report *report, const char *path, struct error *error_out)
{
	sqlite3 *db;
	if (!open_any(path, &db, error_out))
		return false;
	bool ok = usage_schema_check(db, path, error_out);
	if (ok && !read_ledger(report, db)) {
		usage_schema_error(db, path, "read", error_out);
		ok = false;
	}
	sqlite3_close(db);
	return ok;
}
