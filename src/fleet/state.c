#include "fleet/state.h"

#include "catalog/own_schema.h"
#include "config/yaml_tree.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/random.h>

void state_make_id(char id_out[STATE_ID_BYTES])
{
	uint8_t bytes[16];
	while (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		;
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	char *at = id_out;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += sprintf(at, "%02x", bytes[i]);
	}
}

/* ---- the schema ---- */

enum { UPGRADE_TRIES = 3 };

#define ONE_AT_A_TIME "BEGIN; SET LOCAL lock_timeout = 5000; " OWN_SCHEMA_LOCK

static const char make_tables[] =
	ONE_AT_A_TIME
	"CREATE TABLE IF NOT EXISTS crossfade.about (version int NOT NULL, oldest_reader int NOT NULL);"
	"INSERT INTO crossfade.about SELECT 1, 1 WHERE NOT EXISTS (SELECT FROM crossfade.about);"
	"CREATE TABLE IF NOT EXISTS crossfade.stages (table_name text PRIMARY KEY, stage text NOT NULL,"
	" changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), journal uuid);"
	"CREATE TABLE IF NOT EXISTS crossfade.journal (id uuid PRIMARY KEY,"
	" at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), kind text NOT NULL, tables text[] NOT NULL,"
	" from_stages text[] NOT NULL, to_stages text[] NOT NULL, who text,"
	" role text NOT NULL DEFAULT CURRENT_USER, reason text, outcome text NOT NULL, detail text);"
	"CREATE INDEX IF NOT EXISTS journal_at ON crossfade.journal (at);"
	"CREATE TABLE IF NOT EXISTS crossfade.pauses (id uuid PRIMARY KEY, tables text[] NOT NULL, owner text NOT NULL,"
	" began_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), expires_at timestamptz NOT NULL,"
	" ended_at timestamptz, outcome text);"
	"CREATE TABLE IF NOT EXISTS crossfade.proxies (id uuid PRIMARY KEY, name text NOT NULL, address text,"
	" version text NOT NULL, standby boolean NOT NULL DEFAULT false,"
	" started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), lease_until timestamptz NOT NULL);"
	"CREATE TABLE IF NOT EXISTS crossfade.acknowledgements (pause uuid NOT NULL REFERENCES crossfade.pauses"
	" ON DELETE CASCADE, proxy uuid NOT NULL REFERENCES crossfade.proxies ON DELETE CASCADE,"
	" at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), PRIMARY KEY (pause, proxy));"
	"COMMIT";

/* To versions 2 and 3: everything has a default that is right for rows of the versions before. */
static const char add_to_tables[] =
	ONE_AT_A_TIME
	"ALTER TABLE crossfade.journal ADD COLUMN IF NOT EXISTS forced boolean NOT NULL DEFAULT false;"
	"ALTER TABLE crossfade.pauses ADD COLUMN IF NOT EXISTS digests text[], ADD COLUMN IF NOT EXISTS watched oid[],"
	" ADD COLUMN IF NOT EXISTS made text[], ADD COLUMN IF NOT EXISTS schemas text[];"
	"ALTER TABLE crossfade.proxies ADD COLUMN IF NOT EXISTS map text, ADD COLUMN IF NOT EXISTS sessions int[],"
	" ADD COLUMN IF NOT EXISTS process text;"
	"ALTER TABLE crossfade.acknowledgements ADD COLUMN IF NOT EXISTS drained boolean NOT NULL DEFAULT true;"
	"CREATE TABLE IF NOT EXISTS crossfade.calls (id uuid PRIMARY KEY, tables text[] NOT NULL, digests text[] NOT NULL,"
	" expires_at timestamptz NOT NULL);"
	"CREATE TABLE IF NOT EXISTS crossfade.answers (call uuid NOT NULL REFERENCES crossfade.calls ON DELETE CASCADE,"
	" proxy uuid NOT NULL REFERENCES crossfade.proxies ON DELETE CASCADE, refusal text, PRIMARY KEY (call, proxy));"
	"UPDATE crossfade.about SET version = 3 WHERE version < 3;"
	"COMMIT";

#define MAKE_SCHEMA_HINT "Let the owner of the database run: CREATE SCHEMA crossfade AUTHORIZATION <the role of `admin`>."

/* CREATE SCHEMA asks for CREATE on the database even where the schema exists. */
static bool ask(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms, long *answer_out,
		struct error *error_out)
{
	PGresult *result = NULL;
	if (!catalog_query(connection, sql, timeout_ms, &result, 1, error_out))
		return false;
	*answer_out = PQntuples(result) && !PQgetisnull(result, 0, 0) ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
	PQclear(result);
	return true;
}

bool state_check(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out)
{
	long may = 0;
	if (!ask(connection,
		 "SELECT CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')"
		 " ELSE pg_has_role(n.nspowner, 'USAGE') OR (has_schema_privilege(n.oid, 'USAGE') AND EXISTS (SELECT FROM"
		 " pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'journal' AND has_table_privilege(c.oid, 'INSERT')))"
		 " END::int FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'crossfade'",
		 timeout_ms, &may, error_out))
		return false;
	if (may)
		return true;
	error_set(error_out, "42501", "the role of `admin` may not write to the schema crossfade, where cutovers are recorded");
	error_hint(error_out, MAKE_SCHEMA_HINT);
	return false;
}

static bool make(struct catalog_connection *connection, bool schema_exists, uint32_t timeout_ms,
		 struct error *error_out)
{
	struct error why;
	if ((schema_exists || catalog_execute(connection, "CREATE SCHEMA IF NOT EXISTS crossfade", timeout_ms, &why)) &&
	    catalog_execute(connection, make_tables, timeout_ms, &why))
		return true;
	error_set(error_out, why.sqlstate, "cannot make the schema crossfade, where cutovers are recorded: %s",
		  why.message);
	error_hint(error_out, MAKE_SCHEMA_HINT);
	return false;
}

static bool add_what_is_new(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out)
{
	return catalog_execute(connection, add_to_tables, timeout_ms, error_out) &&
	       own_schema_grant(connection, "crossfade", timeout_ms, error_out);
}

/* Another proxy may do it now, or use the tables already, and the server end one of the two for a deadlock. */
static bool upgrade(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out)
{
	struct error why = { 0 };
	for (int left = UPGRADE_TRIES; left; left--) {
		long version = 0;
		if (!ask(connection, "SELECT max(version) FROM crossfade.about", timeout_ms, &version, error_out))
			return false;
		if (version >= STATE_VERSION || add_what_is_new(connection, timeout_ms, &why))
			return true;
	}
	error_set(error_out, why.sqlstate, "cannot bring the schema crossfade to version %d: %s", STATE_VERSION, why.message);
	error_hint(error_out, "The role of `admin` must own it: let the owner of the database run ALTER SCHEMA crossfade OWNER "
			      "TO <the role of `admin`>, and the same for its tables.");
	return false;
}

bool state_ensure(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out)
{
	long parts = 0, oldest = 0;
	if (!ask(connection, "SELECT (to_regnamespace('crossfade') IS NOT NULL)::int + 2 * (SELECT count(*) FROM"
			     " (VALUES ('about'), ('stages'), ('journal'), ('pauses'), ('proxies'),"
			     " ('acknowledgements')) t(name) WHERE to_regclass('crossfade.' || t.name) IS NOT NULL)",
		 timeout_ms, &parts, error_out))
		return false;
	if (parts != 1 + 2 * 6 && !make(connection, parts & 1, timeout_ms, error_out))
		return false;
	if (!ask(connection, "SELECT max(oldest_reader) FROM crossfade.about", timeout_ms, &oldest, error_out))
		return false;
	if (oldest <= STATE_VERSION)
		return upgrade(connection, timeout_ms, error_out);
	error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED,
		  "the schema crossfade of this database is of a newer version of crossfade");
	error_hint(error_out, "Use that version; this one knows format %d, the schema asks for %ld.", STATE_VERSION,
		   oldest);
	return false;
}

/* ---- changes ---- */

static void append_text(struct catalog_connection *connection, struct buf *sql, const char *text)
{
	if (text)
		catalog_append_literal(connection, sql, text);
	else
		buf_append_str(sql, "NULL");
}

static void append_array(struct catalog_connection *connection, struct buf *sql, const struct state_change *change,
			 const char *(*text_of)(const struct state_stage *stage))
{
	buf_append_str(sql, "ARRAY[");
	for (size_t i = 0; i < change->stage_count; i++) {
		buf_append_str(sql, i ? ", " : "");
		append_text(connection, sql, text_of(&change->stages[i]));
	}
	buf_append_str(sql, "]::text[]");
}

static const char *table_of(const struct state_stage *stage)
{
	return stage->table;
}

static const char *from_of(const struct state_stage *stage)
{
	return stage_name(stage->from);
}

static const char *to_of(const struct state_stage *stage)
{
	return stage_name(stage->to);
}

void state_append_journal(struct catalog_connection *connection, struct buf *sql, const struct state_change *change)
{
	buf_append_str(sql, "INSERT INTO crossfade.journal (id, kind, tables, from_stages, to_stages, who, reason, "
			    "outcome, detail, forced) VALUES (");
	append_text(connection, sql, change->id);
	buf_append_str(sql, ", ");
	append_text(connection, sql, change->kind);
	buf_append_str(sql, ", ");
	append_array(connection, sql, change, table_of);
	buf_append_str(sql, ", ");
	append_array(connection, sql, change, from_of);
	buf_append_str(sql, ", ");
	append_array(connection, sql, change, to_of);
	const char *texts[] = { change->who, change->reason, change->outcome, change->detail };
	for (size_t i = 0; i < 4; i++) {
		buf_append_str(sql, ", ");
		append_text(connection, sql, texts[i]);
	}
	buf_append_str(sql, change->forced ? ", true);" : ", false);");
}

void state_append_stages(struct catalog_connection *connection, struct buf *sql, const struct state_change *change)
{
	for (size_t i = 0; i < change->stage_count; i++) {
		buf_append_str(sql, "INSERT INTO crossfade.stages (table_name, stage, journal) VALUES (");
		append_text(connection, sql, change->stages[i].table);
		buf_append_str(sql, ", ");
		append_text(connection, sql, stage_name(change->stages[i].to));
		buf_append_str(sql, ", ");
		append_text(connection, sql, change->id);
		buf_append_str(sql, ") ON CONFLICT (table_name) DO UPDATE SET stage = excluded.stage, journal = "
				    "excluded.journal, changed_at = pg_catalog.clock_timestamp();");
	}
}

bool state_read_stages(struct catalog_connection *connection, uint32_t timeout_ms, struct buf *out,
		       struct error *error_out)
{
	PGresult *result = NULL;
	struct error error;
	bool ok = catalog_query(connection, "SELECT table_name, stage FROM crossfade.stages ORDER BY table_name", timeout_ms,
				&result, 1, &error);
	if (!ok && strcmp(error.sqlstate, SQLSTATE_UNDEFINED_TABLE) != 0) {
		*error_out = error;
		return false;
	}
	buf_append_str(out, ok && PQntuples(result) ? "flags:\n" : "flags: {}\n");
	for (int row = 0; ok && row < PQntuples(result); row++) {
		buf_append_str(out, "  ");
		yaml_append_text(out, PQgetvalue(result, row, 0));
		buf_printf(out, ": %s\n", PQgetvalue(result, row, 1));
	}
	PQclear(result);
	return true;
}

bool state_has_journal(struct catalog_connection *connection, const char *id, uint32_t timeout_ms, bool *found_out,
		       struct error *error_out)
{
	struct buf sql;
	long found = 0;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT count(*) FROM crossfade.journal WHERE id = ");
	append_text(connection, &sql, id);
	bool ok = ask(connection, buf_cstr(&sql), timeout_ms, &found, error_out);
	buf_deinit(&sql);
	if (ok)
		*found_out = found > 0;
	return ok;
}

/* A missing row is stage old. */
static bool check_stage(struct catalog_connection *connection, const struct state_stage *stage, uint32_t timeout_ms,
			struct error *error_out)
{
	PGresult *result = NULL;
	if (!catalog_query_for(connection, "SELECT stage FROM crossfade.stages WHERE table_name = $1", stage->table,
			       timeout_ms, &result, error_out))
		return false;
	const char *now = PQntuples(result) ? PQgetvalue(result, 0, 0) : stage_name(STAGE_OLD);
	bool same = strcmp(now, stage_name(stage->from)) == 0;
	if (!same) {
		error_set(error_out, "40001", "%s has gone to stage %s meanwhile", stage->table, now);
		error_hint(error_out, "Look at it again, then try again.");
	}
	PQclear(result);
	return same;
}

static bool store_open(struct catalog_connection *connection, const struct state_change *change, uint32_t timeout_ms,
		       struct error *error_out)
{
	struct buf sql;
	for (size_t i = 0; i < change->stage_count; i++) {
		if (!check_stage(connection, &change->stages[i], timeout_ms, error_out))
			return false;
	}
	buf_init(&sql);
	state_append_journal(connection, &sql, change);
	state_append_stages(connection, &sql, change);
	buf_append_str(&sql, "NOTIFY crossfade; COMMIT");
	bool ok = catalog_execute(connection, buf_cstr(&sql), timeout_ms, error_out);
	buf_deinit(&sql);
	return ok;
}

bool state_store(struct catalog_connection *connection, const struct state_change *change, uint32_t timeout_ms,
		 struct error *error_out)
{
	struct error ignored;
	if (!catalog_execute(connection, "BEGIN; SET LOCAL lock_timeout = 5000; LOCK TABLE crossfade.stages IN SHARE ROW EXCLUSIVE MODE",
			     timeout_ms, error_out))
		return false;
	if (store_open(connection, change, timeout_ms, error_out))
		return true;
	if (catalog_connection_is_alive(connection))
		catalog_execute(connection, "ROLLBACK", timeout_ms, &ignored);
	return false;
}
