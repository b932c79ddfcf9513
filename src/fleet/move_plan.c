#include "fleet/move_plan.h"

#include "base/memory.h"
#include "fleet/flip_plan.h"
#include "fleet/move_sql.h"

#include <stdarg.h>
#include <stdlib.h>

enum { PROBLEMS_MAX = 64, VERSION_SECURITY_INVOKER = 150000 };

struct planner {
	struct catalog_connection *connection;
	const struct ruleset *ruleset;
	const struct move_wish *wish;
	uint32_t timeout_ms;
	struct move_plan *plan;
	const struct ruleset_entry **entries;
	struct move_table *tables; /* of the entries; without relations: nothing to do */
	size_t entry_count;
};

/* ---- what is wished for ---- */

static bool refuse(struct error *error_out, const char *sqlstate, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static bool refuse(struct error *error_out, const char *sqlstate, const char *advice, const char *format, ...)
{
	char message[sizeof(error_out->message)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	error_set(error_out, sqlstate, "%s", message);
	error_hint(error_out, "%s", advice);
	return false;
}

static bool check_kind(const struct ruleset_entry *entry, struct error *error_out)
{
	switch (entry->kind) {
	case MAP_MOVE:
		return true;
	case MAP_TRANSFORM:
		return refuse(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED,
			      "A cutover moves one table under two names; a transform goes from stage to stage by its flag.",
			      "%s is a transform, not a move", entry->key);
	case MAP_IDENTITY:
		return refuse(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "There is nothing to move.",
			      "%s has the same name on both sides", entry->key);
	default:
		return refuse(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "There is nowhere to move it to.",
			      "%s has no new side in the map", entry->key);
	}
}

static bool add_entry(struct planner *planner, const struct ruleset_entry *entry, struct error *error_out)
{
	for (size_t i = 0; i < planner->entry_count; i++) {
		if (planner->entries[i] == entry)
			return true;
	}
	if (!check_kind(entry, error_out))
		return false;
	planner->entries[planner->entry_count++] = entry;
	return true;
}

static bool add_group(struct planner *planner, const char *name, struct error *error_out)
{
	const struct map *map = planner->ruleset->map;
	size_t group = 0;
	while (group < map->group_count && strcmp(map->groups[group].name, name) != 0)
		group++;
	if (group == map->group_count)
		return refuse(error_out, SQLSTATE_UNDEFINED_TABLE, "Its groups are below `groups:` in the map.",
			      "the map has no group %s", name);
	for (size_t i = 0; i < planner->ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &planner->ruleset->entries[i];
		if (entry->map->group == (int32_t)group && !add_entry(planner, entry, error_out))
			return false;
	}
	return true;
}

static bool find_entries(struct planner *planner, struct error *error_out)
{
	const struct move_wish *wish = planner->wish;
	planner->entries =
		ARENA_ARRAY(&planner->plan->arena, planner->ruleset->entry_count + 1, const struct ruleset_entry *);
	if (wish->group)
		return add_group(planner, wish->group, error_out);
	for (size_t i = 0; i < wish->table_count; i++) {
		const struct ruleset_entry *entry = ruleset_entry_by_key(planner->ruleset, wish->tables[i]);
		if (!entry)
			return refuse(error_out, SQLSTATE_UNDEFINED_TABLE,
				      "Entries are named by their old name, with its schema, as SHOW TABLES does.",
				      "the map has no entry %s", wish->tables[i]);
		if (!add_entry(planner, entry, error_out))
			return false;
	}
	return true;
}

/* ---- what stands in the way ---- */

void move_plan_problem(struct move_plan *plan, const struct error *problem)
{
	if (plan->problem_count < PROBLEMS_MAX)
		plan->problems[plan->problem_count++] = *problem;
}

static void note(struct planner *planner, const char *sqlstate, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void note(struct planner *planner, const char *sqlstate, const char *advice, const char *format, ...)
{
	struct move_plan *plan = planner->plan;
	char message[sizeof(plan->problems->message)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	struct error problem;
	error_set(&problem, sqlstate, "%s", message);
	error_hint(&problem, "%s", advice);
	move_plan_problem(plan, &problem);
}

static const char *print(struct planner *planner, struct rel_name name)
{
	return rel_name_print(&planner->plan->arena, name);
}

static const char *hint(struct planner *planner, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *hint(struct planner *planner, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return arena_strdup(&planner->plan->arena, text);
}

#define INSUFFICIENT_PRIVILEGE "42501"
#define DUPLICATE_TABLE "42P07"
#define WRONG_OBJECT_TYPE "42809"

static void check_relation(struct planner *planner, const struct move_relation *relation)
{
	const char *from = print(planner, relation->from), *to = print(planner, relation->to);
	if (!strchr("rpfm", relation->kind))
		note(planner, WRONG_OBJECT_TYPE, "Only tables can be moved.", "%s is not a table", from);
	if (!relation->may_alter)
		note(planner, INSUFFICIENT_PRIVILEGE,
		     hint(planner, "GRANT %s TO the role of `admin`, which moves the table.", relation->owner),
		     "the role of `admin` is not a member of %s, the owner of %s", relation->owner, from);
	if (!relation->there_oid || relation->there_is_ours)
		return;
	if (relation->there_kind == 'v')
		note(planner, DUPLICATE_TABLE, hint(planner, "DROP VIEW %s; when nothing needs it.", to),
		     "%s is a view that no cutover has made", to);
	else
		note(planner, DUPLICATE_TABLE,
		     hint(planner, "If %s is an empty table that a script has left: DROP TABLE %s;", to, to),
		     "%s exists already", to);
}

static void check_schemas(struct planner *planner, const struct move_table *table)
{
	const struct move_relation *relation = &table->relations[0];
	const char *schema = relation->to.schema;
	if (!table->schema_exists) {
		note(planner, "3F000", hint(planner, "CREATE SCHEMA %s;", schema),
		     "schema %s does not exist", schema);
		return;
	}
	if (!table->may_create_there)
		note(planner, INSUFFICIENT_PRIVILEGE,
		     hint(planner, "GRANT CREATE ON SCHEMA %s TO the role of `admin`.", schema),
		     "the role of `admin` may not create tables in schema %s", schema);
	if (table->without_usage_count && !table->may_grant_usage)
		note(planner, INSUFFICIENT_PRIVILEGE,
		     hint(planner, "GRANT USAGE ON SCHEMA %s TO %s; (and to all others who use the table)", schema,
				 table->without_usage[0]),
		     "%s may use %s, but not the schema %s", table->without_usage[0], print(planner, relation->from),
		     schema);
	if (table->foreign_statistics)
		note(planner, INSUFFICIENT_PRIVILEGE,
		     hint(planner, "ALTER STATISTICS %s OWNER TO %s;", table->foreign_statistics, relation->owner),
		     "the role of `admin` does not own the statistics object %s of %s", table->foreign_statistics,
		     print(planner, relation->from));
	for (size_t i = 0; i < table->clash_count; i++)
		note(planner, DUPLICATE_TABLE, "Rename or drop one of the two.",
		     "%s has an index, sequence, type or statistics object %s already, as %s has", schema,
		     table->clashes[i], print(planner, relation->from));
}

static void check_view(struct planner *planner, const struct move_table *table)
{
	const struct move_relation *relation = &table->relations[0];
	const char *from = print(planner, relation->from), *schema = relation->from.schema;
	if (!planner->wish->view || planner->plan->reverse)
		return;
	if (!table->may_create_here)
		note(planner, INSUFFICIENT_PRIVILEGE,
		     hint(planner, "GRANT CREATE ON SCHEMA %s TO the role of `admin`, or leave no view (--no-view, on the console NO VIEW).", schema),
		     "the role of `admin` may not create the view %s", from);
	if (!relation->owner_may_create)
		note(planner, INSUFFICIENT_PRIVILEGE,
		     hint(planner, "GRANT CREATE ON SCHEMA %s TO %s; or leave no view (--no-view, on the console NO VIEW).", schema, relation->owner),
		     "%s, the owner of %s, may not own a view in schema %s", relation->owner, from, schema);
	if (relation->row_security && catalog_connection_server_version(planner->connection) < VERSION_SECURITY_INVOKER)
		note(planner, SQLSTATE_FEATURE_NOT_SUPPORTED,
		     "Before PostgreSQL 15 a view would show every row to everybody. Leave none: --no-view, on the console NO VIEW.",
		     "%s has row security, which a view under its old name would get around", from);
}

static bool has_column(const struct move_relation *relation, const char *column)
{
	for (size_t i = 0; i < relation->column_count; i++) {
		if (strcmp(relation->columns[i], column) == 0)
			return true;
	}
	return false;
}

/* A column's next name must be free, unless the column that has it gets another one as well. */
static void check_columns(struct planner *planner, const struct ruleset_entry *entry, const struct move_relation *relation)
{
	const struct map_pairs *pairs = &entry->map->columns;
	bool reverse = planner->plan->reverse;
	for (size_t i = 0; i < pairs->count; i++) {
		const char *before = reverse ? pairs->items[i].value : pairs->items[i].key;
		const char *after = reverse ? pairs->items[i].key : pairs->items[i].value;
		bool leaves = strcmp(before, after) == 0;
		for (size_t k = 0; k < pairs->count; k++)
			leaves |= strcmp(reverse ? pairs->items[k].value : pairs->items[k].key, after) == 0;
		if (!leaves && has_column(relation, before) && has_column(relation, after))
			note(planner, "42701", "Rename or drop one of the two, or correct `columns` in the map.",
			     "%s has a column %s already, which %s is to be called", print(planner, relation->from), after,
			     before);
	}
}

/* ---- one table ---- */

static const struct ruleset_entry *entry_of_partition(struct planner *planner, const struct move_relation *relation)
{
	const struct ruleset_name *name =
		ruleset_find(planner->ruleset, relation->from.schema, relation->from.name);
	return name && name->kind == NAME_TABLE ? name->entry : NULL;
}

static void add_key(struct planner *planner, const struct ruleset_entry *entry)
{
	struct move_plan *plan = planner->plan;
	for (size_t i = 0; i < plan->key_count; i++) {
		if (strcmp(plan->keys[i], entry->key) == 0)
			return;
	}
	enum stage to = plan->reverse ? STAGE_OLD : entry->stage == STAGE_COMPLETE ? STAGE_COMPLETE : STAGE_LIVE;
	const char *key = arena_strdup(&plan->arena, entry->key);
	plan->keys[plan->key_count++] = key;
	plan->stages[plan->stage_count++] = (struct state_stage){ key, entry->stage, to };
}

static void add_partitions(struct planner *planner, struct move_table *table)
{
	for (size_t i = 1; i < table->relation_count; i++) {
		const struct ruleset_entry *entry = entry_of_partition(planner, &table->relations[i]);
		if (!entry)
			continue;
		table->relations[i].to = entry->names[planner->plan->reverse ? SIDE_OLD : SIDE_NEW];
		add_key(planner, entry);
	}
}

static bool exists_as_table(const struct move_table *table)
{
	return table->relation_count && table->relations[0].kind != 'v';
}

/* It is there already: only its flag may have to follow. */
static void note_missing(struct planner *planner, const struct ruleset_entry *entry, bool is_there)
{
	enum side to = planner->plan->reverse ? SIDE_OLD : SIDE_NEW;
	if (!is_there)
		note(planner, SQLSTATE_UNDEFINED_TABLE, "Is the map right, and the database?",
		     "%s does not exist, under neither name", entry->key);
	else if (stage_side(entry->stage) != to)
		add_key(planner, entry);
}

static bool read_entry(struct planner *planner, size_t index, struct error *error_out)
{
	const struct ruleset_entry *entry = planner->entries[index];
	struct move_table *table = &planner->tables[index], there;
	enum side from = planner->plan->reverse ? SIDE_NEW : SIDE_OLD;
	struct arena *arena = &planner->plan->arena;
	if (!move_read(planner->connection, arena, entry->names[from], entry->names[side_other(from)],
		       planner->timeout_ms, table, error_out))
		return false;
	if (exists_as_table(table)) {
		add_key(planner, entry);
		add_partitions(planner, table);
		return true;
	}
	if (!move_read(planner->connection, arena, entry->names[side_other(from)], entry->names[from],
		       planner->timeout_ms, &there, error_out))
		return false;
	*table = (struct move_table){ 0 };
	note_missing(planner, entry, exists_as_table(&there));
	return true;
}

static void check_entry(struct planner *planner, const struct ruleset_entry *entry, const struct move_table *table)
{
	if (planner->plan->reverse && entry->stage == STAGE_COMPLETE && !planner->wish->force)
		note(planner, SQLSTATE_FEATURE_NOT_SUPPORTED, "Use --force with a --reason.",
		     "%s is at stage complete: its old name was given up", entry->key);
	if (!table->relation_count)
		return;
	for (size_t i = 0; i < table->relation_count; i++)
		check_relation(planner, &table->relations[i]);
	check_columns(planner, entry, &table->relations[0]);
	check_schemas(planner, table);
	check_view(planner, table);
}

/* ---- all of them ---- */

static void add_watched(struct move_plan *plan, const struct move_table *table)
{
	uint32_t *all = ARENA_ARRAY(&plan->arena, plan->watched_count + table->watched_count + 1, uint32_t);
	if (plan->watched_count)
		memcpy(all, plan->watched, plan->watched_count * sizeof(*all));
	if (table->watched_count)
		memcpy(all + plan->watched_count, table->watched, table->watched_count * sizeof(*all));
	plan->watched = all;
	plan->watched_count += table->watched_count;
}

/* A partition that is an entry of its own moves with its table. */
static void drop_partitions(struct planner *planner)
{
	for (size_t i = 0; i < planner->entry_count; i++) {
		for (size_t k = 1; k < planner->tables[i].relation_count; k++) {
			for (size_t j = 0; j < planner->entry_count; j++) {
				struct move_table *other = &planner->tables[j];
				if (j != i && other->relation_count &&
				    other->relations[0].oid == planner->tables[i].relations[k].oid)
					*other = (struct move_table){ 0 };
			}
		}
	}
}

static void write_statements(struct planner *planner)
{
	struct move_sql sql = { .plan = planner->plan, .view = planner->wish->view,
				.server_version = catalog_connection_server_version(planner->connection) };
	for (size_t i = 0; i < planner->entry_count; i++) {
		if (planner->tables[i].relation_count)
			move_sql_lock(&sql, &planner->tables[i]);
	}
	planner->plan->lock_count = planner->plan->statement_count;
	for (size_t i = 0; i < planner->entry_count; i++) {
		if (planner->tables[i].relation_count)
			move_sql_move(&sql, planner->entries[i], &planner->tables[i]);
	}
}

/* Under both names: a view may be made under the old one, or have stood under the new one. */
static void list_changed(struct planner *planner)
{
	struct move_plan *plan = planner->plan;
	size_t most = 0, count = 0, schema_count = 0;
	for (size_t i = 0; i < planner->entry_count; i++)
		most += planner->tables[i].relation_count;
	struct rel_name *names = ARENA_ARRAY(&plan->arena, 2 * most + 1, struct rel_name);
	const char **schemas = ARENA_ARRAY(&plan->arena, planner->entry_count + 1, const char *);
	for (size_t i = 0; i < planner->entry_count; i++) {
		const struct move_table *table = &planner->tables[i];
		if (table->relation_count)
			schemas[schema_count++] = table->relations[0].to.schema;
		for (size_t k = 0; k < table->relation_count; k++) {
			names[count++] = table->relations[k].from;
			names[count++] = table->relations[k].to;
		}
	}
	plan->changed = (struct changed_relations){ plan->watched, plan->watched_count, names, count, schemas, schema_count };
}

static bool make(struct planner *planner, struct error *error_out)
{
	struct move_plan *plan = planner->plan;
	if (!find_entries(planner, error_out))
		return false;
	planner->tables = ARENA_ARRAY(&plan->arena, planner->entry_count + 1, struct move_table);
	plan->keys = ARENA_ARRAY(&plan->arena, planner->ruleset->entry_count + 1, const char *);
	plan->stages = ARENA_ARRAY(&plan->arena, planner->ruleset->entry_count + 1, struct state_stage);
	plan->problems = ARENA_ARRAY(&plan->arena, PROBLEMS_MAX, struct error);
	plan->warnings = ARENA_ARRAY(&plan->arena, PROBLEMS_MAX, struct error);
	for (size_t i = 0; i < planner->entry_count; i++) {
		if (!read_entry(planner, i, error_out))
			return false;
		check_entry(planner, planner->entries[i], &planner->tables[i]);
		add_watched(plan, &planner->tables[i]);
	}
	drop_partitions(planner);
	write_statements(planner);
	list_changed(planner);
	return true;
}

bool move_plan_make(struct catalog_connection *connection, const struct ruleset *ruleset, const struct move_wish *wish,
		    uint32_t timeout_ms, struct move_plan **plan_out, struct error *error_out)
{
	struct move_plan *plan = memory_zalloc(sizeof(*plan));
	struct planner planner = { .connection = connection, .ruleset = ruleset, .wish = wish,
				   .timeout_ms = timeout_ms, .plan = plan };
	arena_init(&plan->arena);
	plan->reverse = wish->reverse;
	bool ok = wish->flip ? flip_plan_fill(connection, ruleset, wish, timeout_ms, plan, error_out) :
			       make(&planner, error_out);
	if (!ok) {
		move_plan_free(plan);
		return false;
	}
	*plan_out = plan;
	return true;
}

void move_plan_free(struct move_plan *plan)
{
	if (!plan)
		return;
	arena_deinit(&plan->arena);
	free(plan);
}
