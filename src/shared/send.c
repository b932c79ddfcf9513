/*
 * From memory to the server. Dictionaries first: each row without an id there
 * gets one, or that of "(other)" where the ledger is full. Then the counts,
 * added to what is there. All values are numbers or quoted by libpq.
 */
#include "shared/parts.h"

#include "base/hash.h"
#include "usage/schema.h"
#include "usage/store_db.h"

#include <stdlib.h>
#include <unistd.h>

enum { ROWS_MAX = 500, SQL_MAX_BYTES = 512 * 1024 };

struct sender {
	struct usage_shared *shared;
	struct usage_store *store;
	struct error *error;
	struct buf sql;
};

static bool fail_memory(struct sender *s)
{
	usage_schema_error(s->store->db, "in memory", "read", s->error);
	return false;
}

static bool run(struct sender *s, PGresult **result_out)
{
	bool ok = shared_run(s->shared, buf_cstr(&s->sql), result_out, s->error);
	buf_clear(&s->sql);
	return ok;
}

/* ---- values ---- */

static void put_value(struct sender *s, sqlite3_stmt *row, int column)
{
	int type = sqlite3_column_type(row, column);
	if (type == SQLITE_NULL)
		buf_append_str(&s->sql, "NULL");
	else if (type == SQLITE_INTEGER)
		buf_printf(&s->sql, "%lld", (long long)sqlite3_column_int64(row, column));
	else
		catalog_append_literal(s->shared->connection, &s->sql, (const char *)sqlite3_column_text(row, column));
}

/* "(1, 'a'), (2, 'b')": columns from `first` on, of as many rows as fit. *more_out: there may be others. */
static size_t put_rows(struct sender *s, sqlite3_stmt *rows, int first, bool *more_out)
{
	size_t count = 0;
	while (count < ROWS_MAX && s->sql.len < SQL_MAX_BYTES) {
		if (sqlite3_step(rows) != SQLITE_ROW) {
			*more_out = false;
			return count;
		}
		buf_append_str(&s->sql, count++ ? ", (" : "(");
		for (int i = first; i < sqlite3_column_count(rows); i++) {
			buf_append_str(&s->sql, i > first ? ", " : "");
			put_value(s, rows, i);
		}
		buf_append_byte(&s->sql, ')');
	}
	*more_out = true;
	return count;
}

/* INSERT INTO table (columns) VALUES the rows of query, then `tail`. */
static bool insert_all(struct sender *s, const char *query, const char *table, const char *columns, const char *tail)
{
	sqlite3_stmt *rows = NULL;
	bool more = true, ok = sqlite3_prepare_v2(s->store->db, query, -1, &rows, NULL) == SQLITE_OK || fail_memory(s);
	while (ok && more) {
		buf_printf(&s->sql, "INSERT INTO %s.usage_%s AS t (%s) VALUES ", s->shared->schema, table, columns);
		if (put_rows(s, rows, 0, &more)) {
			buf_append_str(&s->sql, tail);
			ok = run(s, NULL);
		}
		buf_clear(&s->sql);
	}
	sqlite3_finalize(rows);
	return ok;
}

/* ---- dictionaries ---- */

/* How a dictionary's rows are told apart, in either database. */
struct dictionary {
	const char *kind, *table;
	const char *keys; /* columns */
	const char *aliases; /* … as a list of names for VALUES */
	const char *join; /* … of t and v */
	const char *select; /* of rows without an id there: local id, keys */
	size_t max; /* 0: no bound */
};

static bool remember_id(struct sender *s, const char *kind, const char *local, const char *remote)
{
	sqlite3_stmt *statement = NULL;
	bool ok = sqlite3_prepare_v2(s->store->db, "INSERT OR REPLACE INTO shared_ids VALUES (?1, ?2, ?3)", -1, &statement,
				     NULL) == SQLITE_OK;
	if (ok) {
		sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 2, strtoll(local, NULL, 10));
		sqlite3_bind_int64(statement, 3, strtoll(remote, NULL, 10));
		ok = sqlite3_step(statement) == SQLITE_DONE;
	}
	sqlite3_finalize(statement);
	return ok || fail_memory(s);
}

static bool remember_ids(struct sender *s, const char *kind, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		if (!remember_id(s, kind, PQgetvalue(result, row, 0), PQgetvalue(result, row, 1)))
			return false;
	}
	return true;
}

/* Those in values get rows there while there is room, and ids here. */
static bool take_chunk(struct sender *s, const struct dictionary *d, struct slice values)
{
	const char *schema = s->shared->schema;
	PGresult *result;
	buf_printf(&s->sql, "INSERT INTO %s.usage_%s (%s) SELECT %s FROM (VALUES %.*s) v (local, %s)", schema, d->table, d->keys,
		   d->aliases, (int)values.len, values.data, d->aliases);
	if (d->max)
		buf_printf(&s->sql, " WHERE (SELECT count(*) FROM %s.usage_%s) < %zu", schema, d->table, d->max);
	buf_append_str(&s->sql, " ON CONFLICT DO NOTHING");
	if (!run(s, NULL))
		return false;
	buf_printf(&s->sql, "SELECT v.local, coalesce(t.id, 0) FROM (VALUES %.*s) v (local, %s) LEFT JOIN %s.usage_%s t ON %s",
		   (int)values.len, values.data, d->aliases, schema, d->table, d->join);
	if (!run(s, &result))
		return false;
	bool ok = remember_ids(s, d->kind, result);
	PQclear(result);
	return ok;
}

static bool send_dictionary(struct sender *s, const struct dictionary *d)
{
	sqlite3_stmt *rows = NULL;
	struct buf values;
	bool more = true, ok = sqlite3_prepare_v2(s->store->db, d->select, -1, &rows, NULL) == SQLITE_OK || fail_memory(s);
	buf_init(&values);
	while (ok && more) {
		buf_clear(&s->sql);
		size_t count = put_rows(s, rows, 0, &more);
		buf_clear(&values);
		buf_append_slice(&values, buf_slice(&s->sql));
		buf_clear(&s->sql);
		ok = !count || take_chunk(s, d, buf_slice(&values));
	}
	buf_deinit(&values);
	sqlite3_finalize(rows);
	return ok;
}

#define WITHOUT_ID(kind) " WHERE NOT EXISTS (SELECT 1 FROM shared_ids r WHERE r.kind = '" kind "' AND r.local = l.id)"

static bool send_dictionaries(struct sender *s)
{
	const struct dictionary entries = { "entry", "entries", "table_name", "table_name", "t.table_name = v.table_name",
					    "SELECT id, table_name FROM entries l" WITHOUT_ID("entry"), 0 };
	const struct dictionary identities = {
		"identity", "identities", "database, \"user\", application, address, controller, route, action",
		"database, \"user\", application, address, controller, route, action",
		"t.database = v.database AND t.\"user\" = v.\"user\" AND t.application = v.application AND t.address = v.address"
		" AND t.controller = v.controller AND t.route = v.route AND t.action = v.action",
		"SELECT id, database, user, application, address, controller, route, action FROM identities l" WITHOUT_ID("identity"),
		s->shared->settings.identities_max };
	const struct dictionary statements = {
		"statement", "statements", "hash, text", "hash, text", "t.hash = v.hash AND t.text = v.text",
		"SELECT id, hash, text FROM statements l" WITHOUT_ID("statement"), s->shared->settings.shapes_max };
	return send_dictionary(s, &entries) && send_dictionary(s, &identities) && send_dictionary(s, &statements);
}

/* ---- entries ---- */

/* The hash of what the map's entries are: they seldom change. */
static bool entries_changed(struct sender *s, bool *changed_out)
{
	sqlite3_stmt *rows = NULL;
	bool ok = sqlite3_prepare_v2(s->store->db,
				     "SELECT table_name, new_name, stage, declared_ms, withdrawn_ms, deprecated FROM entries"
				     " ORDER BY table_name", -1, &rows, NULL) == SQLITE_OK || fail_memory(s);
	uint64_t hash = 1;
	while (ok && sqlite3_step(rows) == SQLITE_ROW) {
		for (int i = 0; i < 6; i++) {
			const char *text = (const char *)sqlite3_column_text(rows, i);
			hash = hash_of_bytes(text ? text : "", text ? strlen(text) + 1 : 0, hash);
		}
	}
	sqlite3_finalize(rows);
	*changed_out = hash != s->shared->entries_hash;
	s->shared->entries_hash = hash;
	return ok;
}

static bool send_entries(struct sender *s)
{
	bool changed = false;
	if (!entries_changed(s, &changed))
		return false;
	return !changed ||
	       insert_all(s,
			  "SELECT table_name, new_name, stage, declared_ms, withdrawn_ms, deprecated FROM entries"
			  " WHERE declared_ms IS NOT NULL ORDER BY table_name",
			  "entries", "table_name, new_name, stage, declared_ms, withdrawn_ms, deprecated",
			  " ON CONFLICT (table_name) DO UPDATE SET new_name = excluded.new_name, stage = excluded.stage,"
			  " deprecated = excluded.deprecated, withdrawn_ms = excluded.withdrawn_ms, declared_ms = CASE WHEN"
			  " t.declared_ms IS NULL OR t.withdrawn_ms IS NOT NULL THEN excluded.declared_ms"
			  " ELSE least(t.declared_ms, excluded.declared_ms) END");
}

/* ---- counts ---- */

#define REMOTE(kind, column) "(SELECT remote FROM shared_ids WHERE kind = '" kind "' AND local = " column ")"
#define ADD_COUNTS                                                                                 \
	"ok_count = t.ok_count + excluded.ok_count, error_count = t.error_count + excluded.error_count," \
	" refused_count = t.refused_count + excluded.refused_count, row_count = t.row_count + excluded.row_count"

static bool exec(struct sender *s, const char *sql)
{
	return sqlite3_exec(s->store->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail_memory(s);
}

static bool count_there(struct sender *s, const char *table, size_t *count_out)
{
	PGresult *result;
	buf_printf(&s->sql, "SELECT count(*) FROM %s.usage_%s", s->shared->schema, table);
	if (!run(s, &result))
		return false;
	*count_out = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return true;
}

/* Uses by ids of the server; several of ours may be one there. */
static bool gather_uses(struct sender *s)
{
	return exec(s, "CREATE TEMP TABLE IF NOT EXISTS ship (local INTEGER PRIMARY KEY, e, st, i, side, kind, rw, rf, up, done)") &&
	       exec(s, "CREATE INDEX IF NOT EXISTS temp.ship_key ON ship (e, st, i)") && exec(s, "DELETE FROM ship") &&
	       exec(s, "INSERT INTO ship SELECT id, " REMOTE("entry", "entry") ", " REMOTE("statement", "statement") ", "
		       REMOTE("identity", "identity") ", side, kind, rewritten, refused, unparsed, 0 FROM uses");
}

/* The ids of the uses there, behind the rows of one INSERT … RETURNING id, min(local) first. */
static bool take_use_ids(struct sender *s, const PGresult *result)
{
	sqlite3_stmt *statement = NULL;
	bool ok = sqlite3_prepare_v2(s->store->db,
				     "INSERT OR REPLACE INTO shared_ids SELECT 'use', local, ?1 FROM ship WHERE e = ?2 AND st = ?3"
				     " AND i = ?4 AND side = ?5 AND kind = ?6 AND rw = ?7 AND rf = ?8 AND up = ?9",
				     -1, &statement, NULL) == SQLITE_OK || fail_memory(s);
	for (int row = 0; ok && row < PQntuples(result); row++) {
		for (int i = 0; i < 9; i++) {
			const char *text = PQgetvalue(result, row, i);
			if (i == 4 || i == 5)
				sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_TRANSIENT);
			else
				sqlite3_bind_int64(statement, i + 1, strtoll(text, NULL, 10));
		}
		ok = sqlite3_step(statement) == SQLITE_DONE || fail_memory(s);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
	return ok;
}

/* Those that are not done yet, each once. */
static const char uses_query[] =
	"SELECT e, st, i, ship.side, ship.kind, rw, rf, up, sum(ok_count), sum(error_count), sum(refused_count), sum(row_count),"
	" min(first_ms), max(last_ms) FROM ship JOIN uses ON id = local WHERE NOT done GROUP BY 1, 2, 3, 4, 5, 6, 7, 8";

#define USE_KEYS "entry, statement, identity, side, kind, rewritten, refused, unparsed"
#define USE_COLUMNS USE_KEYS ", ok_count, error_count, refused_count, row_count, first_ms, last_ms"

/* verb, the table, head, the rows, tail; which gives the ids of the uses there. */
static bool send_use_rows(struct sender *s, const char *verb, const char *head, const char *tail)
{
	sqlite3_stmt *rows = NULL;
	bool more = true, ok = sqlite3_prepare_v2(s->store->db, uses_query, -1, &rows, NULL) == SQLITE_OK || fail_memory(s);
	while (ok && more) {
		PGresult *result;
		buf_printf(&s->sql, "%s %s.usage_uses AS t %s", verb, s->shared->schema, head);
		size_t count = put_rows(s, rows, 0, &more);
		buf_append_str(&s->sql, tail);
		if (count && (ok = run(s, &result))) {
			ok = take_use_ids(s, result);
			PQclear(result);
		}
		buf_clear(&s->sql);
	}
	sqlite3_finalize(rows);
	return ok;
}

static bool insert_uses(struct sender *s)
{
	return send_use_rows(s, "INSERT INTO", "(" USE_COLUMNS ") VALUES ",
			     " ON CONFLICT (" USE_KEYS ") DO UPDATE SET " ADD_COUNTS ", first_ms = least(t.first_ms, excluded.first_ms),"
			     " last_ms = greatest(t.last_ms, excluded.last_ms) RETURNING id, " USE_KEYS);
}

/* Only those that are there. */
static bool update_uses(struct sender *s)
{
	return send_use_rows(s, "UPDATE",
			     "SET ok_count = t.ok_count + v.ok_count, error_count = t.error_count + v.error_count,"
			     " refused_count = t.refused_count + v.refused_count, row_count = t.row_count + v.row_count,"
			     " first_ms = least(t.first_ms, v.first_ms), last_ms = greatest(t.last_ms, v.last_ms) FROM (VALUES ",
			     ") v (" USE_COLUMNS ") WHERE (t.entry, t.statement, t.identity, t.side, t.kind, t.rewritten, t.refused,"
			     " t.unparsed) = (v.entry, v.statement, v.identity, v.side, v.kind, v.rewritten, v.refused, v.unparsed)"
			     " RETURNING t.id, t.entry, t.statement, t.identity, t.side, t.kind, t.rewritten, t.refused, t.unparsed");
}

static bool exec_room(struct sender *s, const char *format, size_t count)
{
	size_t most = s->shared->settings.uses_max;
	char *sql = sqlite3_mprintf(format, count < most ? (int)(most - count) : 0);
	bool ok = sql ? exec(s, sql) : fail_memory(s);
	sqlite3_free(sql);
	return ok;
}

/* Most heartbeats have nothing to add. */
static bool is_empty(struct sender *s, const char *query)
{
	sqlite3_stmt *rows = NULL;
	bool empty = sqlite3_prepare_v2(s->store->db, query, -1, &rows, NULL) == SQLITE_OK && sqlite3_step(rows) == SQLITE_DONE;
	sqlite3_finalize(rows);
	return empty;
}

/* What is there is counted on; of the rest as much is new as there is room for, the others go to "(other)". */
static bool make_room(struct sender *s, size_t there)
{
	return update_uses(s) &&
	       exec(s, "UPDATE ship SET done = 1 WHERE EXISTS (SELECT 1 FROM shared_ids r WHERE r.kind = 'use' AND r.local = ship.local)") &&
	       exec_room(s, "UPDATE ship SET st = 0 WHERE NOT done AND local NOT IN"
			    " (SELECT local FROM ship WHERE NOT done ORDER BY local LIMIT %d)", there);
}

static bool count_here(struct sender *s, const char *table, size_t *count_out)
{
	char sql[64];
	sqlite3_stmt *rows = NULL;
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	bool ok = sqlite3_prepare_v2(s->store->db, sql, -1, &rows, NULL) == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW;
	if (ok)
		*count_out = (size_t)sqlite3_column_int64(rows, 0);
	sqlite3_finalize(rows);
	return ok || fail_memory(s);
}

static bool send_uses(struct sender *s)
{
	size_t there = 0, here = 0;
	if (is_empty(s, "SELECT 1 FROM uses LIMIT 1"))
		return true;
	if (!exec(s, "DELETE FROM shared_ids WHERE kind = 'use'") || !gather_uses(s) || !count_there(s, "uses", &there) ||
	    !count_here(s, "ship", &here))
		return false;
	return (there + here <= s->shared->settings.uses_max || make_room(s, there)) && insert_uses(s);
}

#define SERIES_ROWS(table)                                                                         \
	"SELECT start_s, " REMOTE("use", "use") " AS u, sum(ok_count), sum(error_count), sum(refused_count), sum(row_count)" \
	" FROM " table " GROUP BY 1, 2"
#define SERIES_COLUMNS "start_s, use, ok_count, error_count, refused_count, row_count"

static bool send_series(struct sender *s)
{
	static const char tail[] = " ON CONFLICT (start_s, use) DO UPDATE SET " ADD_COUNTS;
	return insert_all(s, SERIES_ROWS("hours"), "hours", SERIES_COLUMNS, tail) &&
	       insert_all(s, SERIES_ROWS("days"), "days", SERIES_COLUMNS, tail);
}

/* ---- columns ---- */

static bool gather_columns(struct sender *s)
{
	return exec(s, "CREATE TEMP TABLE IF NOT EXISTS ship_columns (e, side, name, i, n, first_ms, last_ms, done)") &&
	       exec(s, "DELETE FROM ship_columns") &&
	       exec(s, "INSERT INTO ship_columns SELECT " REMOTE("entry", "entry") ", side, column_name, "
		       REMOTE("identity", "identity") ", sum(count), min(first_ms), max(last_ms), 0 FROM column_uses GROUP BY 1, 2, 3, 4");
}

static bool mark_columns(struct sender *s, const PGresult *result)
{
	sqlite3_stmt *statement = NULL;
	bool ok = sqlite3_prepare_v2(s->store->db,
				     "UPDATE ship_columns SET done = 1 WHERE e = ?1 AND side = ?2 AND name = ?3 AND i = ?4", -1,
				     &statement, NULL) == SQLITE_OK || fail_memory(s);
	for (int row = 0; ok && row < PQntuples(result); row++) {
		sqlite3_bind_int64(statement, 1, strtoll(PQgetvalue(result, row, 0), NULL, 10));
		sqlite3_bind_text(statement, 2, PQgetvalue(result, row, 1), -1, SQLITE_TRANSIENT);
		sqlite3_bind_text(statement, 3, PQgetvalue(result, row, 2), -1, SQLITE_TRANSIENT);
		sqlite3_bind_int64(statement, 4, strtoll(PQgetvalue(result, row, 3), NULL, 10));
		ok = sqlite3_step(statement) == SQLITE_DONE || fail_memory(s);
		sqlite3_reset(statement);
	}
	sqlite3_finalize(statement);
	return ok;
}

#define COLUMN_COLUMNS "entry, side, column_name, identity, count, first_ms, last_ms"

static bool update_columns(struct sender *s)
{
	sqlite3_stmt *rows = NULL;
	bool more = true, ok = sqlite3_prepare_v2(s->store->db, "SELECT e, side, name, i, n, first_ms, last_ms FROM ship_columns"
								" ORDER BY rowid", -1, &rows, NULL) == SQLITE_OK || fail_memory(s);
	while (ok && more) {
		PGresult *result;
		buf_printf(&s->sql, "UPDATE %s.usage_column_uses AS t SET count = t.count + v.count, first_ms = least(t.first_ms,"
				    " v.first_ms), last_ms = greatest(t.last_ms, v.last_ms) FROM (VALUES ", s->shared->schema);
		size_t count = put_rows(s, rows, 0, &more);
		buf_append_str(&s->sql, ") v (" COLUMN_COLUMNS ") WHERE (t.entry, t.side, t.column_name, t.identity) ="
					" (v.entry, v.side, v.column_name, v.identity) RETURNING t.entry, t.side, t.column_name, t.identity");
		if (count && (ok = run(s, &result))) {
			ok = mark_columns(s, result);
			PQclear(result);
		}
		buf_clear(&s->sql);
	}
	sqlite3_finalize(rows);
	return ok;
}

/* As in a file: beyond the bound it is given up who it was, then which column. */
static bool make_room_for_columns(struct sender *s, size_t there)
{
	size_t most = s->shared->settings.uses_max;
	return update_columns(s) &&
	       exec_room(s, there < most / 4 * 5 ? "UPDATE ship_columns SET i = 0 WHERE NOT done AND rowid NOT IN"
						   " (SELECT rowid FROM ship_columns WHERE NOT done ORDER BY rowid LIMIT %d)" :
						   "UPDATE ship_columns SET i = 0, name = '(other)' WHERE NOT done AND rowid NOT IN"
						   " (SELECT rowid FROM ship_columns WHERE NOT done ORDER BY rowid LIMIT %d)",
			 there);
}

static bool send_column_uses(struct sender *s)
{
	size_t there = 0, here = 0;
	if (is_empty(s, "SELECT 1 FROM column_uses LIMIT 1"))
		return true;
	if (!gather_columns(s) || !count_there(s, "column_uses", &there) || !count_here(s, "ship_columns", &here))
		return false;
	return (there + here <= s->shared->settings.uses_max || make_room_for_columns(s, there)) &&
	       insert_all(s, "SELECT e, side, name, i, sum(n), min(first_ms), max(last_ms) FROM ship_columns WHERE NOT done"
			     " GROUP BY 1, 2, 3, 4",
			  "column_uses", COLUMN_COLUMNS,
			  " ON CONFLICT (entry, side, column_name, identity) DO UPDATE SET count = t.count + excluded.count,"
			  " first_ms = least(t.first_ms, excluded.first_ms), last_ms = greatest(t.last_ms, excluded.last_ms)");
}

static bool send_columns(struct sender *s)
{
	size_t there = 0;
	if (!send_column_uses(s))
		return false;
	return is_empty(s, "SELECT 1 FROM statement_columns LIMIT 1") || (count_there(s, "statement_columns", &there) &&
	       (there >= s->shared->settings.uses_max ||
		insert_all(s,
			   "SELECT DISTINCT " REMOTE("statement", "statement") " AS s, " REMOTE("entry", "entry") ", side, column_name"
			   " FROM statement_columns WHERE s <> 0",
			   "statement_columns", "statement, entry, side, column_name", " ON CONFLICT DO NOTHING")));
}

/* ---- the rest ---- */

static bool send_rest(struct sender *s)
{
	return insert_all(s,
			  "SELECT " REMOTE("statement", "statement") " AS s, " REMOTE("entry", "entry") " AS e, side, max(stage),"
			  " max(outcome), max(reason), max(made_ms) FROM forecasts WHERE s <> 0 GROUP BY 1, 2, 3",
			  "forecasts", "statement, entry, side, stage, outcome, reason, made_ms",
			  " ON CONFLICT (statement, entry, side) DO UPDATE SET stage = excluded.stage, outcome = excluded.outcome,"
			  " reason = excluded.reason, made_ms = excluded.made_ms") &&
	       insert_all(s, "SELECT " REMOTE("entry", "entry") ", at_ms, from_stage, to_stage FROM flips ORDER BY id", "flips",
			  "entry, at_ms, from_stage, to_stage", "") &&
	       insert_all(s,
			  "SELECT database, user, application, address, kind, most_sessions, looks, first_ms, last_ms FROM bypasses",
			  "bypasses", "database, \"user\", application, address, kind, most_sessions, looks, first_ms, last_ms",
			  " ON CONFLICT (database, \"user\", application, address, kind) DO UPDATE SET"
			  " most_sessions = greatest(t.most_sessions, excluded.most_sessions), looks = t.looks + excluded.looks,"
			  " last_ms = greatest(t.last_ms, excluded.last_ms)") &&
	       insert_all(s, "SELECT database, looks, first_ms, last_ms FROM bypass_looks", "bypass_looks",
			  "database, looks, first_ms, last_ms",
			  " ON CONFLICT (database) DO UPDATE SET looks = t.looks + excluded.looks,"
			  " last_ms = greatest(t.last_ms, excluded.last_ms)");
}

/* ---- the observation ---- */

static bool break_off(struct sender *s, const PGresult *unended)
{
	bool ok = true;
	for (int row = 0; ok && row < PQntuples(unended); row++) {
		if (!usage_run_is_gone(strtol(PQgetvalue(unended, row, 1), NULL, 10)))
			continue;
		buf_printf(&s->sql, "UPDATE %s.usage_observations SET broken_off = 1 WHERE id = %s", s->shared->schema,
			   PQgetvalue(unended, row, 0));
		ok = run(s, NULL);
	}
	return ok;
}

/* As in a file: runs on this host that were killed would look alive until their heartbeat is old. */
static bool break_off_gone(struct sender *s, const char *host)
{
	PGresult *result;
	buf_printf(&s->sql, "SELECT id, pid FROM %s.usage_observations WHERE stopped_ms IS NULL AND broken_off = 0 AND id <> %lld"
			    " AND host = ", s->shared->schema, (long long)s->shared->observation);
	catalog_append_literal(s->shared->connection, &s->sql, host);
	if (!run(s, &result))
		return false;
	bool ok = break_off(s, result);
	PQclear(result);
	return ok;
}

static bool begin_observation(struct sender *s)
{
	PGresult *result;
	char host[256] = "";
	const struct usage_observation *ours = s->store->observation;
	gethostname(host, sizeof(host) - 1);
	buf_printf(&s->sql, "INSERT INTO %s.usage_observations (host, pid, version, started_ms, heartbeat_ms) VALUES (",
		   s->shared->schema);
	catalog_append_literal(s->shared->connection, &s->sql, host);
	buf_printf(&s->sql, ", %d, '" CROSSFADE_VERSION "', %lld, %lld) RETURNING id", (int)getpid(),
		   (long long)ours->started_ms, (long long)ours->written_ms);
	if (!run(s, &result))
		return false;
	s->shared->observation = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return break_off_gone(s, host);
}

static bool send_heartbeat(struct sender *s)
{
	if (!s->shared->observation && !begin_observation(s))
		return false;
	buf_printf(&s->sql, "UPDATE %s.usage_observations SET heartbeat_ms = greatest(heartbeat_ms, %lld), batch = %lld,"
			    " broken_off = 0 WHERE id = %lld",
		   s->shared->schema, (long long)s->store->observation->written_ms, (long long)s->shared->batch,
		   (long long)s->shared->observation);
	return run(s, NULL);
}

bool shared_send(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	struct sender s = { shared, store, error_out, { 0 } };
	buf_init(&s.sql);
	bool ok = send_dictionaries(&s) && send_entries(&s) && send_uses(&s) && send_series(&s) && send_columns(&s) &&
		  send_rest(&s) && send_heartbeat(&s);
	buf_deinit(&s.sql);
	return ok;
}

/* ---- afterwards ---- */

static bool is_filling(size_t count, size_t max)
{
	return count > max / 2;
}

/* Dictionaries stay while there is room: the next batch names the same things. */
bool shared_forget(struct usage_store *store, struct error *error_out)
{
	static const char counts[] = "DELETE FROM hours; DELETE FROM days; DELETE FROM uses; DELETE FROM column_uses;"
				     "DELETE FROM statement_columns; DELETE FROM forecasts; DELETE FROM flips; DELETE FROM bypasses;"
				     "DELETE FROM bypass_looks; DELETE FROM shared_ids WHERE kind = 'use'";
	static const char dictionaries[] = "DELETE FROM statements WHERE id <> 0; DELETE FROM identities WHERE id <> 0;"
					   "DELETE FROM shared_ids WHERE kind IN ('statement', 'identity')";
	bool full = is_filling(store->statement_count, store->settings.shapes_max) ||
		    is_filling(store->identity_count, store->settings.identities_max);
	if (sqlite3_exec(store->db, counts, NULL, NULL, NULL) == SQLITE_OK &&
	    (!full || sqlite3_exec(store->db, dictionaries, NULL, NULL, NULL) == SQLITE_OK)) {
		if (full)
			store->generation = store_next_generation();
		return true;
	}
	usage_schema_error(store->db, "in memory", "write to", error_out);
	return false;
}
