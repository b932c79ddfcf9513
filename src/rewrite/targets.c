#include "rewrite/targets.h"

#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/derived.h"
#include "rewrite/expression.h"
#include "rewrite/resolve.h"
#include "rewrite/rows.h"
#include "rewrite/scope.h"

#define SQLSTATE_UNDEFINED_COLUMN "42703"
#define SQLSTATE_AMBIGUOUS_COLUMN "42702"

static bool is_target(const struct range *range)
{
	return range && range->shape && (range->role == RANGE_TARGET || range->role == RANGE_EXCLUDED);
}

/* ---- refusals ---- */

void targets_refuse_unknown(struct analysis *a, const struct range *target, const char *column, size_t offset)
{
	analysis_refuse(a, offset, SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", column,
			target->relname ? target->relname : target->refname);
}

void targets_refuse_unknown_name(struct analysis *a, const struct range *range, const char *column, size_t offset)
{
	if (range->role == RANGE_TARGET && !range->altered)
		analysis_refuse(a, offset, SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" does not exist", column);
	else
		targets_refuse_unknown(a, range, column, offset);
}

void targets_refuse_index(struct analysis *a, const struct range *range, size_t offset)
{
	if (range->role == RANGE_TARGET && !range->altered)
		targets_refuse(a, range->name, offset, "ON CONFLICT by a computed column",
			       "No unique index stands behind a column that is computed.");
	else
		targets_refuse(a, range->name, offset, "a statement about a computed column",
			       "There is no such column in the table that holds the rows.");
}

void targets_refuse(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *what, const char *why)
{
	struct slice written = resolve_spelled(a->arena, name->written);
	struct slice physical = resolve_spelled(a->arena, name->physical);
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED, "%s of table %s cannot be served",
					      what, written.data);
	error_detail(error, "%s", why);
	error_hint(error, "Write the statement for %s, in its own columns.", physical.data);
}

static void refuse_unsure(struct analysis *a, const struct column_use *use, const struct range *range, const char *name)
{
	struct error *error = analysis_refuse(a, clause_offset(a, use->first), SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "cannot tell which table column %s belongs to", name);
	error_detail(error, "Beside %s stands a table, function or query whose columns are not known.", range->refname);
	error_hint(error, "Write %s.%s, or qualify it with the other table's name.", range->refname, name);
}

/* ---- one reference ---- */

void targets_label(struct analysis *a, const struct column_use *use, const char *name)
{
	if (!use->names_output || use->item >= a->end)
		return;
	struct buf text;
	buf_init(&text);
	buf_append_str(&text, " AS ");
	name_append_quoted(&text, name);
	splice_add(a->splices, clause_end_offset(a, clause_item_last(a, use->item)), 0,
		   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	buf_deinit(&text);
}

static void replace_tokens(struct analysis *a, struct column_use *use, size_t first, size_t last, struct slice text)
{
	size_t start = clause_offset(a, first);
	splice_add(a->splices, start, clause_end_offset(a, last) - start, text);
	if (use->qualifier)
		use->qualifier->done = true;
}

static void replace(struct analysis *a, struct column_use *use, struct slice text)
{
	replace_tokens(a, use, use->first, use->last, text);
}

static void explain(struct analysis *a, const struct column_use *use, const struct range *range,
		    const struct shape_column *column, struct slice text)
{
	if (!a->explaining)
		return;
	size_t start = clause_offset(a, use->first), end = clause_end_offset(a, use->last);
	const char *what = arena_printf(a->arena, "column %s of %s", column->name,
					resolve_spelled(a->arena, range->name->written).data);
	bool renamed = column->from == SHAPE_COLUMN && !column->retyped;
	analysis_explain(a, start, end - start, what, renamed ? RULE_RENAMED_COLUMN : RULE_COMPUTED_COLUMN)->became =
		arena_copy(a->arena, text.data, text.len);
}

/* Does a nearer table have the name that the range has? */
static bool is_covered(const struct column_use *use, const struct range *range)
{
	for (const struct level *level = use->level; level && level != range->level; level = level->outer) {
		for (const struct range *r = level->ranges; r; r = r->next) {
			if (r->role != RANGE_OTHER && strcmp(scope_name_after(r), scope_name_after(range)) == 0)
				return true;
		}
	}
	return false;
}

static bool is_plain(const struct shape_column *column)
{
	return column->from == SHAPE_COLUMN && !column->retyped && strcmp(column->column, column->name) == 0;
}

/* The column of a target, wherever it stands. */
static void serve(struct analysis *a, struct column_use *use, const struct range *range, const char *name)
{
	const struct shape_column *column = shape_written_column(range->shape, name);
	size_t offset = clause_offset(a, use->first);
	struct slice text;
	if (!column) {
		if (!derived_is_system_column(name))
			targets_refuse_unknown(a, range, name, offset);
		return;
	}
	if (column->from == SHAPE_NOTHING) {
		derived_refuse_missing(a, range->name, name, offset);
		return;
	}
	if (is_plain(column))
		return;
	bool inferring = use->place == COLUMN_IN_INFERENCE;
	if (inferring && (column->from != SHAPE_COLUMN || column->retyped)) {
		targets_refuse_index(a, range, offset);
		return;
	}
	if (!inferring && is_covered(use, range)) {
		refuse_unsure(a, use, range, name);
		return;
	}
	const char *qualifier = inferring ? NULL : scope_name_after(range);
	if (!expression_read(a, range->shape, column, qualifier, offset, &text))
		return;
	explain(a, use, range, column, text);
	bool subscripted = clause_is_mark(a, use->last + 1, "[") && (column->from != SHAPE_COLUMN || column->retyped);
	if (subscripted)
		text = slice_str(arena_printf(a->arena, "(%.*s)", (int)text.len, text.data));
	replace(a, use, text);
	targets_label(a, use, name);
}

static bool differs(const struct range *range, const char *name)
{
	const struct shape_column *column = shape_written_column(range->shape, name);
	return !column || !is_plain(column);
}

/* The target whose row an unqualified name means; NULL: none. */
static const struct range *row_of_target(const struct column_use *use, const char *name)
{
	struct window window = use->window;
	for (const struct level *level = use->level; level; window = level->outer_window, level = level->outer) {
		for (const struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
			if (strcmp(r->refname, name) == 0)
				return is_target(r) ? r : NULL;
		}
	}
	return NULL;
}

/* (t).column is the column, also where t is no longer a row of the table. */
static void serve_field(struct analysis *a, struct column_use *use, const struct range *range)
{
	const struct shape_column *column = shape_written_column(range->shape, use->field);
	size_t offset = clause_offset(a, use->first);
	struct slice text;
	if (!column || column->from == SHAPE_NOTHING) {
		derived_refuse_missing(a, range->name, use->field, offset);
		return;
	}
	if (!expression_read(a, range->shape, column, scope_name_after(range), offset, &text))
		return;
	replace_tokens(a, use, use->field_first, use->field_last, text);
	targets_label(a, use, use->field);
}

/* t and t.* where they are values. */
static void serve_row(struct analysis *a, struct column_use *use, const struct range *range)
{
	struct slice text;
	if (use->field) {
		serve_field(a, use, range);
	} else if (rows_value(a, range, clause_offset(a, use->first), &text)) {
		replace(a, use, text);
		targets_label(a, use, range->refname);
	}
}

static const struct ruleset_name *any_target(const struct analysis *a)
{
	for (const struct dml *dml = a->dmls; dml; dml = dml->next) {
		if (dml->target->shape)
			return dml->target->name;
	}
	return NULL;
}

/* Can the column be qualified without meaning anything else? A join may merge it, or hide its table. */
static bool has_own_name(const struct column_use *use, const struct range *range)
{
	for (const struct level *level = use->level; level; level = level->outer) {
		for (const struct range *r = level->ranges; r; r = r->next) {
			if (r == range)
				return !level->joins;
		}
	}
	return false;
}

static void on_unqualified(struct analysis *a, struct column_use *use)
{
	const char *name = columns_name(use);
	struct column_meaning meaning = columns_resolve(a, use, name);
	size_t offset = clause_offset(a, use->first);
	bool may_be_row = meaning.answer == COLUMN_NOWHERE || (meaning.answer == COLUMN_UNSURE && !meaning.range);
	const struct range *row = may_be_row ? row_of_target(use, name) : NULL;
	if (row && meaning.answer == COLUMN_UNSURE) {
		refuse_unsure(a, use, row, name);
	} else if (row) {
		serve_row(a, use, row);
	} else if (meaning.capture && meaning.answer == COLUMN_NOWHERE) {
		analysis_refuse(a, offset, SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" does not exist", name);
	} else if (meaning.capture && meaning.answer == COLUMN_FOUND && !is_target(meaning.range) &&
		   has_own_name(use, meaning.range) && !is_covered(use, meaning.range)) {
		replace(a, use, expression_column(a, scope_name_after(meaning.range), name));
	} else if (meaning.capture) {
		refuse_unsure(a, use, meaning.capture, name);
	} else if (meaning.answer == COLUMN_FOUND && is_target(meaning.range)) {
		serve(a, use, meaning.range, name);
	} else if (meaning.answer == COLUMN_AMBIGUOUS && meaning.target) {
		analysis_refuse(a, offset, SQLSTATE_AMBIGUOUS_COLUMN, "column reference \"%s\" is ambiguous", name);
	} else if (meaning.answer == COLUMN_UNSURE && is_target(meaning.range) && differs(meaning.range, name)) {
		refuse_unsure(a, use, meaning.range, name);
	} else if (meaning.answer == COLUMN_UNSURE && meaning.beyond && differs(meaning.beyond, name)) {
		refuse_unsure(a, use, meaning.beyond, name);
	}
}

/* ---- stars ---- */

static bool append_star(struct analysis *a, const struct column_use *use, size_t offset, struct buf *text)
{
	for (struct range *r = columns_first(use->level, use->window); r; r = columns_next(r, use->window)) {
		if (is_target(r)) {
			if (!rows_append_columns(a, r, offset, true, text))
				return false;
			continue;
		}
		buf_append_str(text, text->len ? ", " : "");
		name_append_quoted(text, scope_name_after(r));
		buf_append_str(text, ".*");
	}
	return true;
}

static void replace_star(struct analysis *a, struct column_use *use, struct buf *text)
{
	replace(a, use, slice_of(arena_copy(a->arena, text->data, text->len), text->len));
}

static void on_star(struct analysis *a, struct column_use *use)
{
	size_t offset = clause_offset(a, use->first);
	struct range *range = use->qualifier ? columns_qualified(a, use) : NULL;
	struct buf text;
	bool has_target = is_target(range);
	for (struct range *r = columns_first(use->level, use->window); r && !use->qualifier;
	     r = columns_next(r, use->window))
		has_target = has_target || is_target(r);
	if (!has_target)
		return;
	if (!use->qualifier && use->level->joins) {
		targets_refuse(a, any_target(a), offset, "a star",
			       "What it stands for, beside a join that merges columns, is not worked out.");
		return;
	}
	if (range && use->place != COLUMN_IS_TARGET && use->place != COLUMN_IN_ROW) {
		serve_row(a, use, range);
		return;
	}
	bool labels = use->place == COLUMN_IS_TARGET;
	buf_init(&text);
	if (range ? rows_append_columns(a, range, offset, labels, &text) : append_star(a, use, offset, &text))
		replace_star(a, use, &text);
	buf_deinit(&text);
}

void targets_splice(struct analysis *a)
{
	if (!any_target(a))
		return;
	for (struct column_use *use = a->columns; use && !a->refused; use = use->next) {
		if (columns_is_star(use)) {
			on_star(a, use);
			continue;
		}
		if (!columns_name(use))
			continue;
		struct range *range = columns_qualified(a, use);
		if (is_target(range))
			serve(a, use, range, columns_name(use));
		else if (!use->qualifier)
			on_unqualified(a, use);
	}
}
