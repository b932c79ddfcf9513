#include "rewrite/used_columns.h"

#include "rewrite/columns.h"
#include "rewrite/derived.h"
#include "rewrite/tree.h"

/* Names compared; what would take longer counts as using all columns. */
enum { WORK_MAX = 2 * 1000 * 1000 };

/* ---- noting ---- */

static void note_all(const struct range *range)
{
	if (range->use)
		range->use->use.all_columns = true;
}

/* A column of the table itself, as its own side calls it. */
static void note(struct analysis *a, const struct range *range, const char *name)
{
	struct noted_use *noted = range->use;
	struct column_names *columns = &noted->columns;
	if (noted->use.all_columns || derived_is_system_column(name))
		return;
	if (noted->name->side == SIDE_NEW)
		name = map_entry_column(noted->name->entry->map, SIDE_NEW, name);
	a->column_work += columns->count;
	for (size_t i = 0; i < columns->count; i++) {
		if (strcmp(columns->names[i], name) == 0)
			return;
	}
	if (columns->count == USE_COLUMNS_MAX || a->column_work >= WORK_MAX)
		noted->use.all_columns = true;
	else
		columns_add(a, columns, name);
}

/* The column's own name, where `AS t(a, b)` gave it another; NULL: not known. */
static const char *own_name(const struct range *range, size_t index)
{
	const struct ruleset_entry *entry = range->name->entry;
	const struct fact_relation *relation = entry->relation[entry->physical];
	if (range->shape)
		return index < range->shape->written_count ? range->shape->written[index].name : NULL;
	return relation && index < relation->column_count ? relation->columns[index].name : NULL;
}

static void note_visible(struct analysis *a, struct range *range, const char *name)
{
	const struct column_names *columns = columns_of(a, range);
	size_t renamed = range->alias ? range->alias->n_colnames : 0, i = 0;
	while (i < columns->count && strcmp(columns->names[i], name) != 0)
		i++;
	a->column_work += i + 1;
	if (i < columns->count && i < renamed && own_name(range, i))
		note(a, range, own_name(range, i));
	else if (i < renamed || (i == columns->count && (columns->complete || renamed) && !derived_is_system_column(name)))
		note_all(range); /* t.f may be f(t) */
	else
		note(a, range, name);
}

static bool may_have(struct analysis *a, struct range *range, const char *name, bool *surely_out)
{
	const struct column_names *columns = columns_of(a, range);
	a->column_work += columns->count + 1;
	for (size_t i = 0; i < columns->count; i++) {
		if (strcmp(columns->names[i], name) == 0)
			return *surely_out = true;
	}
	return !columns->complete;
}

/* ---- references ---- */

static struct range *first_side(const struct noted_join *noted)
{
	return (struct range *)noted->sides.first;
}

/* The tables under a join's alias. */
static void on_join_alias(struct analysis *a, const struct column_use *use, const struct noted_join *noted)
{
	const char *name = columns_is_star(use) || noted->join->alias->n_colnames ? NULL : columns_name(use);
	for (struct range *r = first_side(noted); r; r = columns_next(r, noted->sides)) {
		bool surely;
		if (r->use && !name)
			note_all(r);
		else if (r->use && may_have(a, r, name, &surely))
			note_visible(a, r, name);
	}
}

static void on_range(struct analysis *a, const struct column_use *use, struct range *range)
{
	if (!range->use)
		return;
	if (columns_is_star(use) || !columns_name(use))
		note_all(range);
	else
		note_visible(a, range, columns_name(use));
}

/* Of several tables of that name the schema decides; all of them may be meant here. */
static void on_qualified(struct analysis *a, const struct column_use *use)
{
	const char *name = use->qualifier->parts[use->qualifier->part_count - 1];
	struct range *range = columns_qualified(a, use);
	if (range) {
		on_range(a, use, range);
		return;
	}
	for (const struct level *level = use->level; level; level = level->outer) {
		for (struct range *r = level->ranges; r; r = r->next) {
			if (strcmp(r->refname, name) == 0)
				on_range(a, use, r);
		}
	}
}

static void on_plain_star(const struct column_use *use)
{
	for (struct range *r = columns_first(use->level, use->window); r; r = columns_next(r, use->window))
		note_all(r);
}

/* Every table from the inside outwards that may be meant, up to a level where one has the column for sure. */
static void note_candidates(struct analysis *a, const struct column_use *use, const char *name)
{
	struct window window = use->window;
	bool surely = false;
	for (const struct level *level = use->level; level && !surely; window = level->outer_window, level = level->outer) {
		for (struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
			bool row = strcmp(r->refname, name) == 0;
			if (may_have(a, r, name, &surely) && r->use)
				note_visible(a, r, name);
			if (row)
				note_all(r);
			surely = surely || row;
		}
	}
}

/* The tables that an alias over a join stands for. */
static void note_joined(struct analysis *a, const struct range *join, const char *name)
{
	for (struct range *r = join->level->ranges; r; r = r->next) {
		bool surely;
		if (!r->use || !columns_hides(join, r))
			continue;
		if (join->alias->n_colnames)
			note_all(r);
		else if (may_have(a, r, name, &surely))
			note_visible(a, r, name);
	}
}

static void on_unqualified(struct analysis *a, const struct column_use *use)
{
	const char *name = columns_name(use);
	struct column_meaning meaning = columns_resolve(a, use, name);
	if (meaning.answer != COLUMN_FOUND)
		note_candidates(a, use, name);
	else if (meaning.range->is_join)
		note_joined(a, meaning.range, name);
	else if (meaning.range->use)
		note_visible(a, meaning.range, name);
}

static void on_reference(struct analysis *a, const struct column_use *use)
{
	const struct noted_join *join = columns_join(use);
	if (join)
		on_join_alias(a, use, join);
	else if (use->qualifier)
		on_qualified(a, use);
	else if (columns_is_star(use))
		on_plain_star(use);
	else if (columns_name(use))
		on_unqualified(a, use);
}

/* ---- names that are no references ---- */

static bool other_side_has(struct analysis *a, const struct noted_join *noted, const struct range *but, const char *name)
{
	for (struct range *r = first_side(noted); r; r = columns_next(r, noted->sides)) {
		bool surely;
		if (r != but && may_have(a, r, name, &surely))
			return true;
	}
	return false;
}

static void on_natural(struct analysis *a, const struct noted_join *noted, struct range *range)
{
	const struct column_names *columns = columns_of(a, range);
	if (!columns->complete)
		note_all(range);
	for (size_t i = 0; i < columns->count && a->column_work < WORK_MAX; i++) {
		if (other_side_has(a, noted, range, columns->names[i]))
			note_visible(a, range, columns->names[i]);
	}
}

static void on_join(struct analysis *a, const struct noted_join *noted)
{
	for (struct range *r = first_side(noted); r; r = columns_next(r, noted->sides)) {
		if (r->use && noted->join->is_natural)
			on_natural(a, noted, r);
		for (size_t i = 0; r->use && i < noted->join->n_using_clause; i++) {
			const char *name = tree_string(noted->join->using_clause[i]);
			bool surely;
			if (name && may_have(a, r, name, &surely))
				note_visible(a, r, name);
		}
	}
}

static void on_targets(struct analysis *a, const struct dml *dml, PgQuery__Node *const *targets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		note(a, dml->target, targets[i]->res_target->name);
}

static void on_conflict(struct analysis *a, const struct dml *dml, const PgQuery__OnConflictClause *clause)
{
	for (size_t i = 0; clause->infer && i < clause->infer->n_index_elems; i++) {
		const char *name = clause->infer->index_elems[i]->index_elem->name;
		if (name[0])
			note(a, dml->target, name);
	}
	on_targets(a, dml, clause->target_list, clause->n_target_list);
}

static void on_insert(struct analysis *a, const struct dml *dml, const PgQuery__InsertStmt *insert)
{
	if (insert->select_stmt && !insert->n_cols)
		note_all(dml->target);
	on_targets(a, dml, insert->cols, insert->n_cols);
	if (insert->on_conflict_clause)
		on_conflict(a, dml, insert->on_conflict_clause);
}

static void on_merge(struct analysis *a, const struct dml *dml, const PgQuery__MergeStmt *merge)
{
	for (size_t i = 0; i < merge->n_merge_when_clauses; i++) {
		const PgQuery__MergeWhenClause *clause = merge->merge_when_clauses[i]->merge_when_clause;
		if (clause->n_values && !clause->n_target_list)
			note_all(dml->target);
		on_targets(a, dml, clause->target_list, clause->n_target_list);
	}
}

static void on_dml(struct analysis *a, const struct dml *dml)
{
	if (!dml->target->use)
		return;
	if (dml->node->node_case == PG_QUERY__NODE__NODE_INSERT_STMT)
		on_insert(a, dml, dml->node->insert_stmt);
	else if (dml->node->node_case == PG_QUERY__NODE__NODE_MERGE_STMT)
		on_merge(a, dml, dml->node->merge_stmt);
	else if (dml->node->node_case == PG_QUERY__NODE__NODE_UPDATE_STMT)
		on_targets(a, dml, dml->node->update_stmt->target_list, dml->node->update_stmt->n_target_list);
}

void used_columns_copy(struct analysis *a, const PgQuery__CopyStmt *copy, const struct range *range)
{
	if (!range->use)
		return;
	if (!copy->n_attlist)
		note_all(range);
	for (size_t i = 0; i < copy->n_attlist; i++) {
		const char *name = tree_string(copy->attlist[i]);
		if (name)
			note(a, range, name);
	}
}

/* ---- all of them ---- */

static void on_level(struct analysis *a, const struct level *level)
{
	for (const struct range *r = level->ranges; r; r = r->next) {
		if (r->use && r->role == RANGE_READ && !r->can_alias)
			note_all(r); /* TABLE t */
	}
	for (const struct noted_join *noted = level->joins; noted && a->column_work < WORK_MAX; noted = noted->next)
		on_join(a, noted);
}

static void find(struct analysis *a)
{
	for (const struct level *level = a->levels; level; level = level->next)
		on_level(a, level);
	for (const struct dml *dml = a->dmls; dml; dml = dml->next)
		on_dml(a, dml);
	for (const struct column_use *use = a->columns; use && a->column_work < WORK_MAX; use = use->next)
		on_reference(a, use);
}

void used_columns_find(struct analysis *a)
{
	bool depends_on_state = a->depends_on_state;
	size_t work = a->column_work;
	if (!a->uses)
		return;
	a->column_work = 0;
	find(a);
	for (struct noted_use *noted = a->uses; noted && a->column_work >= WORK_MAX; noted = noted->next)
		noted->use.all_columns = true;
	a->column_work = work;
	a->depends_on_state = depends_on_state; /* what is counted changes nothing of the text */
}

struct use used_columns_of(const struct noted_use *noted)
{
	struct use use = noted->use;
	use.columns = noted->columns.names;
	use.column_count = use.all_columns ? 0 : (uint16_t)noted->columns.count;
	return use;
}
