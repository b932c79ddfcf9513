#include "model/shape.h"

#include "model/type_name.h"

struct column {
	const char *name;
	const char *type; /* canonical; NULL: unknown */
	const struct fact_column *fact;
};

struct columns {
	struct column *items;
	size_t count;
	bool known;
};

/* The map from the point of view of one physical side. */
struct view {
	struct arena *arena;
	const struct map_entry *entry;
	enum side physical;
	const struct map_pairs *to_written;  /* written column from physical ones */
	const struct map_pairs *to_physical; /* physical column from written ones */
};

static const char *pair_value(const struct map_pairs *pairs, const char *key)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (strcmp(pairs->items[i].key, key) == 0)
			return pairs->items[i].value;
	}
	return NULL;
}

static bool list_has(const struct name_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->names[i], name) == 0)
			return true;
	}
	return false;
}

/* ---- the columns of one side ---- */

static struct columns from_pairs(struct arena *arena, const struct map_pairs *shape)
{
	struct columns columns = { ARENA_ARRAY(arena, shape->count, struct column), shape->count, true };
	for (size_t i = 0; i < shape->count; i++)
		columns.items[i] = (struct column){ shape->items[i].key,
						    type_name_canonical(arena, shape->items[i].value), NULL };
	return columns;
}

static struct columns from_facts(struct arena *arena, const struct fact_relation *relation)
{
	struct columns columns = { ARENA_ARRAY(arena, relation->column_count, struct column), relation->column_count,
				   true };
	for (size_t i = 0; i < relation->column_count; i++) {
		const struct fact_column *fact = &relation->columns[i];
		columns.items[i] = (struct column){
			fact->name, fact->type ? type_name_canonical(arena, fact->type) : NULL, fact
		};
	}
	return columns;
}

/* A side that nobody described has the other one's columns under its own names. */
static struct columns from_other(const struct view *view, enum side other, const struct columns *columns)
{
	struct columns renamed = { ARENA_ARRAY(view->arena, columns->count, struct column), columns->count,
				   columns->known };
	for (size_t i = 0; i < columns->count; i++)
		renamed.items[i] = (struct column){ map_entry_column(view->entry, other, columns->items[i].name),
						    columns->items[i].type, NULL };
	return renamed;
}

static const struct map_pairs *declared(const struct map_entry *entry, enum side side)
{
	return side == SIDE_OLD ? &entry->shape : &entry->new_shape;
}

static struct columns columns_of_physical(const struct view *view, const struct fact_relation *relation)
{
	if (relation && relation->column_count)
		return from_facts(view->arena, relation);
	return from_pairs(view->arena, declared(view->entry, view->physical));
}

/* What a table that is still there says beyond names and types. */
static void add_facts(struct columns *columns, const struct fact_relation *relation)
{
	for (size_t i = 0; relation && i < columns->count; i++) {
		for (size_t k = 0; k < relation->column_count; k++) {
			if (strcmp(relation->columns[k].name, columns->items[i].name) == 0)
				columns->items[i].fact = &relation->columns[k];
		}
	}
}

/* What the map declares wins: it is what the application was written for. */
static struct columns columns_of_written(const struct view *view, const struct fact_relation *relation,
					 const struct columns *physical)
{
	const struct map_pairs *shape = declared(view->entry, side_other(view->physical));
	if (shape->count) {
		struct columns columns = from_pairs(view->arena, shape);
		add_facts(&columns, relation);
		return columns;
	}
	if (view->entry->kind == MAP_TRANSFORM && relation && relation->column_count &&
	    fact_kind_holds_rows(relation->kind))
		return from_facts(view->arena, relation);
	return from_other(view, view->physical, physical);
}

/* ---- where each column comes from ---- */

static const struct column *find_column(const struct columns *columns, const char *name)
{
	for (size_t i = 0; i < columns->count; i++) {
		if (strcmp(columns->items[i].name, name) == 0)
			return &columns->items[i];
	}
	return NULL;
}

static void find_source(const struct view *view, enum side side, const struct map_pairs *expressions,
			const struct columns *other, struct shape_column *column)
{
	const char *expression = pair_value(expressions, column->name);
	const struct column *partner = find_column(other, map_entry_column(view->entry, side, column->name));
	column->from = SHAPE_NOTHING;
	if (expression) {
		column->from = SHAPE_EXPRESSION;
		column->expression = expression;
	} else if (partner) {
		column->from = SHAPE_COLUMN;
		column->column = partner->name;
		column->retyped = partner->type && column->type && strcmp(partner->type, column->type) != 0;
	}
}

static struct shape_column *connect(const struct view *view, enum side side, const struct columns *own,
				    const struct columns *other, const struct map_pairs *expressions)
{
	struct shape_column *result = ARENA_ARRAY(view->arena, own->count, struct shape_column);
	for (size_t i = 0; i < own->count; i++) {
		const struct fact_column *fact = own->items[i].fact;
		result[i].name = own->items[i].name;
		result[i].type = own->items[i].type;
		result[i].lossy = list_has(&view->entry->lossy, result[i].name);
		result[i].not_null = fact && fact->not_null;
		result[i].has_default = fact && fact->has_default;
		result[i].identity = fact && fact->identity;
		result[i].generated = fact && fact->generated;
		find_source(view, side, expressions, other, &result[i]);
	}
	return result;
}

static void judge(struct shape *shape)
{
	shape->pure_rename = shape->written_count == shape->physical_count;
	bool equal_names = true;
	for (size_t i = 0; i < shape->written_count && shape->pure_rename; i++) {
		const struct shape_column *column = &shape->written[i], *partner = &shape->physical[i];
		shape->pure_rename = column->from == SHAPE_COLUMN && !column->retyped &&
				     strcmp(column->column, partner->name) == 0 && partner->from == SHAPE_COLUMN;
		equal_names = equal_names && strcmp(column->name, partner->name) == 0;
	}
	shape->same = shape->pure_rename && equal_names;
	shape->pure_rename = shape->pure_rename && !equal_names;
}

struct shape *shape_build(struct arena *arena, const struct map_entry *entry, enum side physical_side,
			  const struct fact_relation *physical, const struct fact_relation *written)
{
	bool new_side = physical_side == SIDE_NEW;
	struct view view = { arena, entry, physical_side, new_side ? &entry->read : &entry->write,
			     new_side ? &entry->write : &entry->read };
	struct shape *shape = ARENA_NEW(arena, struct shape);
	struct columns there = columns_of_physical(&view, physical);
	struct columns here = columns_of_written(&view, written, &there);
	shape->written_count = here.count;
	shape->physical_count = there.count;
	shape->written = connect(&view, side_other(physical_side), &here, &there, view.to_written);
	shape->physical = connect(&view, physical_side, &there, &here, view.to_physical);
	shape->known = here.count && there.count;
	if (shape->known)
		judge(shape);
	else
		shape->same = entry->kind != MAP_TRANSFORM && !entry->columns.count;
	return shape;
}

static const struct shape_column *find(const struct shape_column *columns, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	}
	return NULL;
}

const struct shape_column *shape_written_column(const struct shape *shape, const char *name)
{
	return find(shape->written, shape->written_count, name);
}

const struct shape_column *shape_physical_column(const struct shape *shape, const char *name)
{
	return find(shape->physical, shape->physical_count, name);
}
