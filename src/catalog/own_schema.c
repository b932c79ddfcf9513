#include "catalog/own_schema.h"

#include <libpq-fe.h>

/* Only what the current role may pass on, so that nothing can fail for want of a right; and
 * without PL/pgSQL, which a database need not have. */
static const char grants_sql[] =
	"SELECT '" OWN_SCHEMA_LOCK "' || pg_catalog.string_agg(pg_catalog.format('GRANT %s ON %s TO %I', given, name,"
	" (SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database"
	"   WHERE datname = pg_catalog.current_database())), ';') FROM ("
	"SELECT 'SCHEMA ' || pg_catalog.quote_ident(nspname) AS name, 'USAGE' AS given FROM pg_catalog.pg_namespace"
	" WHERE oid = pg_catalog.to_regnamespace($1) AND pg_catalog.pg_has_role(nspowner, 'USAGE')"
	" UNION ALL SELECT pg_catalog.format('%I.%I', nspname, relname), 'SELECT'"
	" FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace"
	" WHERE relnamespace = pg_catalog.to_regnamespace($1) AND relkind IN ('r', 'v', 'S')"
	" AND pg_catalog.pg_has_role(relowner, 'USAGE')) made";

bool own_schema_grant(struct catalog_connection *connection, const char *schema, uint32_t timeout_ms,
		      struct error *error_out)
{
	PGresult *result;
	if (!catalog_query_for(connection, grants_sql, schema, timeout_ms, &result, error_out))
		return false;
	bool ok = PQgetisnull(result, 0, 0) ||
		  catalog_execute(connection, PQgetvalue(result, 0, 0), timeout_ms, error_out);
	PQclear(result);
	return ok;
}
