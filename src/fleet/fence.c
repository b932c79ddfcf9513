#include "fleet/fence.h"

#include "model/facts.h"

void fence_append_function(struct buf *sql)
{
	buf_append_str(sql,
		       "CREATE FUNCTION crossfade.fence() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS"
		       " $fence$BEGIN"
		       " IF pg_trigger_depth() > 1 OR coalesce(current_setting('crossfade.fence', true), '') = 'off' THEN"
		       " RETURN NULL; END IF;"
		       " RAISE EXCEPTION '%.% is fenced: its rows are in % now', quote_ident(TG_TABLE_SCHEMA),"
		       " quote_ident(TG_TABLE_NAME), TG_ARGV[0] USING ERRCODE = 'object_not_in_prerequisite_state',"
		       " DETAIL = 'What is written here would be seen by nobody.',"
		       " HINT = 'Through crossfade: repeat the transaction. Past crossfade: write to ' || TG_ARGV[0] || '."
		       " A job that keeps both tables alike says SET crossfade.fence = off first.',"
		       " SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = '" FACT_FENCE "';"
		       " END$fence$");
}

void fence_append_set(struct catalog_connection *connection, struct buf *sql, struct rel_name table,
		      struct rel_name rows_in)
{
	struct buf text;
	buf_init(&text);
	rel_name_append(&text, rows_in);
	buf_append_str(sql, "CREATE TRIGGER " FACT_FENCE " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ");
	rel_name_append(sql, table);
	buf_append_str(sql, " FOR EACH STATEMENT EXECUTE FUNCTION crossfade.fence(");
	catalog_append_literal(connection, sql, buf_cstr(&text));
	buf_append_str(sql, ")");
	buf_deinit(&text);
}

void fence_append_drop(struct buf *sql, struct rel_name table)
{
	buf_append_str(sql, "DROP TRIGGER " FACT_FENCE " ON ");
	rel_name_append(sql, table);
}
