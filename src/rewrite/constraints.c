/*
 * SET CONSTRAINTS. A constraint is in the schema of its table and moves with
 * it, and several tables of a schema may have constraints of one name: the
 * statement means all of them. So one name can become several, each where its
 * table is now.
 */
#include "rewrite/clauses.h"
#include "rewrite/walk.h"

struct meant {
	struct analysis *a;
	const char *schema, *name; /* as the statement means it */
	size_t offset;
	const char **physical; /* schemas where such constraints are now */
	size_t count;
};

static void add_physical(struct meant *meant, const char *schema)
{
	for (size_t i = 0; i < meant->count; i++) {
		if (strcmp(meant->physical[i], schema) == 0)
			return;
	}
	meant->physical[meant->count++] = schema;
}

static const struct ruleset_name *name_in_schema(const struct analysis *a, const struct ruleset_entry *entry,
						 const char *schema)
{
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		struct rel_name name = entry->names[side];
		if (!name.name || strcmp(name.schema, schema) != 0)
			continue;
		const struct ruleset_name *found = ruleset_find(a->ruleset, name.schema, name.name);
		if (found && !resolve_is_retired(found))
			return found;
	}
	return NULL;
}

/* Whether the table has its constraints in the schema, as the statement sees it; name_out: by which name. */
static bool is_shown(const struct meant *meant, struct rel_name table, const struct ruleset_name **name_out)
{
	const struct ruleset_name *physical = ruleset_find(meant->a->ruleset, table.schema, table.name);
	*name_out = NULL;
	if (!physical || physical->kind != NAME_TABLE)
		return strcmp(table.schema, meant->schema) == 0;
	*name_out = name_in_schema(meant->a, physical->entry, meant->schema);
	return *name_out != NULL;
}

static void note_use(struct meant *meant, const struct ruleset_name *name)
{
	bool moved = strcmp(name->physical.schema, meant->schema) != 0;
	analysis_use(meant->a, name, USE_DDL, moved ? USE_REWRITTEN : 0);
	add_physical(meant, name->physical.schema);
}

static void look_in_facts(struct meant *meant)
{
	size_t count = 0;
	const struct fact_constraint *known = facts_constraints(meant->a->ruleset->facts, meant->name, &count);
	for (size_t i = 0; i < count; i++) {
		const struct ruleset_name *name;
		if (!is_shown(meant, known[i].table, &name))
			continue;
		if (name)
			note_use(meant, name);
		else
			add_physical(meant, known[i].table.schema);
	}
}

/* What the session made, and what only the names of indexes tell of. */
static void look_elsewhere(struct meant *meant)
{
	const struct ruleset *ruleset = meant->a->ruleset;
	size_t entries = session_state_has_own_relations(meant->a->state) ? ruleset->entry_count : 0;
	for (size_t i = 0; i < entries; i++) {
		const struct ruleset_entry *entry = &ruleset->entries[i];
		const struct ruleset_name *name = name_in_schema(meant->a, entry, meant->schema);
		if (name && session_state_made_constraint(meant->a->state, name->physical.schema, meant->name))
			note_use(meant, name);
	}
	const struct ruleset_name *index = meant->count ? NULL : ruleset_find(ruleset, meant->schema, meant->name);
	if (index && index->kind == NAME_INDEX && !resolve_is_retired(index))
		note_use(meant, index);
}

static void look(struct meant *meant)
{
	size_t count = 0;
	facts_constraints(meant->a->ruleset->facts, meant->name, &count);
	if (session_state_has_own_relations(meant->a->state))
		count += meant->a->ruleset->entry_count;
	meant->physical = ARENA_ARRAY(meant->a->arena, count + 1, const char *);
	meant->count = 0;
	look_in_facts(meant);
	look_elsewhere(meant);
}

/* Where a table has moved to, another may have a constraint of that name, which would be set, too. */
static bool hits_others(const struct meant *meant)
{
	size_t count = 0;
	const struct ruleset_name *name;
	const struct fact_constraint *known = facts_constraints(meant->a->ruleset->facts, meant->name, &count);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < meant->count; k++) {
			if (strcmp(known[i].table.schema, meant->physical[k]) == 0 &&
			    !is_shown(meant, known[i].table, &name))
				return true;
		}
	}
	return false;
}

static void replace(const struct meant *meant, const struct token_name *where)
{
	struct analysis *a = meant->a;
	size_t end = clause_end_offset(a, where->last);
	struct buf text;
	if (meant->count == 0 || (meant->count == 1 && strcmp(meant->physical[0], meant->schema) == 0))
		return;
	if (hits_others(meant)) {
		struct error *error = analysis_refuse(a, meant->offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
						      "constraint %s of schema %s cannot be told from others", meant->name,
						      meant->schema);
		error_detail(error, "Its table has moved, and a table beside it has a constraint of the same name.");
		error_hint(error, "Rename one of them, or SET CONSTRAINTS ALL.");
		return;
	}
	buf_init(&text);
	for (size_t i = 0; i < meant->count; i++) {
		buf_append_str(&text, i ? ", " : "");
		rel_name_append(&text, (struct rel_name){ meant->physical[i], meant->name });
	}
	splice_add(a->splices, meant->offset, end - meant->offset,
		   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	buf_deinit(&text);
	analysis_explain(a, meant->offset, end - meant->offset,
			 arena_printf(a->arena, "a constraint of schema %s", meant->schema), RULE_CONSTRAINT);
}

/* Could a constraint of that name be elsewhere than the statement says? */
static bool may_have_moved(const struct meant *meant)
{
	size_t count = 0;
	const struct fact_constraint *known = facts_constraints(meant->a->ruleset->facts, meant->name, &count);
	for (size_t i = 0; i < count; i++) {
		if (ruleset_find(meant->a->ruleset, known[i].table.schema, known[i].table.name))
			return true;
	}
	return session_state_has_own_relations(meant->a->state);
}

/* The server takes the first schema of search_path that has one. */
static void look_along_path(struct meant *meant)
{
	struct analysis *a = meant->a;
	const struct name_list *path = session_state_search_path(a->state);
	const char *user = session_state_user(a->state);
	if (!may_have_moved(meant))
		return;
	a->depends_on_state = true;
	if (!path) {
		a->needs_search_path_at = a->needs_search_path ? a->needs_search_path_at : meant->offset;
		a->needs_search_path = true;
		return;
	}
	for (size_t i = 0; i < path->count && !meant->count; i++) {
		meant->schema = strcmp(path->names[i], "$user") == 0 ? user : path->names[i];
		if (meant->schema && facts_may_use(a->ruleset->facts, user, meant->schema))
			look(meant);
	}
}

void constraints_set(struct analysis *a, const PgQuery__ConstraintsSetStmt *set)
{
	for (size_t i = 0; i < set->n_constraints; i++) {
		const PgQuery__RangeVar *name = set->constraints[i]->range_var;
		struct token_name where;
		if (!name || !walk_locate(a, name->location, &where))
			continue;
		struct meant meant = { .a = a,
				       .schema = name->schemaname,
				       .name = name->relname,
				       .offset = clause_offset(a, where.first) };
		if (name->schemaname[0])
			look(&meant);
		else
			look_along_path(&meant);
		replace(&meant, &where);
	}
}

/* ---- those that the statement makes ---- */

static void note_constraint(struct analysis *a, const struct ruleset_name *table, const PgQuery__Node *node)
{
	if (node && node->node_case == PG_QUERY__NODE__NODE_CONSTRAINT && node->constraint->conname[0])
		analysis_effect(a, (struct effect){ .kind = EFFECT_CONSTRAINT_CREATED,
						    .name = node->constraint->conname,
						    .value = table->physical.schema });
}

void constraints_note_index(struct analysis *a, const struct ruleset_name *table, const char *index)
{
	if (table && table->kind == NAME_TABLE && *index && strcmp(table->written.schema, table->physical.schema) != 0)
		analysis_effect(a, (struct effect){ .kind = EFFECT_CONSTRAINT_CREATED,
						    .name = index,
						    .value = table->physical.schema });
}

void constraints_note(struct analysis *a, const struct ruleset_name *table, const PgQuery__AlterTableStmt *alter)
{
	if (!table || table->kind != NAME_TABLE || strcmp(table->written.schema, table->physical.schema) == 0)
		return;
	for (size_t i = 0; i < alter->n_cmds; i++) {
		const PgQuery__Node *definition = alter->cmds[i]->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD
							  ? alter->cmds[i]->alter_table_cmd->def
							  : NULL;
		note_constraint(a, table, definition);
		if (!definition || definition->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
			continue;
		for (size_t k = 0; k < definition->column_def->n_constraints; k++)
			note_constraint(a, table, definition->column_def->constraints[k]);
	}
}
