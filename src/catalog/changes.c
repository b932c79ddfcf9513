#include "catalog/changes.h"

#include "catalog/fact_rows.h"

static void append_names(struct catalog_connection *connection, const struct changed_relations *relations,
			 struct buf *sql)
{
	for (size_t i = 0; i < relations->name_count; i++) {
		buf_append_str(sql, " UNION ALL SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
				    " WHERE n.nspname = ");
		catalog_append_literal(connection, sql, relations->names[i].schema);
		buf_append_str(sql, " AND c.relname = ");
		catalog_append_literal(connection, sql, relations->names[i].name);
	}
}

/* "WITH part …, changed …": the relations themselves, and what mentions them. */
static void append_changed(struct catalog_connection *connection, const struct changed_relations *relations,
			   struct buf *sql)
{
	buf_append_str(sql, "WITH part(oid) AS MATERIALIZED (SELECT unnest('{");
	for (size_t i = 0; i < relations->oid_count; i++)
		buf_printf(sql, "%s%u", i ? "," : "", relations->oids[i]);
	buf_append_str(sql, "}'::oid[])");
	append_names(connection, relations, sql);
	buf_append_str(sql,
		       "), changed(oid) AS MATERIALIZED (SELECT p.oid FROM part p UNION"
		       " SELECT d.objid FROM part p JOIN pg_class c ON c.oid = p.oid JOIN pg_type t ON t.oid = c.reltype"
		       " JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass"
		       " AND d.refobjid = ANY (ARRAY[t.oid, t.typarray]) AND d.classid = 'pg_class'::regclass UNION"
		       " SELECT e.adrelid FROM part p JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass"
		       " AND d.refobjid = p.oid AND d.classid = 'pg_attrdef'::regclass"
		       " JOIN pg_attrdef e ON e.oid = d.objid) ");
}

static void append_question(struct catalog_connection *connection, const struct changed_relations *relations,
			    const char *question, const char *order, struct buf *sql)
{
	append_changed(connection, relations, sql);
	buf_append_str(sql, question);
	buf_append_str(sql, " AND c.oid = ANY (ARRAY(SELECT x.oid FROM changed x))");
	buf_append_str(sql, order);
	buf_append_byte(sql, ';');
}

void changes_append(struct catalog_connection *connection, const struct changed_relations *relations, struct buf *sql)
{
	append_question(connection, relations, fact_rows_relations, "", sql);
	append_question(connection, relations, fact_rows_columns, FACT_ROWS_COLUMNS_ORDER, sql);
	append_question(connection, relations, fact_rows_constraints, "", sql);
	buf_append_str(sql, fact_rows_denied);
	buf_append_str(sql, " AND n.nspname IN (NULL");
	for (size_t i = 0; i < relations->schema_count; i++) {
		buf_append_str(sql, ", ");
		catalog_append_literal(connection, sql, relations->schemas[i]);
	}
	buf_append_str(sql, ");");
}

struct facts *changes_take(struct pg_result *const results[CHANGES_RESULTS])
{
	struct facts *facts = facts_new();
	fact_rows_take_relations(results[0], facts);
	fact_rows_take_columns(results[1], facts);
	fact_rows_take_constraints(results[2], facts);
	fact_rows_take_denied(results[3], facts);
	return facts;
}
