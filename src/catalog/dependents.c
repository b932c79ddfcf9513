#include "catalog/dependents.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_SETTINGS,
	STATEMENT_WHO,
	STATEMENT_ITEMS,
	STATEMENT_PUBLICATIONS,
	STATEMENT_CODE,
	STATEMENT_GRANTS,
	STATEMENT_INDEXES,
	STATEMENT_OWNERS,
	STATEMENT_COMMIT,
	STATEMENT_COUNT
};

enum { SCHEMA_PUBLICATIONS_SINCE = 150000 };

static const char *const kind_names[DEPENDENT_KIND_COUNT] = {
	[DEPENDENT_VIEW] = "view",
	[DEPENDENT_MATVIEW] = "materialized view",
	[DEPENDENT_RULE] = "rule",
	[DEPENDENT_TRIGGER] = "trigger",
	[DEPENDENT_POLICY] = "policy",
	[DEPENDENT_DEFAULT] = "default",
	[DEPENDENT_FOREIGN_KEY] = "foreign key",
	[DEPENDENT_FUNCTION] = "function",
	[DEPENDENT_PUBLICATION] = "publication",
	[DEPENDENT_SCHEMA_PUBLICATION] = "schema publication",
	[DEPENDENT_SUBSCRIPTION] = "subscription",
	[DEPENDENT_CHILD] = "child",
};

const char *dependent_kind_name(enum dependent_kind kind)
{
	return kind_names[kind];
}

#define NOT_OF_AN_EXTENSION(class, oid)                                                            \
	" AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '" class "'::regclass AND x.objid = " oid  \
	" AND x.deptype = 'e')"
#define OURS(n) n ".nspname !~ '^pg_' AND " n ".nspname <> 'information_schema'"

static const char begin[] = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;";

static const char who[] =
	"SELECT current_user, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), pg_backend_pid();";

/* kind, object, schema and name of what it belongs to, schema and name of the table, more */
static const char items[] =
	"WITH rel AS (SELECT c.oid, n.nspname, c.relname, c.relkind, format('%I.%I', n.nspname, c.relname) AS full"
	" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " OURS("n")
	" AND c.relkind IN ('r','p','f','v','m','S')), dep AS (SELECT DISTINCT classid, objid, refobjid FROM pg_depend"
	" WHERE refclassid = 'pg_class'::regclass AND deptype IN ('n','a'))"
	" SELECT CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, v.full, v.nspname, v.relname,"
	" t.nspname, t.relname, NULL FROM dep d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid"
	" JOIN rel v ON v.oid = r.ev_class AND v.relkind IN ('v','m') JOIN rel t ON t.oid = d.refobjid AND t.oid <> v.oid"
	" WHERE r.rulename = '_RETURN'" NOT_OF_AN_EXTENSION("pg_class", "v.oid")
	" UNION SELECT 'rule', format('%I on %s', r.rulename, v.full), v.nspname, v.relname, t.nspname, t.relname, NULL"
	" FROM pg_rewrite r JOIN rel v ON v.oid = r.ev_class"
	" JOIN (SELECT objid, refobjid FROM dep WHERE classid = 'pg_rewrite'::regclass UNION SELECT oid, ev_class FROM pg_rewrite) d"
	" ON d.objid = r.oid JOIN rel t ON t.oid = d.refobjid WHERE r.rulename <> '_RETURN'"
	" UNION SELECT 'trigger', format('%I on %s', g.tgname, t.full), t.nspname, t.relname, t.nspname, t.relname,"
	" g.tgfoid::regprocedure::text FROM pg_trigger g JOIN rel t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal"
	" AND g.tgparentid = 0"
	" UNION SELECT 'policy', format('%I on %s', p.polname, o.full), o.nspname, o.relname, t.nspname, t.relname, NULL"
	" FROM pg_policy p JOIN rel o ON o.oid = p.polrelid"
	" JOIN (SELECT objid, refobjid FROM dep WHERE classid = 'pg_policy'::regclass UNION SELECT oid, polrelid FROM pg_policy) d"
	" ON d.objid = p.oid JOIN rel t ON t.oid = d.refobjid"
	" UNION SELECT 'default', format('%s.%I', o.full, a.attname), o.nspname, o.relname, t.nspname, t.relname,"
	" pg_get_expr(e.adbin, e.adrelid) FROM dep d JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid"
	" JOIN rel o ON o.oid = e.adrelid JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum"
	" JOIN rel t ON t.oid = d.refobjid AND t.oid <> o.oid WHERE NOT EXISTS (SELECT FROM pg_depend s WHERE"
	" s.classid = 'pg_class'::regclass AND s.objid = t.oid AND s.refobjid = o.oid AND s.deptype IN ('a','i'))"
	" UNION SELECT 'foreign key', format('%I on %s', k.conname, o.full), o.nspname, o.relname, t.nspname, t.relname,"
	" pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN rel o ON o.oid = k.conrelid"
	" JOIN rel t ON t.oid = k.confrelid WHERE k.contype = 'f' AND k.conparentid = 0"
	" UNION SELECT 'function', p.oid::regprocedure::text, NULL, NULL, t.nspname, t.relname, NULL"
	" FROM dep d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid JOIN rel t ON t.oid = d.refobjid"
	" WHERE true" NOT_OF_AN_EXTENSION("pg_proc", "p.oid")
	" UNION SELECT 'subscription', s.subname, NULL, NULL, t.nspname, t.relname, NULL FROM pg_subscription_rel r"
	" JOIN pg_subscription s ON s.oid = r.srsubid JOIN rel t ON t.oid = r.srrelid"
	" UNION SELECT 'child', o.full, o.nspname, o.relname, t.nspname, t.relname,"
	" CASE t.relkind WHEN 'p' THEN 'partition' ELSE 'inherits' END FROM pg_inherits i"
	" JOIN rel o ON o.oid = i.inhrelid JOIN rel t ON t.oid = i.inhparent ORDER BY 5, 6, 1, 2;";

static const char table_publications[] =
	"SELECT 'publication', quote_ident(p.pubname), NULL, NULL, n.nspname, c.relname, NULL FROM pg_publication_rel r"
	" JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid"
	" JOIN pg_namespace n ON n.oid = c.relnamespace";

static const char schema_publications[] =
	" UNION SELECT 'schema publication', quote_ident(p.pubname), NULL, NULL, n.nspname, c.relname, NULL"
	" FROM pg_publication_namespace r JOIN pg_publication p ON p.oid = r.pnpubid"
	" JOIN pg_namespace n ON n.oid = r.pnnspid JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r','p')";

/* object, kind, language, owner, search_path, text. Expressions: a name in a string is looked up when it runs. */
static const char code[] =
	"SELECT p.oid::regprocedure::text, CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, l.lanname,"
	" pg_get_userbyid(p.proowner), (SELECT substr(x.item, length('search_path=') + 1) FROM unnest(p.proconfig) AS x(item)"
	" WHERE x.item LIKE 'search\\_path=%'), p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
	" JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 AND p.prokind IN ('f','p')"
	" AND l.lanname NOT IN ('internal','c') AND p.prosrc <> '' AND n.nspname !~ '^pg_' AND"
	" n.nspname <> 'information_schema'" NOT_OF_AN_EXTENSION("pg_proc", "p.oid")
	" UNION ALL SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname), 'default', 'expression',"
	" pg_get_userbyid(c.relowner), NULL, pg_get_expr(e.adbin, e.adrelid) FROM pg_attrdef e"
	" JOIN pg_class c ON c.oid = e.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
	" JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum WHERE " OURS("n")
	" AND pg_get_expr(e.adbin, e.adrelid) LIKE '%''%' AND pg_get_expr(e.adbin, e.adrelid) LIKE '%(%'"
	" UNION ALL SELECT format('%I on %I.%I', k.conname, n.nspname, c.relname), 'constraint', 'expression',"
	" pg_get_userbyid(c.relowner), NULL, pg_get_expr(k.conbin, k.conrelid) FROM pg_constraint k"
	" JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'c' AND "
	OURS("n") " AND pg_get_expr(k.conbin, k.conrelid) LIKE '%''%'"
	" ORDER BY 2, 1;";

static const char grants[] =
	"SELECT n.nspname, c.relname, c.relkind = 'S', CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END,"
	" a.privilege_type, has_schema_privilege(CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END,"
	" n.oid, 'USAGE') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE " OURS("n") " AND c.relkind IN ('r','p','f','v','m','S')"
	" AND a.grantee <> c.relowner ORDER BY 1, 2, 4, 5;";

static const char indexes[] =
	"SELECT n.nspname, c.relname, x.relname, a.attname, i.indisunique FROM pg_index i"
	" JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
	" JOIN pg_class x ON x.oid = i.indexrelid CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, at)"
	" JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num WHERE " OURS("n") " AND k.num > 0"
	" AND k.at <= i.indnkeyatts ORDER BY 1, 2, 3, k.at;";

static const char owners[] =
	"SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), c.relispartition OR EXISTS (SELECT FROM pg_depend x"
	" WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'),"
	" (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = c.relowner) FROM pg_class c"
	" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " OURS("n") " AND c.relkind IN ('r','p','f','v','m')"
	" ORDER BY 1, 2;";

static void append_query(struct catalog_connection *connection, uint32_t timeout_ms, struct buf *sql)
{
	bool schemas = catalog_connection_server_version(connection) >= SCHEMA_PUBLICATIONS_SINCE;
	buf_append_str(sql, begin);
	buf_printf(sql,
		   "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true),"
		   " pg_catalog.set_config('statement_timeout', '%u', true), pg_catalog.set_config('jit', 'off', true);",
		   timeout_ms);
	buf_append_str(sql, who);
	buf_append_str(sql, items);
	buf_append_str(sql, table_publications);
	buf_append_str(sql, schemas ? schema_publications : "");
	buf_append_str(sql, ";");
	buf_append_str(sql, code);
	buf_append_str(sql, grants);
	buf_append_str(sql, indexes);
	buf_append_str(sql, owners);
	buf_append_str(sql, "COMMIT");
}

/* ---- the answers ---- */

/* NULL stays NULL. */
static const char *keep(struct dependents *all, const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : arena_strdup(&all->arena, PQgetvalue(result, row, column));
}

static bool flag_at(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

static struct rel_name name_at(struct dependents *all, const PGresult *result, int row, int column)
{
	return (struct rel_name){ keep(all, result, row, column), keep(all, result, row, column + 1) };
}

static enum dependent_kind kind_of(const char *name)
{
	int kind = 0;
	while (kind < DEPENDENT_KIND_COUNT - 1 && strcmp(kind_names[kind], name) != 0)
		kind++;
	return (enum dependent_kind)kind;
}

static void take_items(struct dependents *all, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++)
		all->items[all->count++] = (struct dependent){
			.kind = kind_of(PQgetvalue(result, row, 0)),
			.object = keep(all, result, row, 1),
			.on = name_at(all, result, row, 2),
			.table = name_at(all, result, row, 4),
			.text = keep(all, result, row, 6),
		};
}

static void take_code(struct dependents *all, const PGresult *result)
{
	all->code = ARENA_ARRAY(&all->arena, (size_t)PQntuples(result) + 1, struct dependent_code);
	for (int row = 0; row < PQntuples(result); row++)
		all->code[all->code_count++] = (struct dependent_code){
			.object = keep(all, result, row, 0),
			.kind = keep(all, result, row, 1),
			.language = keep(all, result, row, 2),
			.owner = keep(all, result, row, 3),
			.search_path = keep(all, result, row, 4),
			.text = keep(all, result, row, 5),
		};
}

static void take_grants(struct dependents *all, const PGresult *result)
{
	all->grants = ARENA_ARRAY(&all->arena, (size_t)PQntuples(result) + 1, struct dependent_grant);
	for (int row = 0; row < PQntuples(result); row++)
		all->grants[all->grant_count++] = (struct dependent_grant){
			.table = name_at(all, result, row, 0),
			.is_sequence = flag_at(result, row, 2),
			.grantee = keep(all, result, row, 3),
			.privilege = keep(all, result, row, 4),
			.has_usage = flag_at(result, row, 5),
		};
}

static void take_indexes(struct dependents *all, const PGresult *result)
{
	all->indexes = ARENA_ARRAY(&all->arena, (size_t)PQntuples(result) + 1, struct dependent_index);
	for (int row = 0; row < PQntuples(result); row++)
		all->indexes[all->index_count++] = (struct dependent_index){
			.table = name_at(all, result, row, 0),
			.name = keep(all, result, row, 2),
			.column = keep(all, result, row, 3),
			.unique = flag_at(result, row, 4),
		};
}

static void take_owners(struct dependents *all, const PGresult *result)
{
	all->owners = ARENA_ARRAY(&all->arena, (size_t)PQntuples(result) + 1, struct dependent_owner);
	for (int row = 0; row < PQntuples(result); row++)
		all->owners[all->owner_count++] =
			(struct dependent_owner){ name_at(all, result, row, 0), keep(all, result, row, 2),
						  flag_at(result, row, 4), flag_at(result, row, 3) };
}

static void take_all(struct dependents *all, int pid, PGresult *const *results)
{
	int count = PQntuples(results[STATEMENT_ITEMS]) + PQntuples(results[STATEMENT_PUBLICATIONS]);
	all->items = ARENA_ARRAY(&all->arena, (size_t)count + 1, struct dependent);
	take_items(all, results[STATEMENT_ITEMS]);
	take_items(all, results[STATEMENT_PUBLICATIONS]);
	take_code(all, results[STATEMENT_CODE]);
	take_grants(all, results[STATEMENT_GRANTS]);
	take_indexes(all, results[STATEMENT_INDEXES]);
	take_owners(all, results[STATEMENT_OWNERS]);
	if (PQntuples(results[STATEMENT_WHO])) {
		all->user = keep(all, results[STATEMENT_WHO], 0, 0);
		all->reads_stats = flag_at(results[STATEMENT_WHO], 0, 1);
		all->is_pooled = atoi(PQgetvalue(results[STATEMENT_WHO], 0, 2)) != pid;
	}
}

bool dependents_load(struct catalog_connection *connection, uint32_t timeout_ms, struct dependents *dependents_out,
		     struct error *error_out)
{
	PGresult *results[STATEMENT_COUNT];
	struct buf sql;
	buf_init(&sql);
	append_query(connection, timeout_ms, &sql);
	bool ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, results, STATEMENT_COUNT, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	struct dependents all = { 0 };
	arena_init(&all.arena);
	take_all(&all, catalog_connection_pid(connection), results);
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		PQclear(results[i]);
	*dependents_out = all;
	return true;
}

void dependents_deinit(struct dependents *dependents)
{
	arena_deinit(&dependents->arena);
}
