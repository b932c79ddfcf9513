#include "check/columns.h"

#include "check/types.h"
#include "model/type_name.h"

#include <ctype.h>
#include <string.h>

/* One side: as the catalog has it or, where there is no such table yet, as the map says. */
struct table {
	struct rel_name name;
	const struct fact_relation *relation; /* NULL: not there */
	const struct map_pairs *shape;
};

struct columns {
	const struct ruleset_entry *entry;
	const struct dependents *dependents;
	struct findings *findings;
	struct arena arena; /* of one entry */
	struct table tables[2]; /* by enum side */
};

static const struct fact_column *fact_column(const struct table *table, const char *name)
{
	for (size_t i = 0; table->relation && i < table->relation->column_count; i++) {
		if (strcmp(table->relation->columns[i].name, name) == 0)
			return &table->relation->columns[i];
	}
	return NULL;
}

static const char *pair_value(const struct map_pairs *pairs, const char *key)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (strcmp(pairs->items[i].key, key) == 0)
			return pairs->items[i].value;
	}
	return NULL;
}

/* NULL: there is no such column, or nobody knows its type. */
static const char *type_of(const struct table *table, const char *name)
{
	const struct fact_column *column = fact_column(table, name);
	return column ? column->type : table->relation ? NULL : pair_value(table->shape, name);
}

static size_t column_count(const struct table *table)
{
	return table->relation ? table->relation->column_count : table->shape->count;
}

static const char *column_name(const struct table *table, size_t i)
{
	return table->relation ? table->relation->columns[i].name : table->shape->items[i].key;
}

static bool lists(const struct name_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->names[i], name) == 0)
			return true;
	}
	return false;
}

static const char *print(struct columns *c, enum side side)
{
	return rel_name_print(&c->arena, c->tables[side].name);
}

/* ---- indexes ---- */

static const struct dependent_index *index_on(const struct columns *c, enum side side, const char *column)
{
	for (size_t i = 0; i < c->dependents->index_count; i++) {
		const struct dependent_index *index = &c->dependents->indexes[i];
		if (rel_name_eq(index->table, c->tables[side].name) && strcmp(index->column, column) == 0)
			return index;
	}
	return NULL;
}

/* Old code's conditions are on an expression then: CREATE INDEX gives it one. */
static void check_index(struct columns *c, const char *old_column, const char *expression)
{
	const struct dependent_index *index = index_on(c, SIDE_OLD, old_column);
	if (!index)
		return;
	struct finding *finding = findings_add(c->findings, FINDING_WARNING, c->entry->key, "index",
					       rel_name_print(&c->arena, (struct rel_name){ index->table.schema, index->name }),
					       "old code's conditions on %s, which index %s serves now, become conditions on "
					       "an expression over %s", name_print_quoted(&c->arena, old_column), index->name, print(c, SIDE_NEW));
	finding_hint(c->findings, finding, "CREATE INDEX ON %s ((%s));", print(c, SIDE_NEW), expression);
}

/* Whether the expression's value depends on a row at all. */
static bool names_a_column(struct columns *c, const char *expression)
{
	for (size_t i = 0; i < column_count(&c->tables[SIDE_NEW]); i++) {
		const char *name = column_name(&c->tables[SIDE_NEW], i);
		size_t len = strlen(name);
		for (const char *at = strstr(expression, name); at; at = strstr(at + 1, name)) {
			bool starts = at == expression || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '\'');
			bool ends = !(isalnum((unsigned char)at[len]) || at[len] == '_');
			if (starts && ends)
				return true;
		}
	}
	return false;
}

/* ---- types ---- */

static void check_types(struct columns *c, const char *old_column, const char *new_column)
{
	const char *old_type = type_of(&c->tables[SIDE_OLD], old_column);
	const char *new_type = type_of(&c->tables[SIDE_NEW], new_column);
	if (!old_type || !new_type || type_name_same(old_type, new_type))
		return;
	const char *object = arena_printf(&c->arena, "%s.%s", print(c, SIDE_NEW), name_print_quoted(&c->arena, new_column));
	const char *loss = types_loss(&c->arena, old_type, new_type);
	struct finding *finding;
	if (loss) {
		finding = findings_add(c->findings, FINDING_WARNING, c->entry->key, "lossy", object,
				       "column %s is %s in the old table and %s in the new one: %s", object, old_type,
				       new_type, loss);
		finding_hint(c->findings, finding, "ALTER TABLE %s ALTER COLUMN %s TYPE %s; or give the column an "
						   "expression in `write`.", print(c, SIDE_NEW), name_print_quoted(&c->arena, new_column), old_type);
	} else {
		finding = findings_add(c->findings, c->entry->kind == MAP_MOVE ? FINDING_WARNING : FINDING_NOTE,
				       c->entry->key, "retyped", object, "column %s was %s and is %s", object, old_type, new_type);
		finding_hint(c->findings, finding, c->entry->kind == MAP_MOVE
							   ? "A table that moves keeps its types; say `shape` and `new_shape` "
							     "(`crossfade check --capture`) to make it two tables."
							   : "Old code gets it cast to the old type.");
	}
	check_index(c, old_column, arena_printf(&c->arena, "(%s::%s)", name_print_quoted(&c->arena, new_column), old_type));
}

/* ---- columns without a counterpart ---- */

static bool is_renamed_to(const struct map_entry *map, const char *new_column)
{
	for (size_t i = 0; i < map->columns.count; i++) {
		if (strcmp(map->columns.items[i].value, new_column) == 0)
			return true;
	}
	return false;
}

static void say_column(struct columns *c, enum side side, const char *column)
{
	const char *object = arena_printf(&c->arena, "%s.%s", print(c, side), name_print_quoted(&c->arena, column));
	struct finding *finding = findings_add(c->findings, FINDING_ERROR, c->entry->key, "column", object,
					       "column %s has no counterpart in %s", object, print(c, side_other(side)));
	finding_hint(c->findings, finding, "Say in the map what becomes of it: `columns`, `read`, `write` or `lossy`.");
}

static void check_old_column(struct columns *c, const char *column)
{
	const struct map_entry *map = c->entry->map;
	const char *renamed = pair_value(&map->columns, column), *expression = pair_value(&map->read, column);
	const char *new_column = renamed ? renamed : column;
	if (expression) {
		if (names_a_column(c, expression))
			check_index(c, column, expression);
		return;
	}
	if (type_of(&c->tables[SIDE_NEW], new_column)) {
		if (renamed || !is_renamed_to(map, new_column))
			check_types(c, column, new_column);
	} else if (!lists(&map->lossy, column) && column_count(&c->tables[SIDE_NEW])) {
		say_column(c, SIDE_OLD, column);
	}
}

static const char *old_column_of(const struct map_entry *map, const char *new_column)
{
	for (size_t i = 0; i < map->columns.count; i++) {
		if (strcmp(map->columns.items[i].value, new_column) == 0)
			return map->columns.items[i].key;
	}
	return new_column;
}

/* Numbered by the old table's sequence, and by nothing in the new one. */
static void check_sequence(struct columns *c, const char *old_column, const char *new_column)
{
	const struct fact_column *before = fact_column(&c->tables[SIDE_OLD], old_column);
	const struct fact_column *after = fact_column(&c->tables[SIDE_NEW], new_column);
	bool numbered = before && (before->identity || (before->default_text && strstr(before->default_text, "nextval(")));
	if (!numbered || !after || after->identity || after->has_default || after->generated)
		return;
	const char *object = arena_printf(&c->arena, "%s.%s", print(c, SIDE_NEW), name_print_quoted(&c->arena, new_column));
	struct finding *finding = findings_add(c->findings, FINDING_WARNING, c->entry->key, "sequence", object,
					       "column %s numbers no rows, while %s.%s does by a sequence", object,
					       print(c, SIDE_OLD), name_print_quoted(&c->arena, old_column));
	finding_hint(c->findings, finding, "ALTER TABLE %s ALTER COLUMN %s ADD GENERATED BY DEFAULT AS IDENTITY; then set "
					   "it behind the old numbers.", print(c, SIDE_NEW), name_print_quoted(&c->arena, new_column));
}

static void check_new_column(struct columns *c, const char *column)
{
	const struct map_entry *map = c->entry->map;
	const char *old_column = old_column_of(map, column);
	if (pair_value(&map->write, column))
		return;
	if (type_of(&c->tables[SIDE_OLD], old_column))
		check_sequence(c, old_column, column);
	else if (!lists(&map->lossy, column) && column_count(&c->tables[SIDE_OLD]))
		say_column(c, SIDE_NEW, column);
}

/* ---- entries ---- */

static const struct fact_relation *real_table(const struct fact_relation *relation)
{
	return relation && relation->column_count && fact_kind_holds_rows(relation->kind) ? relation : NULL;
}

static bool can_compare(const struct columns *c)
{
	const struct ruleset_entry *entry = c->entry;
	if (entry->kind == MAP_TRANSFORM)
		return column_count(&c->tables[SIDE_OLD]) && column_count(&c->tables[SIDE_NEW]);
	/* One table under two names has the same columns, whatever a view beside it shows. */
	return entry->kind == MAP_MOVE && c->tables[SIDE_OLD].relation && c->tables[SIDE_NEW].relation;
}

static void check_entry(struct columns *c)
{
	arena_reset(&c->arena);
	const struct map_entry *map = c->entry->map;
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++)
		c->tables[side] = (struct table){ c->entry->names[side], real_table(c->entry->relation[side]),
						  side == SIDE_OLD ? &map->shape : &map->new_shape };
	if (!can_compare(c))
		return;
	for (size_t i = 0; i < column_count(&c->tables[SIDE_OLD]); i++)
		check_old_column(c, column_name(&c->tables[SIDE_OLD], i));
	for (size_t i = 0; i < column_count(&c->tables[SIDE_NEW]); i++)
		check_new_column(c, column_name(&c->tables[SIDE_NEW], i));
}

void columns_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings)
{
	struct columns c = { .dependents = dependents, .findings = findings };
	arena_init(&c.arena);
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		c.entry = &ruleset->entries[i];
		check_entry(&c);
	}
	arena_deinit(&c.arena);
}
