#include "catalog/statements.h"

#include <libpq-fe.h>
#include <stdlib.h>

static const char find_view[] =
	"SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
	" ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";

static bool view_schema(struct catalog_connection *connection, uint32_t timeout_ms, struct buf *schema,
			struct error *error_out)
{
	PGresult *result;
	if (!catalog_query(connection, find_view, timeout_ms, &result, 1, error_out))
		return false;
	bool found = PQntuples(result) == 1;
	if (found)
		buf_append_str(schema, PQgetvalue(result, 0, 0));
	PQclear(result);
	if (!found) {
		error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "the database has no extension pg_stat_statements");
		error_hint(error_out, "Add it to shared_preload_libraries, restart the server, CREATE EXTENSION "
				      "pg_stat_statements, and let some days pass.");
	}
	return found;
}

bool catalog_statements(struct catalog_connection *connection, uint32_t timeout_ms, catalog_statement_fn *each,
			void *context, uint64_t *hidden_out, struct error *error_out)
{
	struct buf schema, sql;
	PGresult *result = NULL;
	buf_init(&schema);
	buf_init(&sql);
	bool ok = view_schema(connection, timeout_ms, &schema, error_out);
	if (ok) {
		buf_printf(&sql,
			   "SELECT s.query, pg_catalog.pg_get_userbyid(s.userid), pg_catalog.current_database(), s.calls, s.rows"
			   " FROM %s.pg_stat_statements s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.dbid"
			   " WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()",
			   buf_cstr(&schema));
		ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, &result, 1, error_out);
	}
	uint64_t hidden = 0;
	for (int row = 0; ok && row < PQntuples(result); row++) {
		struct catalog_statement statement = { PQgetvalue(result, row, 0), PQgetvalue(result, row, 1),
						       PQgetvalue(result, row, 2),
						       strtoull(PQgetvalue(result, row, 3), NULL, 10),
						       strtoull(PQgetvalue(result, row, 4), NULL, 10) };
		if (PQgetisnull(result, row, 0) || strcmp(statement.sql, "<insufficient privilege>") == 0)
			hidden++;
		else
			each(context, &statement);
	}
	if (ok) {
		PQclear(result);
		*hidden_out = hidden;
	}
	buf_deinit(&schema);
	buf_deinit(&sql);
	return ok;
}
