#include "fleet/move_sql.h"

#include "base/memory.h"

#include <stdlib.h>

enum { VERSION_SECURITY_INVOKER = 150000 };

static void add(struct move_sql *out, struct buf *sql, const char *locks)
{
	struct move_plan *plan = out->plan;
	if (plan->statement_count == out->capacity) {
		out->capacity = out->capacity ? out->capacity * 2 : 32;
		struct move_statement *grown = ARENA_ARRAY(&plan->arena, out->capacity, struct move_statement);
		if (plan->statement_count)
			memcpy(grown, plan->statements, plan->statement_count * sizeof(*grown));
		plan->statements = grown;
	}
	plan->statements[plan->statement_count++] = (struct move_statement){
		.sql = arena_copy(&plan->arena, sql->data, sql->len),
		.locks = arena_strdup(&plan->arena, locks),
	};
	buf_deinit(sql);
}

static const char *exclusive_on(struct move_sql *out, struct rel_name name)
{
	return arena_printf(&out->plan->arena, "ACCESS EXCLUSIVE on %s", rel_name_print(&out->plan->arena, name));
}

/* ---- locks ---- */

static void lock(struct move_sql *out, struct rel_name name)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "LOCK TABLE ");
	rel_name_append(&sql, name);
	buf_append_str(&sql, " IN ACCESS EXCLUSIVE MODE");
	add(out, &sql, exclusive_on(out, name));
}

/* Whoever uses a view locks it before its table. Partitions are locked with their table. */
void move_sql_lock(struct move_sql *out, const struct move_table *table)
{
	for (size_t i = 0; i < table->relation_count; i++) {
		if (table->relations[i].there_is_ours)
			lock(out, table->relations[i].to);
	}
	lock(out, table->relations[0].from);
}

/* ---- names ---- */

static void alter(struct move_sql *out, const char *what, struct rel_name name, const char *verb, const char *operand)
{
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "ALTER %s ", what);
	rel_name_append(&sql, name);
	buf_printf(&sql, " %s ", verb);
	name_append_quoted(&sql, operand);
	add(out, &sql, exclusive_on(out, name));
}

static const char *word_for(char kind)
{
	return kind == 'f' ? "FOREIGN TABLE" : kind == 'm' ? "MATERIALIZED VIEW" : "TABLE";
}

/* Through a name that nothing has on the way, where both schema and name change. */
static void rename_relation(struct move_sql *out, const struct move_relation *relation)
{
	const char *word = word_for(relation->kind);
	struct rel_name from = relation->from, to = relation->to;
	bool same_schema = strcmp(from.schema, to.schema) == 0, same_name = strcmp(from.name, to.name) == 0;
	if (!same_schema && !same_name) {
		struct rel_name between = { from.schema,
					    arena_printf(&out->plan->arena, "crossfade_move_%u", relation->oid) };
		alter(out, word, from, "RENAME TO", between.name);
		from = between;
	}
	if (!same_schema) {
		alter(out, word, from, "SET SCHEMA", to.schema);
		from.schema = to.schema;
	}
	if (!same_name)
		alter(out, word, from, "RENAME TO", to.name);
}

/* ---- columns ---- */

struct renames {
	const struct map_pairs *pairs;
	bool reverse;
};

static const char *before(const struct renames *renames, size_t i)
{
	return renames->reverse ? renames->pairs->items[i].value : renames->pairs->items[i].key;
}

static const char *after(const struct renames *renames, size_t i)
{
	return renames->reverse ? renames->pairs->items[i].key : renames->pairs->items[i].value;
}

static bool has_column(const struct move_relation *relation, const char *column)
{
	for (size_t i = 0; i < relation->column_count; i++) {
		if (strcmp(relation->columns[i], column) == 0)
			return true;
	}
	return false;
}

static bool changes(const struct renames *renames, const struct move_relation *relation, size_t i)
{
	return strcmp(before(renames, i), after(renames, i)) != 0 && has_column(relation, before(renames, i));
}

/* Columns that swap their names meet on the way. */
static bool some_meet(const struct renames *renames, const struct move_relation *relation)
{
	for (size_t i = 0; i < renames->pairs->count; i++) {
		if (changes(renames, relation, i) && has_column(relation, after(renames, i)))
			return true;
	}
	return false;
}

static void rename_column(struct move_sql *out, const struct move_relation *relation, const char *from, const char *to)
{
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "ALTER %s ", word_for(relation->kind));
	rel_name_append(&sql, relation->to);
	buf_append_str(&sql, " RENAME COLUMN ");
	name_append_quoted(&sql, from);
	buf_append_str(&sql, " TO ");
	name_append_quoted(&sql, to);
	add(out, &sql, exclusive_on(out, relation->to));
}

/* Partitions get their table's. */
static void rename_columns(struct move_sql *out, const struct renames *renames, const struct move_relation *relation)
{
	bool meet = some_meet(renames, relation);
	for (int round = meet ? 0 : 1; round < 2; round++) {
		for (size_t i = 0; i < renames->pairs->count; i++) {
			const char *between = arena_printf(&out->plan->arena, "crossfade_column_%zu", i);
			if (!changes(renames, relation, i))
				continue;
			rename_column(out, relation, meet && round ? between : before(renames, i),
				      meet && !round ? between : after(renames, i));
		}
	}
}

/* ---- the view under the old name ---- */

static const char *name_after(const struct renames *renames, const char *column)
{
	for (size_t i = 0; i < renames->pairs->count; i++) {
		if (strcmp(before(renames, i), column) == 0)
			return after(renames, i);
	}
	return column;
}

static void append_view_column(struct buf *sql, const struct renames *renames, const char *column)
{
	const char *now = name_after(renames, column);
	name_append_quoted(sql, now);
	if (strcmp(now, column) == 0)
		return;
	buf_append_str(sql, " AS ");
	name_append_quoted(sql, column);
}

static void make_view(struct move_sql *out, const struct renames *renames, const struct move_relation *relation)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "CREATE VIEW ");
	rel_name_append(&sql, relation->from);
	if (out->server_version >= VERSION_SECURITY_INVOKER)
		buf_append_str(&sql, " WITH (security_invoker = true)");
	buf_append_str(&sql, " AS SELECT ");
	for (size_t i = 0; i < relation->column_count; i++) {
		buf_append_str(&sql, i ? ", " : "");
		append_view_column(&sql, renames, relation->columns[i]);
	}
	buf_append_str(&sql, " FROM ");
	rel_name_append(&sql, relation->to);
	add(out, &sql, exclusive_on(out, relation->from));
}

static void mark_view(struct move_sql *out, const struct move_relation *relation)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "COMMENT ON VIEW ");
	rel_name_append(&sql, relation->from);
	buf_append_str(&sql, " IS 'crossfade: stands in for the table that moved'");
	add(out, &sql, NULL);
	alter(out, "VIEW", relation->from, "OWNER TO", "");
	struct move_statement *owner = &out->plan->statements[out->plan->statement_count - 1];
	size_t len = strlen(owner->sql) - 2; /* in place of the empty identifier */
	owner->sql = arena_printf(&out->plan->arena, "%.*s%s", (int)len, owner->sql, relation->owner);
}

/* Columns keep their old names in the view, and so do grants on them. */
static void grant(struct move_sql *out, const struct move_relation *relation, const struct move_grant *given)
{
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "GRANT %s", given->privilege);
	if (given->column) {
		buf_append_str(&sql, " (");
		name_append_quoted(&sql, given->column);
		buf_append_str(&sql, ")");
	}
	buf_append_str(&sql, " ON ");
	rel_name_append(&sql, relation->from);
	buf_printf(&sql, " TO %s%s", given->grantee, given->grantable ? " WITH GRANT OPTION" : "");
	add(out, &sql, NULL);
}

static void leave_view(struct move_sql *out, const struct renames *renames, const struct move_relation *relation)
{
	make_view(out, renames, relation);
	mark_view(out, relation);
	for (size_t i = 0; i < relation->grant_count; i++)
		grant(out, relation, &relation->grants[i]);
}

static void drop_view(struct move_sql *out, const struct move_relation *relation)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "DROP VIEW ");
	rel_name_append(&sql, relation->to);
	add(out, &sql, exclusive_on(out, relation->to));
}

/* ---- all of it ---- */

static void grant_usage(struct move_sql *out, const struct move_table *table)
{
	for (size_t i = 0; i < table->without_usage_count; i++) {
		struct buf sql;
		buf_init(&sql);
		buf_append_str(&sql, "GRANT USAGE ON SCHEMA ");
		name_append_quoted(&sql, table->relations[0].to.schema);
		buf_printf(&sql, " TO %s", table->without_usage[i]);
		add(out, &sql, NULL);
	}
}

void move_sql_move(struct move_sql *out, const struct ruleset_entry *entry, const struct move_table *table)
{
	struct renames renames = { &entry->map->columns, out->plan->reverse };
	const char *schema = table->relations[0].to.schema;
	for (size_t i = 0; i < table->relation_count; i++) {
		if (table->relations[i].there_is_ours)
			drop_view(out, &table->relations[i]);
	}
	for (size_t i = 0; i < table->relation_count; i++)
		rename_relation(out, &table->relations[i]);
	rename_columns(out, &renames, &table->relations[0]);
	for (size_t i = 0; i < table->statistics_count && strcmp(table->statistics[i].schema, schema) != 0; i++)
		alter(out, "STATISTICS", table->statistics[i], "SET SCHEMA", schema);
	grant_usage(out, table);
	for (size_t i = 0; out->view && !out->plan->reverse && i < table->relation_count; i++)
		leave_view(out, &renames, &table->relations[i]);
}
