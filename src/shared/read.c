/* A copy of the shared ledger as an SQLite database in memory: what reads ledgers reads it as any other. */
#include "shared/parts.h"

#include "base/memory.h"
#include "usage/schema.h"
#include "usage/store_db.h"

#include <stdlib.h>

enum { FETCH_ROWS = 5000, READ_MS = 30000 };

struct reader {
	struct usage_shared *shared;
	sqlite3 *db;
	struct error *error;
};

static bool fail_memory(struct reader *r)
{
	usage_schema_error(r->db, "in memory", "copy", r->error);
	return false;
}

static bool query(struct reader *r, const char *sql, PGresult **result_out)
{
	return catalog_query(r->shared->connection, sql, READ_MS, result_out, 1, r->error);
}

static bool query_done(struct reader *r, const char *sql)
{
	PGresult *result;
	bool ok = query(r, sql, &result);
	if (ok)
		PQclear(result);
	return ok;
}

/* The types are SQLite's own business: its columns have an affinity. */
static bool put_row(struct reader *r, sqlite3_stmt *insert, const PGresult *result, int row)
{
	for (int i = 0; i < PQnfields(result); i++) {
		if (PQgetisnull(result, row, i))
			sqlite3_bind_null(insert, i + 1);
		else
			sqlite3_bind_text(insert, i + 1, PQgetvalue(result, row, i), -1, SQLITE_STATIC);
	}
	bool ok = sqlite3_step(insert) == SQLITE_DONE;
	sqlite3_reset(insert);
	return ok || fail_memory(r);
}

static sqlite3_stmt *prepare_insert(struct reader *r, const struct shared_table *table)
{
	sqlite3_stmt *insert = NULL;
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "INSERT OR REPLACE INTO %s (%s) VALUES (?", table->name, table->columns);
	for (const char *at = table->columns; (at = strchr(at, ',')); at++)
		buf_append_str(&sql, ", ?");
	buf_append_byte(&sql, ')');
	bool ok = sqlite3_prepare_v2(r->db, buf_cstr(&sql), -1, &insert, NULL) == SQLITE_OK;
	buf_deinit(&sql);
	if (!ok)
		fail_memory(r);
	return insert;
}

static bool fetch_rows(struct reader *r, sqlite3_stmt *insert)
{
	char sql[64];
	snprintf(sql, sizeof(sql), "FETCH %d FROM crossfade_rows", FETCH_ROWS);
	for (int count = FETCH_ROWS; count == FETCH_ROWS;) {
		PGresult *result;
		if (!query(r, sql, &result))
			return false;
		count = PQntuples(result);
		bool ok = true;
		for (int row = 0; ok && row < count; row++)
			ok = put_row(r, insert, result, row);
		PQclear(result);
		if (!ok)
			return false;
	}
	return query_done(r, "CLOSE crossfade_rows");
}

static bool copy_table(struct reader *r, const struct shared_table *table)
{
	struct buf sql;
	sqlite3_stmt *insert = prepare_insert(r, table);
	buf_init(&sql);
	buf_printf(&sql, "DECLARE crossfade_rows NO SCROLL CURSOR FOR SELECT %s FROM %s.usage_%s", table->columns,
		   r->shared->schema, table->name);
	bool ok = insert && query_done(r, buf_cstr(&sql)) && fetch_rows(r, insert);
	sqlite3_finalize(insert);
	buf_deinit(&sql);
	return ok;
}

static bool copy_all(struct reader *r)
{
	char ledger[64];
	bool ok = shared_prepare(r->shared, false, ledger, r->error) &&
		  query_done(r, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
	for (size_t i = 0; ok && i < shared_table_count; i++)
		ok = copy_table(r, &shared_tables[i]);
	return ok && query_done(r, "COMMIT");
}

static bool open_memory(sqlite3 **db_out, struct error *error_out)
{
	sqlite3 *db = NULL;
	bool ok = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL) == SQLITE_OK;
	if (!ok)
		usage_schema_error(db, "in memory", "open", error_out);
	ok = ok && usage_schema_prepare(db, "in memory", error_out);
	if (ok)
		*db_out = db;
	else
		sqlite3_close(db);
	return ok;
}

bool shared_read(const char *place, sqlite3 **db_out, struct error *error_out)
{
	struct usage_settings settings = usage_settings_default();
	struct usage_shared *shared = shared_open(place, &settings);
	struct reader r = { shared, NULL, error_out };
	bool ok = shared_connect(shared, error_out) && open_memory(&r.db, error_out);
	if (ok && !(sqlite3_exec(r.db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK && copy_all(&r) &&
		    sqlite3_exec(r.db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)) {
		sqlite3_close(r.db);
		ok = false;
	}
	shared_close(shared);
	if (ok)
		*db_out = r.db;
	return ok;
}
