/* Every SQL statement the store runs, in one place, prepared once. */
#include "usage/store_db.h"

#define USE_KEY                                                                                    \
	"entry = ?1 AND statement = ?2 AND identity = ?3 AND side = ?4 AND kind = ?5"              \
	" AND rewritten = ?6 AND refused = ?7 AND unparsed = ?8"

#define ADD_SERIES                                                                                 \
	" ON CONFLICT (start_s, use) DO UPDATE SET ok_count = ok_count + excluded.ok_count,"       \
	" error_count = error_count + excluded.error_count,"                                       \
	" refused_count = refused_count + excluded.refused_count, row_count = row_count + excluded.row_count"

static const char *const sql_texts[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_FIND_ENTRY] = "SELECT id FROM entries WHERE table_name = ?1",
	[SQL_ADD_ENTRY] = "INSERT INTO entries (table_name) VALUES (?1)",
	/* declared_ms: since when the entry has been in the map without a break; -1 marks those to be seen again */
	[SQL_MARK_ENTRIES] = "UPDATE entries SET withdrawn_ms = -1"
			     " WHERE declared_ms IS NOT NULL AND withdrawn_ms IS NULL",
	[SQL_ADD_FLIP] = "INSERT INTO flips (entry, at_ms, from_stage, to_stage)"
			 " SELECT id, ?4, stage, ?3 FROM entries WHERE id = ?1 AND stage <> ?3",
	[SQL_DECLARE_ENTRY] = "UPDATE entries SET new_name = ?2, stage = ?3, deprecated = ?5, declared_ms ="
			      " CASE WHEN declared_ms IS NULL OR withdrawn_ms > 0 THEN ?4 ELSE declared_ms END,"
			      " withdrawn_ms = NULL WHERE id = ?1",
	[SQL_WITHDRAW_ENTRIES] = "UPDATE entries SET withdrawn_ms = ?1 WHERE withdrawn_ms = -1",
	[SQL_FIND_IDENTITY] = "SELECT id FROM identities"
			      " WHERE database = ?1 AND user = ?2 AND application = ?3 AND address = ?4"
			      " AND controller = ?5 AND route = ?6 AND action = ?7",
	[SQL_ADD_IDENTITY] = "INSERT INTO identities"
			     " (database, user, application, address, controller, route, action)"
			     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_FIND_STATEMENT] = "SELECT id, text FROM statements WHERE hash = ?1",
	[SQL_ADD_STATEMENT] = "INSERT INTO statements (hash, text) VALUES (?1, ?2)",
	[SQL_ADD_COUNTS] = "UPDATE uses SET ok_count = ok_count + ?9, error_count = error_count + ?10,"
			   " refused_count = refused_count + ?11, row_count = row_count + ?12,"
			   " first_ms = min(first_ms, ?13), last_ms = max(last_ms, ?14)"
			   " WHERE " USE_KEY " RETURNING id",
	/* of a table with two names */
	[SQL_FIND_OLD_USE] = "SELECT e.new_name IS e.table_name OR EXISTS (SELECT 1 FROM uses u JOIN identities i"
			     " ON i.id = u.identity WHERE u.entry = e.id AND u.side = 'old' AND i.application = ?2)"
			     " FROM entries e WHERE e.id = ?1",
	[SQL_ADD_USE] = "INSERT INTO uses (entry, statement, identity, side, kind, rewritten, refused, unparsed,"
			" ok_count, error_count, refused_count, row_count, first_ms, last_ms)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[SQL_ADD_HOUR] = "INSERT INTO hours VALUES (?1, ?2, ?3, ?4, ?5, ?6)" ADD_SERIES,
	[SQL_ADD_FORECAST] = "INSERT OR REPLACE INTO forecasts (statement, entry, stage, outcome, reason, made_ms, side)"
			     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_ADD_COLUMN_COUNT] = "UPDATE column_uses SET count = count + ?5, first_ms = min(first_ms, ?6),"
				 " last_ms = max(last_ms, ?7)"
				 " WHERE entry = ?1 AND side = ?2 AND column_name = ?3 AND identity = ?4",
	[SQL_ADD_COLUMN] = "INSERT INTO column_uses (entry, side, column_name, identity, count, first_ms, last_ms)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_ADD_STATEMENT_COLUMN] = "INSERT OR IGNORE INTO statement_columns (statement, entry, side, column_name)"
				     " VALUES (?1, ?2, ?3, ?4)",
	[SQL_ADD_LOOK] = "INSERT INTO bypass_looks VALUES (?1, 1, ?2, ?2) ON CONFLICT (database)"
			 " DO UPDATE SET looks = looks + 1, last_ms = max(last_ms, ?2)",
	[SQL_ADD_BYPASS] = "INSERT INTO bypasses (database, user, application, address, kind, most_sessions, looks,"
			   " first_ms, last_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)"
			   " ON CONFLICT (database, user, application, address, kind) DO UPDATE SET"
			   " most_sessions = max(most_sessions, ?6), looks = looks + 1, last_ms = max(last_ms, ?7)",
	[SQL_COUNT_ROWS] = "SELECT (SELECT count(*) FROM identities), (SELECT count(*) FROM statements),"
			   " (SELECT count(*) FROM uses), (SELECT count(*) FROM column_uses),"
			   " (SELECT count(*) FROM statement_columns)",
	[SQL_BEGIN_OBSERVATION] = "INSERT INTO observations (host, pid, version, started_ms, heartbeat_ms)"
				  " VALUES (?1, ?2, '" CROSSFADE_VERSION "', ?3, ?3)",
	[SQL_FIND_OBSERVATION] = "SELECT id FROM observations WHERE id = ?1 AND pid = ?2 AND started_ms = ?3",
	[SQL_UNENDED_OBSERVATIONS] = "SELECT id, pid FROM observations"
				     " WHERE stopped_ms IS NULL AND NOT broken_off AND host = ?1 AND id <> ?2",
	[SQL_BREAK_OFF] = "UPDATE observations SET broken_off = 1 WHERE id = ?1",
	[SQL_HEARTBEAT] = "UPDATE observations SET heartbeat_ms = max(heartbeat_ms, ?2), broken_off = 0 WHERE id = ?1",
	[SQL_STOP] = "UPDATE observations SET stopped_ms = ?2, heartbeat_ms = ?2, lost = lost + ?3 WHERE id = ?1",
	[SQL_ROLL_UP] = "INSERT INTO days SELECT start_s / 86400 * 86400, use, sum(ok_count), sum(error_count),"
			" sum(refused_count), sum(row_count) FROM hours WHERE start_s < ?1 GROUP BY 1, 2" ADD_SERIES,
	[SQL_DROP_ROLLED_UP] = "DELETE FROM hours WHERE start_s < ?1",
	[SQL_DROP_DAYS] = "DELETE FROM days WHERE start_s < ?1",
	[SQL_DROP_OLDEST_DAY] = "DELETE FROM days WHERE start_s = (SELECT min(start_s) FROM days)",
	[SQL_SERIES_ROWS] = "SELECT (SELECT count(*) FROM hours) + (SELECT count(*) FROM days),"
			    " (SELECT count(*) FROM days)",
	/* WHERE tells the parser that ON belongs to the upsert */
	[SQL_FORGET_USES] = "INSERT INTO uses (entry, statement, identity, side, kind, rewritten, refused, unparsed,"
			    " ok_count, error_count, refused_count, row_count, first_ms, last_ms)"
			    " SELECT entry, 0, identity, side, kind, rewritten, refused, unparsed, sum(ok_count),"
			    " sum(error_count), sum(refused_count), sum(row_count), min(first_ms), max(last_ms)"
			    " FROM uses WHERE statement <> 0 AND last_ms < ?1"
			    " GROUP BY entry, identity, side, kind, rewritten, refused, unparsed"
			    " ON CONFLICT (entry, statement, identity, side, kind, rewritten, refused, unparsed)"
			    " DO UPDATE SET ok_count = ok_count + excluded.ok_count,"
			    " error_count = error_count + excluded.error_count,"
			    " refused_count = refused_count + excluded.refused_count,"
			    " row_count = row_count + excluded.row_count,"
			    " first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)",
	[SQL_FORGET_HOURS] = "INSERT INTO hours SELECT b.start_s, o.id, sum(b.ok_count), sum(b.error_count),"
			   " sum(b.refused_count), sum(b.row_count) FROM hours b JOIN uses u ON u.id = b.use"
			   " JOIN uses o ON o.entry = u.entry AND o.statement = 0 AND o.identity = u.identity"
			   " AND o.side = u.side AND o.kind = u.kind AND o.rewritten = u.rewritten"
			   " AND o.refused = u.refused AND o.unparsed = u.unparsed"
			   " WHERE u.statement <> 0 AND u.last_ms < ?1 GROUP BY 1, 2" ADD_SERIES,
	[SQL_DROP_FORGOTTEN_HOURS] = "DELETE FROM hours WHERE use IN"
				  " (SELECT id FROM uses WHERE statement <> 0 AND last_ms < ?1)",
	[SQL_FORGET_DAYS] = "INSERT INTO days SELECT b.start_s, o.id, sum(b.ok_count), sum(b.error_count),"
			   " sum(b.refused_count), sum(b.row_count) FROM days b JOIN uses u ON u.id = b.use"
			   " JOIN uses o ON o.entry = u.entry AND o.statement = 0 AND o.identity = u.identity"
			   " AND o.side = u.side AND o.kind = u.kind AND o.rewritten = u.rewritten"
			   " AND o.refused = u.refused AND o.unparsed = u.unparsed"
			   " WHERE u.statement <> 0 AND u.last_ms < ?1 GROUP BY 1, 2" ADD_SERIES,
	[SQL_DROP_FORGOTTEN_DAYS] = "DELETE FROM days WHERE use IN"
				  " (SELECT id FROM uses WHERE statement <> 0 AND last_ms < ?1)",
	[SQL_DROP_FORGOTTEN_USES] = "DELETE FROM uses WHERE statement <> 0 AND last_ms < ?1",
	[SQL_DROP_UNUSED_STATEMENTS] = "DELETE FROM statements"
				       " WHERE id <> 0 AND id NOT IN (SELECT statement FROM uses)",
	[SQL_DROP_UNUSED_IDENTITIES] = "DELETE FROM identities"
				       " WHERE id <> 0 AND id NOT IN (SELECT identity FROM uses)"
				       " AND id NOT IN (SELECT identity FROM column_uses)",
	[SQL_DROP_UNUSED_FORECASTS] = "DELETE FROM forecasts WHERE statement NOT IN (SELECT id FROM statements)",
	[SQL_DROP_UNUSED_STATEMENT_COLUMNS] = "DELETE FROM statement_columns"
					      " WHERE statement NOT IN (SELECT id FROM statements)",
	[SQL_FORGET_COLUMNS] = "INSERT INTO column_uses (entry, side, column_name, identity, count, first_ms, last_ms)"
			       " SELECT entry, side, column_name, 0, sum(count), min(first_ms), max(last_ms)"
			       " FROM column_uses WHERE identity <> 0 AND last_ms < ?1 GROUP BY entry, side, column_name"
			       " ON CONFLICT (entry, side, column_name, identity)"
			       " DO UPDATE SET count = count + excluded.count, first_ms = min(first_ms, excluded.first_ms),"
			       " last_ms = max(last_ms, excluded.last_ms)",
	[SQL_DROP_FORGOTTEN_COLUMNS] = "DELETE FROM column_uses WHERE identity <> 0 AND last_ms < ?1",
	[SQL_TRIM_BYPASSES] = "DELETE FROM bypasses WHERE id NOT IN"
			      " (SELECT id FROM bypasses ORDER BY last_ms DESC LIMIT ?1)",
	[SQL_TRIM_FLIPS] = "DELETE FROM flips WHERE id <= (SELECT max(id) FROM flips) - ?1",
	[SQL_TRIM_OBSERVATIONS] = "DELETE FROM observations WHERE id <= (SELECT max(id) FROM observations) - ?1",
};

bool store_prepare(struct usage_store *store)
{
	for (int i = 0; i < SQL_COUNT; i++) {
		if (sqlite3_prepare_v3(store->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
				       NULL) != SQLITE_OK)
			return false;
	}
	return true;
}

bool store_run(struct usage_store *store, enum sql_id id)
{
	int result = sqlite3_step(store_sql(store, id));
	sqlite3_reset(store_sql(store, id));
	return result == SQLITE_DONE;
}

bool store_run_for_id(struct usage_store *store, enum sql_id id, int64_t *id_out)
{
	int result = sqlite3_step(store_sql(store, id));
	int64_t found = result == SQLITE_ROW ? sqlite3_column_int64(store_sql(store, id), 0) : -1;
	if (result == SQLITE_ROW)
		result = sqlite3_step(store_sql(store, id)); /* RETURNING takes effect at its end */
	sqlite3_reset(store_sql(store, id));
	if (result != SQLITE_DONE)
		return false;
	*id_out = found;
	return true;
}

void store_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
	sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

bool store_begin(struct usage_store *store)
{
	return store_run(store, SQL_BEGIN);
}

bool store_recount(struct usage_store *store)
{
	sqlite3_stmt *statement = store_sql(store, SQL_COUNT_ROWS);
	bool ok = sqlite3_step(statement) == SQLITE_ROW;
	if (ok) {
		store->identity_count = (size_t)sqlite3_column_int64(statement, 0);
		store->statement_count = (size_t)sqlite3_column_int64(statement, 1);
		store->use_count = (size_t)sqlite3_column_int64(statement, 2);
		store->column_count = (size_t)sqlite3_column_int64(statement, 3);
		store->statement_column_count = (size_t)sqlite3_column_int64(statement, 4);
	}
	sqlite3_reset(statement);
	return ok;
}

void store_undo(struct usage_store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		store_run(store, SQL_ROLLBACK);
	store->generation = store_next_generation();
	store_recount(store);
}

void store_finalize(struct usage_store *store)
{
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
}

uint64_t store_next_generation(void)
{
	static _Atomic uint64_t last;
	return atomic_fetch_add(&last, 1) + 1;
}
