#include "fleet/move_read.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum question {
	ASK_RELATIONS,
	ASK_COLUMNS,
	ASK_GRANTS,
	ASK_STATISTICS,
	ASK_USAGE,
	ASK_CLASHES,
	ASK_WATCHED,
	ASK_SCHEMAS,
	QUESTION_COUNT
};

/* Partitions follow their table, as far as they lie in its schema. %1: the table, %2: its next schema,
 * %3: its next name, %4: its present schema; all of them literals. */
#define TREE                                                                                                       \
	"WITH RECURSIVE tree(oid, level) AS (SELECT to_regclass(%1)::oid, 0 UNION ALL"                             \
	" SELECT i.inhrelid, t.level + 1 FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid"                    \
	" JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition),"                                            \
	" moved AS (SELECT c.*, t.level, CASE WHEN t.level = 0 THEN %3::name ELSE c.relname END AS next FROM tree t"   \
	" JOIN pg_class c ON c.oid = t.oid WHERE t.level = 0 OR c.relnamespace = to_regnamespace(%4)),"              \
	" parts AS (SELECT m.oid, m.relname, m.next, true AS is_table FROM moved m UNION"                            \
	" SELECT c.oid, c.relname, c.relname, false FROM moved m JOIN pg_index x ON x.indrelid = m.oid"              \
	" JOIN pg_class c ON c.oid = x.indexrelid UNION"                                                           \
	" SELECT c.oid, c.relname, c.relname, false FROM moved m JOIN pg_depend d ON d.refobjid = m.oid"             \
	" AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass AND d.refobjsubid > 0"      \
	" AND d.deptype IN ('a','i') JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'),"                     \
	" roles(oid) AS (SELECT m.relowner FROM moved m UNION"                                                     \
	" SELECT a.grantee FROM moved m CROSS JOIN LATERAL aclexplode(m.relacl) a UNION"                           \
	" SELECT a.grantee FROM moved m JOIN pg_attribute b ON b.attrelid = m.oid AND NOT b.attisdropped"          \
	" CROSS JOIN LATERAL aclexplode(b.attacl) a) "

static const char *const questions[QUESTION_COUNT] = {
	[ASK_RELATIONS] = TREE
	"SELECT m.oid, m.relname, m.next, m.relkind, quote_ident(pg_get_userbyid(m.relowner)),"
	" pg_has_role(m.relowner, 'USAGE'), has_schema_privilege(m.relowner, m.relnamespace, 'CREATE')"
	" OR (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user),"
	" m.relrowsecurity, v.oid, v.relkind, coalesce(obj_description(v.oid, 'pg_class') LIKE 'crossfade:%'"
	" AND EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass"
	" AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = m.oid"
	" WHERE r.ev_class = v.oid), false)"
	" FROM moved m LEFT JOIN pg_class v ON v.relname = m.next AND v.relnamespace = to_regnamespace(%2)"
	" AND v.oid <> m.oid ORDER BY m.level, m.relname",
	[ASK_COLUMNS] = TREE
	"SELECT m.oid, a.attname FROM moved m JOIN pg_attribute a ON a.attrelid = m.oid AND a.attnum > 0"
	" AND NOT a.attisdropped ORDER BY m.oid, a.attnum",
	[ASK_GRANTS] = TREE
	"SELECT g.oid, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,"
	" g.privilege_type, g.attname, g.is_grantable FROM ("
	"SELECT m.oid, a.*, NULL::name AS attname, m.relowner FROM moved m CROSS JOIN LATERAL aclexplode(m.relacl) a"
	" UNION ALL SELECT m.oid, a.*, b.attname, m.relowner FROM moved m JOIN pg_attribute b ON b.attrelid = m.oid"
	" AND NOT b.attisdropped CROSS JOIN LATERAL aclexplode(b.attacl) a) g WHERE g.grantee <> g.relowner"
	" ORDER BY 1, 4 NULLS FIRST, 2, 3",
	[ASK_STATISTICS] = TREE
	"SELECT s.stxname, pg_has_role(s.stxowner, 'USAGE') FROM pg_statistic_ext s JOIN moved m ON m.oid = s.stxrelid"
	" WHERE s.stxnamespace = to_regnamespace(%4) ORDER BY 1",
	[ASK_USAGE] = TREE
	"SELECT CASE WHEN r.oid = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.oid)) END FROM roles r"
	" WHERE NOT CASE WHEN r.oid = 0 THEN has_schema_privilege('public', to_regnamespace(%2)::oid, 'USAGE')"
	" ELSE has_schema_privilege(r.oid, to_regnamespace(%2)::oid, 'USAGE') END ORDER BY 1",
	[ASK_CLASHES] = TREE
	"SELECT DISTINCT c.relname FROM parts p JOIN pg_class c ON c.relname = p.relname AND NOT p.is_table"
	" AND c.relnamespace = to_regnamespace(%2) AND c.oid <> p.oid UNION"
	" SELECT t.typname FROM parts p JOIN pg_type t ON t.typname = p.next AND p.is_table"
	" AND t.typnamespace = to_regnamespace(%2) AND t.typrelid = 0 AND (t.typelem = 0 OR p.relname = p.next) UNION"
	/* The type of its arrays keeps its name, too, unless the table gets another one. That of a view there goes with it. */
	" SELECT a.typname FROM moved m JOIN pg_type o ON o.oid = m.reltype JOIN pg_type a ON a.oid = o.typarray"
	" JOIN pg_type t ON t.typname = a.typname AND t.typnamespace = to_regnamespace(%2) WHERE m.relname = m.next"
	" AND NOT EXISTS (SELECT FROM pg_type e JOIN pg_class v ON v.oid = e.typrelid WHERE e.oid = t.typelem"
	" AND v.relname = m.next AND v.relnamespace = to_regnamespace(%2)) UNION"
	" SELECT s.stxname FROM moved m JOIN pg_statistic_ext o ON o.stxrelid = m.oid JOIN pg_statistic_ext s"
	" ON s.stxname = o.stxname AND s.stxnamespace = to_regnamespace(%2) AND s.oid <> o.oid",
	[ASK_WATCHED] = TREE
	"SELECT p.oid FROM parts p UNION SELECT v.oid FROM moved m JOIN pg_class v ON v.relname = m.next"
	" AND v.relnamespace = to_regnamespace(%2)",
	[ASK_SCHEMAS] =
	"SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'CREATE'), false),"
	" coalesce(has_schema_privilege(o.oid, 'CREATE'), false),"
	" coalesce(has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION'), false)"
	" FROM (SELECT to_regnamespace(%2)::oid AS oid) n, (SELECT to_regnamespace(%4)::oid AS oid) o",
};

/* ---- asking ---- */

static void append_identifier_literal(struct catalog_connection *connection, struct buf *sql, struct rel_name name)
{
	struct buf text;
	buf_init(&text);
	rel_name_append(&text, name);
	catalog_append_literal(connection, sql, buf_cstr(&text));
	buf_deinit(&text);
}

static void append_question(struct catalog_connection *connection, struct buf *sql, const char *question,
			    struct rel_name from, struct rel_name to)
{
	for (const char *c = question; *c; c++) {
		if (*c != '%' || c[1] < '1' || c[1] > '4') {
			buf_append_byte(sql, (uint8_t)*c);
			continue;
		}
		switch (*++c) {
		case '1': append_identifier_literal(connection, sql, from); break;
		case '2': append_identifier_literal(connection, sql, (struct rel_name){ NULL, to.schema }); break;
		case '3': catalog_append_literal(connection, sql, to.name); break;
		default: append_identifier_literal(connection, sql, (struct rel_name){ NULL, from.schema }); break;
		}
	}
	buf_append_byte(sql, ';');
}

/* ---- the answers ---- */

static const char *text_at(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static bool flag_at(const PGresult *result, int row, int column)
{
	const char *text = text_at(result, row, column);
	return text && *text == 't';
}

static uint32_t oid_at(const PGresult *result, int row, int column)
{
	const char *text = text_at(result, row, column);
	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static const char **take_texts(struct arena *arena, const PGresult *result, size_t *count_out)
{
	size_t count = (size_t)PQntuples(result);
	const char **texts = ARENA_ARRAY(arena, count + 1, const char *);
	for (size_t i = 0; i < count; i++)
		texts[i] = arena_strdup(arena, text_at(result, (int)i, 0));
	*count_out = count;
	return texts;
}

static void take_columns(struct arena *arena, struct move_relation *relation, const PGresult *result)
{
	relation->columns = ARENA_ARRAY(arena, (size_t)PQntuples(result) + 1, const char *);
	for (int row = 0; row < PQntuples(result); row++) {
		if (oid_at(result, row, 0) == relation->oid)
			relation->columns[relation->column_count++] = arena_strdup(arena, text_at(result, row, 1));
	}
}

static void take_grants(struct arena *arena, struct move_relation *relation, const PGresult *result)
{
	relation->grants = ARENA_ARRAY(arena, (size_t)PQntuples(result) + 1, struct move_grant);
	for (int row = 0; row < PQntuples(result); row++) {
		if (oid_at(result, row, 0) != relation->oid)
			continue;
		relation->grants[relation->grant_count++] = (struct move_grant){
			.grantee = arena_strdup(arena, text_at(result, row, 1)),
			.privilege = arena_strdup(arena, text_at(result, row, 2)),
			.column = arena_strdup(arena, text_at(result, row, 3)),
			.grantable = flag_at(result, row, 4),
		};
	}
}

static char char_at(const PGresult *result, int row, int column)
{
	const char *text = text_at(result, row, column);
	return text ? *text : 0;
}

static void take_relations(struct arena *arena, struct rel_name from, struct rel_name to, PGresult *const *results,
			   struct move_table *table)
{
	const PGresult *result = results[ASK_RELATIONS];
	table->relation_count = (size_t)PQntuples(result);
	table->relations = ARENA_ARRAY(arena, table->relation_count + 1, struct move_relation);
	for (size_t i = 0; i < table->relation_count; i++) {
		struct move_relation *relation = &table->relations[i];
		int row = (int)i;
		*relation = (struct move_relation){
			.oid = oid_at(result, row, 0),
			.from = { from.schema, arena_strdup(arena, text_at(result, row, 1)) },
			.to = { to.schema, arena_strdup(arena, text_at(result, row, 2)) },
			.kind = char_at(result, row, 3),
			.owner = arena_strdup(arena, text_at(result, row, 4)),
			.may_alter = flag_at(result, row, 5),
			.owner_may_create = flag_at(result, row, 6),
			.row_security = flag_at(result, row, 7),
			.there_oid = oid_at(result, row, 8),
			.there_kind = char_at(result, row, 9),
			.there_is_ours = flag_at(result, row, 10),
		};
		take_columns(arena, relation, results[ASK_COLUMNS]);
		take_grants(arena, relation, results[ASK_GRANTS]);
	}
}

static void take_statistics(struct arena *arena, const char *schema, const PGresult *result,
			    struct move_table *table)
{
	table->statistics_count = (size_t)PQntuples(result);
	table->statistics = ARENA_ARRAY(arena, table->statistics_count + 1, struct rel_name);
	for (size_t i = 0; i < table->statistics_count; i++) {
		table->statistics[i] = (struct rel_name){ schema, arena_strdup(arena, text_at(result, (int)i, 0)) };
		if (!flag_at(result, (int)i, 1) && !table->foreign_statistics)
			table->foreign_statistics = table->statistics[i].name;
	}
}

static void take_watched(struct arena *arena, const PGresult *result, struct move_table *table)
{
	table->watched_count = (size_t)PQntuples(result);
	table->watched = ARENA_ARRAY(arena, table->watched_count + 1, uint32_t);
	for (size_t i = 0; i < table->watched_count; i++)
		table->watched[i] = oid_at(result, (int)i, 0);
}

static void take_all(struct arena *arena, struct rel_name from, struct rel_name to, PGresult *const *results,
		     struct move_table *table)
{
	const PGresult *schemas = results[ASK_SCHEMAS];
	take_relations(arena, from, to, results, table);
	take_statistics(arena, from.schema, results[ASK_STATISTICS], table);
	table->without_usage = take_texts(arena, results[ASK_USAGE], &table->without_usage_count);
	table->clashes = take_texts(arena, results[ASK_CLASHES], &table->clash_count);
	take_watched(arena, results[ASK_WATCHED], table);
	table->schema_exists = flag_at(schemas, 0, 0);
	table->may_create_there = flag_at(schemas, 0, 1);
	table->may_create_here = flag_at(schemas, 0, 2);
	table->may_grant_usage = flag_at(schemas, 0, 3);
}

bool move_read(struct catalog_connection *connection, struct arena *arena, struct rel_name from, struct rel_name to,
	       uint32_t timeout_ms, struct move_table *table_out, struct error *error_out)
{
	PGresult *results[QUESTION_COUNT] = { NULL };
	struct move_table table = { 0 };
	struct buf sql;
	buf_init(&sql);
	for (size_t i = 0; i < QUESTION_COUNT; i++)
		append_question(connection, &sql, questions[i], from, to);
	bool ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, results, QUESTION_COUNT, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	take_all(arena, from, to, results, &table);
	for (size_t i = 0; i < QUESTION_COUNT; i++)
		PQclear(results[i]);
	*table_out = table;
	return true;
}
