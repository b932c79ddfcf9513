#include "catalog/fact_rows.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- the queries ---- */

const char fact_rows_relations[] =
	"SELECT n.nspname, c.relname, c.relkind, c.oid, coalesce(xn.nspname, sn.nspname),"
	" coalesce(xt.relname, st.relname), c.relkind IN ('r','p') AND c.relhastriggers AND EXISTS (SELECT FROM pg_trigger t"
	" WHERE t.tgrelid = c.oid AND t.tgname = '" FACT_FENCE "' AND t.tgenabled IN ('O','A')) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" LEFT JOIN pg_index x ON x.indexrelid = c.oid AND c.relkind IN ('i','I')"
	" LEFT JOIN pg_class xt ON xt.oid = x.indrelid LEFT JOIN pg_namespace xn ON xn.oid = xt.relnamespace"
	" LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0"
	" AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a','i')"
	" AND c.relkind = 'S'"
	" LEFT JOIN pg_class st ON st.oid = d.refobjid LEFT JOIN pg_namespace sn ON sn.oid = st.relnamespace"
	" WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
	" AND c.relkind IN ('r','p','f','v','m','S','i','I','c')";

const char fact_rows_columns[] =
	"SELECT c.oid, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod, a.attnum,"
	" a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, pg_get_expr(e.adbin, e.adrelid),"
	" a.attnum = ANY (k.indkey)"
	" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	" LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum AND a.atthasdef"
	" LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisprimary AND k.indimmediate"
	" WHERE c.relkind IN ('r','p','f','v','m','c') AND n.nspname <> 'information_schema'"
	" AND n.nspname !~ '^pg_'";

const char fact_rows_denied[] =
	"SELECT r.rolname, n.nspname FROM pg_roles r CROSS JOIN pg_namespace n"
	" WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
	" AND NOT has_schema_privilege(r.oid, n.oid, 'USAGE')";

/* Check constraints are never deferred. */
const char fact_rows_constraints[] =
	"SELECT n.nspname, c.relname, k.conname, CASE WHEN k.contype IN ('u','p') AND NOT k.condeferrable THEN"
	" (SELECT string_agg(a.attname, E'\\n' ORDER BY x.place) FROM unnest(k.conkey) WITH ORDINALITY x (number, place)"
	" JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.number) END"
	" FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
	" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype IN ('f','u','p','x','t')"
	" AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/* ---- their rows ---- */

static int int_at(const PGresult *result, int row, int column)
{
	const char *text = result_text(result, row, column);
	return text ? atoi(text) : 0;
}

static enum fact_kind kind_of(char relkind)
{
	switch (relkind) {
	case 'p':
		return FACT_PARTITIONED;
	case 'f':
		return FACT_FOREIGN;
	case 'v':
		return FACT_VIEW;
	case 'm':
		return FACT_MATVIEW;
	case 'S':
		return FACT_SEQUENCE;
	case 'i':
	case 'I':
		return FACT_INDEX;
	case 'c':
		return FACT_COMPOSITE;
	default:
		return FACT_TABLE;
	}
}

void fact_rows_take_relations(const PGresult *result, struct facts *facts)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct rel_name name = { result_text(result, row, 0), result_text(result, row, 1) };
		struct rel_name owner = { result_text(result, row, 4), result_text(result, row, 5) };
		struct fact_relation *relation = facts_add_relation(
			facts, name, kind_of(PQgetvalue(result, row, 2)[0]), result_oid(result, row, 3));
		relation->fenced = result_flag(result, row, 6);
		if (owner.schema && owner.name)
			facts_set_owner(facts, relation, owner);
	}
}

static struct fact_column column_at(const PGresult *result, int row)
{
	return (struct fact_column){
		.name = result_text(result, row, 1),
		.type = result_text(result, row, 2),
		.type_oid = result_oid(result, row, 3),
		.typmod = int_at(result, row, 4),
		.attnum = (int16_t)int_at(result, row, 5),
		.not_null = result_flag(result, row, 6),
		.has_default = result_flag(result, row, 7),
		.identity = PQgetvalue(result, row, 8)[0],
		.generated = PQgetvalue(result, row, 9)[0],
		.default_text = result_text(result, row, 10),
		.in_key = result_flag(result, row, 11),
	};
}

static int compare_oid(const void *a, const void *b)
{
	const struct fact_relation *x = *(struct fact_relation *const *)a, *y = *(struct fact_relation *const *)b;
	return (x->oid > y->oid) - (x->oid < y->oid);
}

void fact_rows_take_columns(const PGresult *result, struct facts *facts)
{
	struct arena scratch;
	arena_init(&scratch);
	struct fact_relation **sorted = ARENA_ARRAY(&scratch, facts->relation_count + 1, struct fact_relation *);
	struct fact_column *row_columns = ARENA_ARRAY(&scratch, (size_t)PQntuples(result) + 1, struct fact_column);
	if (facts->relation_count)
		memcpy(sorted, facts->relations, facts->relation_count * sizeof(*sorted));
	qsort(sorted, facts->relation_count, sizeof(*sorted), compare_oid);
	size_t at = 0;
	for (int row = 0, next; row < PQntuples(result); row = next) {
		uint32_t oid = result_oid(result, row, 0);
		for (next = row; next < PQntuples(result) && result_oid(result, next, 0) == oid; next++)
			row_columns[next - row] = column_at(result, next);
		while (at < facts->relation_count && sorted[at]->oid < oid)
			at++;
		if (at < facts->relation_count && sorted[at]->oid == oid)
			facts_set_columns(facts, sorted[at], row_columns, (size_t)(next - row));
	}
	arena_deinit(&scratch);
}

void fact_rows_take_denied(const PGresult *result, struct facts *facts)
{
	for (int row = 0; row < PQntuples(result); row++)
		facts_add_denied(facts, result_text(result, row, 0), result_text(result, row, 1));
}

enum { KEY_COLUMNS_MAX = 32 }; /* as many as an index may have */

/* Of a key the names of its columns come one a line. */
static void take_constraint(const PGresult *result, int row, struct facts *facts)
{
	struct rel_name table = { result_text(result, row, 0), result_text(result, row, 1) };
	const char *names[KEY_COLUMNS_MAX];
	size_t count = 0;
	char *lines = PQgetisnull(result, row, 3) ? NULL : memory_strdup(PQgetvalue(result, row, 3)), *at = lines;
	for (char *line; (line = strsep(&at, "\n")) && count < KEY_COLUMNS_MAX;)
		names[count++] = line;
	if (count)
		facts_add_key(facts, table, result_text(result, row, 2), names, count);
	else
		facts_add_constraint(facts, table, result_text(result, row, 2));
	free(lines);
}

void fact_rows_take_constraints(const PGresult *result, struct facts *facts)
{
	for (int row = 0; row < PQntuples(result); row++)
		take_constraint(result, row, facts);
}
