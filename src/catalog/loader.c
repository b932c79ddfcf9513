/*
 * One simple Query brings everything. What counts as changed is found by the
 * xmin of catalog rows: any committed DDL gives the rows it touches a new
 * one, while VACUUM and ANALYZE update statistics in place and leave it.
 * search_path is pg_catalog meanwhile, so that types and defaults are printed
 * with their schemas.
 */
#include "catalog/loader.h"

#include "catalog/fact_rows.h"

#include <string.h>

enum { OLDEST_SERVER = 120000 };

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_PATH, /* what sessions start with */
	STATEMENT_SERVER,
	STATEMENT_SETTINGS, /* the transaction's own */
	STATEMENT_FINGERPRINT,
	STATEMENT_SCHEMAS,
	STATEMENT_RELATIONS,
	STATEMENT_COLUMNS,
	STATEMENT_ROLE_SETTINGS,
	STATEMENT_DENIED,
	STATEMENT_CODE,
	STATEMENT_CONSTRAINTS,
	STATEMENT_COMMIT,
	STATEMENT_COUNT
};

static const char begin[] =
	"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL search_path TO DEFAULT;";

/* Before search_path is set: `source` tells where the session's own value came from. */
static const char server[] =
	"SELECT pg_catalog.current_database(), s.source, s.reset_val, s.boot_val,"
	" pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'select')"
	" AND pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute')"
	" FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'search_path';";

/* Normal objects have OIDs from 16384 on. */
static const char fingerprint_rest[] =
	"(SELECT count(*) || ',' || coalesce(sum(hashtextextended(c.xmin::text, c.oid::int8)), 0) FROM pg_class c"
	" WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r','p','f','v','m','S','i','I','c')),"
	/* ALTER SEQUENCE … OWNED BY leaves pg_class alone, but not pg_sequence. */
	"(SELECT coalesce(sum(hashtextextended(s.xmin::text, s.seqrelid::int8)), 0) FROM pg_sequence s"
	" JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relpersistence <> 't'),"
	/* Another foreign key leaves pg_class alone, too. */
	"(SELECT count(*) || ',' || coalesce(sum(hashtextextended(k.xmin::text, k.oid::int8)), 0) FROM pg_constraint k"
	" WHERE k.oid >= 16384 AND k.contype IN ('f','u','p','x','t')"
	" AND k.connamespace <> ALL (ARRAY(SELECT t.oid FROM pg_namespace t WHERE t.nspname ~ '^pg_temp_'))),"
	/* A fence on a table that has other triggers, too. */
	"(SELECT count(*) || ',' || coalesce(sum(hashtextextended(t.xmin::text, t.oid::int8)), 0) FROM pg_trigger t"
	" WHERE t.tgname = '" FACT_FENCE "'),"
	"(SELECT sum(hashtextextended(n.xmin::text, n.oid::int8)) FROM pg_namespace n"
	" WHERE n.nspname !~ '^pg_(toast_)?temp_'),"
	"(SELECT count(*) || ',' || coalesce(sum(hashtextextended(s.xmin::text, s.setrole::int8)), 0)"
	" FROM pg_db_role_setting s WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d"
	" WHERE d.datname = current_database()))),"
	"(SELECT count(*) || ',' || coalesce(sum(hashtextextended(p.xmin::text, p.oid::int8)), 0) FROM pg_proc p"
	" WHERE p.oid >= 16384),"
	"(SELECT coalesce(sum(hashtextextended(m.xmin::text, m.roleid::int8)), 0) FROM pg_auth_members m),"
	"(SELECT sum(hashtextextended(concat(r.rolname, '/', r.rolsuper, r.rolinherit), r.oid::int8)) FROM pg_roles r)"
	");";

static const char schemas[] = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp_)';";

static const char role_settings[] =
	"SELECT r.rolname, s.setdatabase <> 0, substr(x.item, length('search_path=') + 1)"
	" FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS x(item)"
	" LEFT JOIN pg_roles r ON r.oid = s.setrole"
	" WHERE x.item LIKE 'search\\_path=%' AND (s.setrole = 0 OR r.oid IS NOT NULL)"
	" AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));";

/* Functions that set search_path or a role, make temporary tables or do DDL, as far as their text tells,
 * and those that name them in theirs. 2078 is set_config. */
static const char code[] =
	"WITH RECURSIVE source AS MATERIALIZED (SELECT p.proname AS name, lower(p.prosrc) AS body,"
	" to_jsonb(p) ->> 'prosqlbody' AS tree FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang"
	" WHERE p.oid >= 16384 AND p.prokind IN ('f','p') AND l.lanname NOT IN ('internal','c')),"
	" own AS MATERIALIZED (SELECT name, body, body ~ ('search_path|set_config|\\m(temp|temporary|pg_temp)\\M'"
	" || '|\\mset\\s+(session\\s+|local\\s+)?(role|session\\s+authorization)\\M')"
	" OR coalesce(tree ~ ':funcid 2078 ', false) AS session, body ~ ('\\m(create|alter|drop)\\s+'"
	" || '((or\\s+replace|unlogged|foreign|materialized|recursive)\\s+)*(table|view|schema|sequence)\\M') AS ddl FROM source),"
	" found(name, session, ddl) AS (SELECT name, session, ddl FROM own WHERE session OR ddl"
	" UNION SELECT o.name, f.session, f.ddl FROM found f JOIN own o ON position(lower(f.name) IN o.body) > 0"
	" AND o.body ~ ('\\m' || regexp_replace(lower(f.name), '([^[:alnum:]_])', '\\\\\\1', 'g') || '\\M'))"
	" SELECT name, bool_or(session), bool_or(ddl) FROM found GROUP BY name;";

/* ---- the query ---- */

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Columns of tables that stand beside mapped ones tell what a name means; only
 * in a very large database are those of other schemas left out. */
static const char if_few_columns[] =
	" OR (SELECT count(*) FROM pg_attribute x WHERE x.attrelid >= 16384 AND x.attnum > 0) <= 100000)";

/* " AND (n.nspname IN (…) OR …)" for the schemas of the map. */
static void append_scope(struct catalog_connection *connection, const struct map *map, struct buf *sql)
{
	struct arena arena;
	if (!map)
		return;
	arena_init(&arena);
	const char **names = ARENA_ARRAY(&arena, map->entry_count * 2 + 1, const char *);
	size_t count = 0;
	for (size_t i = 0; i < map->entry_count; i++) {
		names[count++] = map->entries[i].old_name.schema;
		if (map->entries[i].new_name.schema)
			names[count++] = map->entries[i].new_name.schema;
	}
	qsort(names, count, sizeof(*names), compare_text);
	buf_append_str(sql, " AND (n.nspname IN (NULL");
	for (size_t i = 0; i < count; i++) {
		if (i && strcmp(names[i - 1], names[i]) == 0)
			continue;
		buf_append_str(sql, ", ");
		catalog_append_literal(connection, sql, names[i]);
	}
	buf_append_str(sql, ")");
	buf_append_str(sql, if_few_columns);
	arena_deinit(&arena);
}

static void append_fingerprint(struct catalog_connection *connection, const struct map *map, uint32_t timeout_ms,
			       struct buf *sql)
{
	buf_append_str(sql, begin);
	buf_append_str(sql, server);
	buf_printf(sql,
		   "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true),"
		   " pg_catalog.set_config('statement_timeout', '%u', true),"
		   " pg_catalog.set_config('idle_in_transaction_session_timeout', '%u', true),"
		   " pg_catalog.set_config('jit', 'off', true),"
		   " pg_catalog.set_config('max_parallel_workers_per_gather', '0', true);",
		   timeout_ms, timeout_ms);
	buf_append_str(sql,
		       "SELECT concat_ws('/', (SELECT count(*) || ',' || coalesce(sum(hashtextextended(a.xmin::text,"
		       " (a.attrelid::int8 << 16) | a.attnum)), 0) FROM pg_namespace n"
		       " JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r','p','f','v','m','c')"
		       " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
		       " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'");
	append_scope(connection, map, sql);
	buf_append_str(sql, "),");
	buf_append_str(sql, fingerprint_rest);
}

static void append_load(struct catalog_connection *connection, const struct map *map, uint32_t timeout_ms,
			struct buf *sql)
{
	append_fingerprint(connection, map, timeout_ms, sql);
	buf_append_str(sql, schemas);
	buf_append_str(sql, fact_rows_relations);
	buf_append_str(sql, ";");
	buf_append_str(sql, fact_rows_columns);
	append_scope(connection, map, sql);
	buf_append_str(sql, FACT_ROWS_COLUMNS_ORDER ";");
	buf_append_str(sql, role_settings);
	buf_append_str(sql, fact_rows_denied);
	buf_append_str(sql, ";");
	buf_append_str(sql, code);
	buf_append_str(sql, fact_rows_constraints);
	append_scope(connection, map, sql);
	buf_append_str(sql, ";");
}

static bool run(struct catalog_connection *connection, struct buf *sql, uint32_t timeout_ms, PGresult **results,
		size_t count, struct error *error_out)
{
	int version = catalog_connection_server_version(connection);
	if (version < OLDEST_SERVER) {
		error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED,
			  "the server is PostgreSQL %d; crossfade reads the catalog of version 12 and later",
			  version / 10000);
		return false;
	}
	buf_append_str(sql, "COMMIT");
	return catalog_query(connection, buf_cstr(sql), timeout_ms, results, count, error_out);
}

/* ---- the answers ---- */

static void take_small_ones(PGresult *const *results, struct facts *facts)
{
	const PGresult *result = results[STATEMENT_SCHEMAS];
	for (int row = 0; row < PQntuples(result); row++)
		facts_add_schema(facts, result_text(result, row, 0));
	result = results[STATEMENT_ROLE_SETTINGS];
	for (int row = 0; row < PQntuples(result); row++)
		facts_add_setting(facts, result_text(result, row, 0), result_flag(result, row, 1), result_text(result, row, 2));
	fact_rows_take_denied(results[STATEMENT_DENIED], facts);
	result = results[STATEMENT_CODE];
	for (int row = 0; row < PQntuples(result); row++)
		facts_add_code(facts, result_text(result, row, 0),
			       (result_flag(result, row, 1) ? FACT_CODE_SESSION : 0) |
				       (result_flag(result, row, 2) ? FACT_CODE_CATALOG : 0));
	fact_rows_take_constraints(results[STATEMENT_CONSTRAINTS], facts);
}

/* True when reset_val is what every session starts with, not our role's or database's own setting. */
static bool is_servers_own(const char *source)
{
	static const char *const own[] = { "default", "configuration file", "command line",
					   "environment variable" };
	for (size_t i = 0; source && i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(source, own[i]) == 0)
			return true;
	}
	return false;
}

/* Only a privileged role may look into the files; others get the built-in default. */
static const char *search_path_from_files(struct catalog_connection *connection, struct arena *arena,
					  uint32_t timeout_ms)
{
	struct error ignored;
	PGresult *result;
	if (!catalog_query(connection,
			   "SELECT setting FROM pg_catalog.pg_file_settings WHERE name = 'search_path' AND applied"
			   " ORDER BY seqno DESC LIMIT 1",
			   timeout_ms, &result, 1, &ignored))
		return NULL;
	const char *setting = PQntuples(result) ? arena_strdup(arena, result_text(result, 0, 0)) : NULL;
	PQclear(result);
	return setting;
}

static void take_server(struct catalog_connection *connection, const PGresult *result, uint32_t timeout_ms,
			struct facts *facts)
{
	const char *path = NULL;
	facts->server_version = catalog_connection_server_version(connection);
	if (PQntuples(result) != 1)
		return;
	facts->database = arena_strdup(&facts->arena, result_text(result, 0, 0));
	if (is_servers_own(result_text(result, 0, 1)))
		path = result_text(result, 0, 2);
	else if (result_flag(result, 0, 4))
		path = search_path_from_files(connection, &facts->arena, timeout_ms);
	facts->search_path = arena_strdup(&facts->arena, path ? path : result_text(result, 0, 3));
}

static void take_fingerprint(PGresult *const *results, struct buf *fingerprint_out)
{
	const PGresult *settings = results[STATEMENT_SERVER], *sums = results[STATEMENT_FINGERPRINT];
	buf_clear(fingerprint_out);
	for (int column = 0; column < PQnfields(settings) && PQntuples(settings); column++)
		buf_printf(fingerprint_out, "%s/", PQgetvalue(settings, 0, column));
	if (PQntuples(sums))
		buf_append_str(fingerprint_out, PQgetvalue(sums, 0, 0));
}

static void clear_all(PGresult **results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		PQclear(results[i]);
}

bool catalog_load(struct catalog_connection *connection, const struct map *map, uint64_t version,
		  uint32_t timeout_ms, struct facts **facts_out, struct buf *fingerprint_out,
		  struct error *error_out)
{
	PGresult *results[STATEMENT_COUNT];
	struct buf sql;
	buf_init(&sql);
	append_load(connection, map, timeout_ms, &sql);
	bool ok = run(connection, &sql, timeout_ms, results, STATEMENT_COUNT, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	struct facts *facts = facts_new();
	facts->version = version;
	take_server(connection, results[STATEMENT_SERVER], timeout_ms, facts);
	fact_rows_take_relations(results[STATEMENT_RELATIONS], facts);
	fact_rows_take_columns(results[STATEMENT_COLUMNS], facts);
	take_small_ones(results, facts);
	facts_seal(facts);
	if (fingerprint_out)
		take_fingerprint(results, fingerprint_out);
	clear_all(results, STATEMENT_COUNT);
	*facts_out = facts;
	return true;
}

bool catalog_fingerprint(struct catalog_connection *connection, const struct map *map, uint32_t timeout_ms,
			 struct buf *fingerprint_out, struct error *error_out)
{
	enum { COUNT = STATEMENT_FINGERPRINT + 2 };
	PGresult *results[COUNT];
	struct buf sql;
	buf_init(&sql);
	append_fingerprint(connection, map, timeout_ms, &sql);
	bool ok = run(connection, &sql, timeout_ms, results, COUNT, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	take_fingerprint(results, fingerprint_out);
	clear_all(results, COUNT);
	return true;
}

bool catalog_load_once(const char *dsn, const struct map *map, uint32_t timeout_ms, struct facts **facts_out,
		       struct error *error_out)
{
	struct catalog_connection *connection;
	if (!catalog_connect(dsn, -1, timeout_ms, &connection, error_out))
		return false;
	bool ok = catalog_load(connection, map, 1, timeout_ms, facts_out, NULL, error_out);
	catalog_connection_free(connection);
	return ok;
}
