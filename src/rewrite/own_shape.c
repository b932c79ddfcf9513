#include "rewrite/own_shape.h"

static const struct rel_name *table_of(const struct ruleset_entry *entry)
{
	return &entry->names[entry->physical];
}

static struct shape_column *longer(struct analysis *a, const struct shape_column *columns, size_t count, size_t more)
{
	struct shape_column *copy = ARENA_ARRAY(a->arena, count + more, struct shape_column);
	if (count)
		memcpy(copy, columns, count * sizeof(*copy));
	return copy;
}

/* Those that a refresh of the facts has brought by now are there already. */
static size_t add(struct analysis *a, const struct rel_name *table, struct shape *shape)
{
	const char *name;
	size_t added = 0;
	for (size_t i = 0; (name = session_state_added_column(a->state, table->schema, table->name, i)); i++) {
		if (shape_written_column(shape, name) || shape_physical_column(shape, name))
			continue;
		struct shape_column column = { .name = name, .from = SHAPE_COLUMN, .column = name };
		shape->written[shape->written_count++] = column;
		shape->physical[shape->physical_count++] = column;
		added++;
	}
	return added;
}

const struct shape *own_shape(struct analysis *a, const struct ruleset_entry *entry)
{
	const struct rel_name *table = table_of(entry);
	size_t more = 0;
	if (!entry->shape || entry->kind != MAP_MOVE || !session_state_has_own_relations(a->state))
		return entry->shape;
	while (session_state_added_column(a->state, table->schema, table->name, more))
		more++;
	if (!more)
		return entry->shape;
	a->depends_on_state = true;
	struct shape *shape = ARENA_NEW(a->arena, struct shape);
	*shape = *entry->shape;
	shape->written = longer(a, shape->written, shape->written_count, more);
	shape->physical = longer(a, shape->physical, shape->physical_count, more);
	return add(a, table, shape) ? shape : entry->shape;
}

void own_shape_note(struct analysis *a, const struct ruleset_name *table, const PgQuery__AlterTableStmt *alter)
{
	if (!table || table->kind != NAME_TABLE || table->entry->kind != MAP_MOVE || !table->entry->shape)
		return;
	const struct rel_name *physical = table_of(table->entry);
	for (size_t i = 0; i < alter->n_cmds; i++) {
		const PgQuery__AlterTableCmd *command = alter->cmds[i]->alter_table_cmd;
		if (alter->cmds[i]->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_CMD ||
		    command->subtype != PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn ||
		    shape_written_column(table->entry->shape, command->def->column_def->colname))
			continue;
		analysis_effect(a, (struct effect){ .kind = EFFECT_COLUMN_ADDED,
						    .name = command->def->column_def->colname,
						    .value = physical->schema,
						    .text = physical->name });
	}
}
