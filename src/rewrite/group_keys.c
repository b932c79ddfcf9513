#include "rewrite/group_keys.h"

#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/derived.h"
#include "rewrite/expression.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"

struct grouping {
	struct analysis *a;
	const struct level *level;
	const struct range *range;
	const PgQuery__ColumnRef **items; /* what the list has, positions followed */
	size_t count;
	size_t first, last; /* tokens of the list's first item, and of its last */
};

/* ---- the list ---- */

/* `GROUP BY 2` means the second item of the select list. */
static const PgQuery__Node *positioned(struct analysis *a, const PgQuery__SelectStmt *query, const PgQuery__AConst *constant)
{
	if (constant->val_case != PG_QUERY__A__CONST__VAL_IVAL || constant->location < 0)
		return NULL;
	analysis_consult(a, token_at(a->tokens, (size_t)constant->location));
	int place = constant->ival->ival;
	return place >= 1 && (size_t)place <= query->n_target_list ? query->target_list[place - 1]->res_target->val : NULL;
}

static size_t last_token(const struct analysis *a, const PgQuery__Node *item)
{
	if (item->node_case == PG_QUERY__NODE__NODE_A_CONST)
		return token_at(a->tokens, (size_t)item->a_const->location);
	return token_at(a->tokens, (size_t)item->column_ref->location) + 2 * (item->column_ref->n_fields - 1);
}

/* Nothing but columns: with anything else, and with ROLLUP and its kin, a key covers nothing. */
static bool read_list(struct grouping *grouping, const PgQuery__SelectStmt *query)
{
	struct analysis *a = grouping->a;
	grouping->items = ARENA_ARRAY(a->arena, query->n_group_clause, const PgQuery__ColumnRef *);
	for (size_t i = 0; i < query->n_group_clause; i++) {
		const PgQuery__Node *item = query->group_clause[i], *meant = item;
		if (item->node_case == PG_QUERY__NODE__NODE_A_CONST)
			meant = positioned(a, query, item->a_const);
		if (!meant || meant->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || meant->column_ref->location < 0)
			return false;
		grouping->items[grouping->count++] = meant->column_ref;
		size_t last = last_token(a, item);
		grouping->first = i ? grouping->first : last;
		grouping->last = last;
	}
	return grouping->last < a->end;
}

/* ---- what is used ---- */

/* The column of the range that the reference means; NULL: it means none of it. */
static const char *meant_column(struct grouping *grouping, const struct column_use *use)
{
	struct analysis *a = grouping->a;
	const char *name = columns_is_star(use) ? NULL : columns_name(use);
	if (!name || !shape_written_column(grouping->range->shape, name))
		return NULL;
	if (use->qualifier)
		return columns_qualified(a, use) == grouping->range ? name : NULL;
	struct column_meaning meaning = columns_resolve(a, use, name);
	return meaning.answer == COLUMN_FOUND && meaning.range == grouping->range ? name : NULL;
}

static bool is_item(const struct grouping *grouping, const struct column_use *use)
{
	for (size_t i = 0; i < grouping->count; i++) {
		if (grouping->items[i] == use->ref)
			return true;
	}
	return false;
}

static bool lists(struct grouping *grouping, const char *name)
{
	for (const struct column_use *use = grouping->a->columns; use; use = use->next) {
		if (!is_item(grouping, use))
			continue;
		const char *meant = meant_column(grouping, use);
		if (meant && strcmp(meant, name) == 0)
			return true;
	}
	return false;
}

/* The table that the statement was written for, where it is there beside the one with the rows. */
static const struct fact_relation *written_table(const struct grouping *grouping)
{
	const struct ruleset_entry *entry = grouping->range->name->entry;
	return entry->kind == MAP_TRANSFORM ? entry->relation[side_other(entry->physical)] : NULL;
}

static bool covers_written_key(struct grouping *grouping, const struct fact_relation *written)
{
	bool any = false;
	for (size_t i = 0; i < written->column_count; i++) {
		if (written->columns[i].in_key && !lists(grouping, written->columns[i].name))
			return false;
		any = any || written->columns[i].in_key;
	}
	return any;
}

/* All columns of the primary key are in the list, as they are stored. */
static bool covers_physical_key(struct grouping *grouping)
{
	const struct ruleset_entry *entry = grouping->range->name->entry;
	const struct fact_relation *physical = entry->relation[entry->physical];
	bool any = false;
	for (size_t i = 0; physical && i < physical->column_count; i++) {
		if (!physical->columns[i].in_key)
			continue;
		const struct shape_column *written = NULL;
		for (size_t w = 0; w < grouping->range->shape->written_count; w++) {
			const struct shape_column *column = &grouping->range->shape->written[w];
			if (column->from == SHAPE_COLUMN && !column->retyped &&
			    strcmp(column->column, physical->columns[i].name) == 0)
				written = column;
		}
		if (!written || !lists(grouping, written->name))
			return false;
		any = true;
	}
	return any;
}

/* The list covers the other columns of the written table, which the server would not know of the other one. */
static bool covers_unseen(struct grouping *grouping)
{
	const struct fact_relation *written = written_table(grouping);
	if (!written)
		return derived_is_query(grouping->range) && covers_physical_key(grouping);
	return covers_written_key(grouping, written) &&
	       (derived_is_query(grouping->range) || !covers_physical_key(grouping));
}

/* WHERE and ON come before the groups. */
static bool is_before_groups(const struct grouping *grouping, const struct column_use *use)
{
	size_t from = grouping->level->ranges->first; /* 0: not known */
	return from && use->first > from && use->first < grouping->first;
}

/* Types whose values cannot be grouped, and arrays of them. */
static bool has_equality(const char *type)
{
	static const char *const without[] = { "json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle" };
	size_t len = type ? strcspn(type, "[(") : 0;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		if (len == strlen(without[i]) && strncmp(type, without[i], len) == 0)
			return false;
	}
	return true;
}

static void refuse_ungroupable(const struct grouping *grouping, const struct column_use *use, const char *column)
{
	targets_refuse(grouping->a, grouping->range->name, clause_offset(grouping->a, use->first),
		       arena_printf(grouping->a->arena, "column %s beside GROUP BY", column),
		       "Only the table's key covers it, and its type has no equality to group by.");
}

static void add(struct grouping *grouping, const struct column_use *use, const struct shape_column *column,
		struct column_names *added)
{
	for (size_t i = 0; i < added->count; i++) {
		if (strcmp(added->names[i], column->name) == 0)
			return;
	}
	if (lists(grouping, column->name))
		return;
	if (has_equality(column->type))
		columns_add(grouping->a, added, column->name);
	else if (use->place == COLUMN_IS_TARGET) /* and in no aggregate */
		refuse_ungroupable(grouping, use, column->name);
}

static bool is_star_of(struct grouping *grouping, const struct column_use *use)
{
	return columns_is_star(use) && use->level == grouping->level &&
	       (use->qualifier ? columns_qualified(grouping->a, use) == grouping->range : true);
}

static void find_used(struct grouping *grouping, struct column_names *added)
{
	const struct shape *shape = grouping->range->shape;
	for (const struct column_use *use = grouping->a->columns; use && !grouping->a->refused; use = use->next) {
		if (is_before_groups(grouping, use) || is_item(grouping, use))
			continue;
		for (size_t w = 0; w < shape->written_count && is_star_of(grouping, use); w++)
			add(grouping, use, &shape->written[w], added);
		const char *name = meant_column(grouping, use);
		if (name)
			add(grouping, use, shape_written_column(shape, name), added);
	}
}

static void splice_item(struct grouping *grouping, struct slice item)
{
	splice_add(grouping->a->splices, clause_end_offset(grouping->a, grouping->last), 0,
		   slice_str(arena_printf(grouping->a->arena, ", %.*s", (int)item.len, item.data)));
}

/* The row as a value is not covered by its columns, but by itself. */
static bool can_group_row(const struct range *range)
{
	for (size_t i = 0; i < range->shape->written_count; i++) {
		if (!has_equality(range->shape->written[i].type))
			return false;
	}
	return range->whole_row;
}

static void splice_level(struct analysis *a, const struct level *level)
{
	struct grouping grouping = { .a = a, .level = level };
	if (!read_list(&grouping, level->query))
		return;
	for (const struct range *r = level->ranges; r && !a->refused; r = r->next) {
		struct column_names added = { 0 };
		grouping.range = r;
		if (r->role != RANGE_READ || !r->shape || r->hidden_by || (r->alias && r->alias->n_colnames) ||
		    !covers_unseen(&grouping))
			continue;
		find_used(&grouping, &added);
		for (size_t i = 0; i < added.count; i++)
			splice_item(&grouping, expression_column(a, scope_name_after(r), added.names[i]));
		if (can_group_row(r))
			splice_item(&grouping, expression_column(a, NULL, scope_name_after(r)));
	}
}

void group_keys_splice(struct analysis *a)
{
	for (const struct level *level = a->levels; level && !a->refused; level = level->next) {
		if (level->query && level->query->n_group_clause && !level->query->group_distinct && level->ranges)
			splice_level(a, level);
	}
}
