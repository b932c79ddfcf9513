#include "rewrite/rows.h"

#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/derived.h"
#include "rewrite/expression.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"

/* ---- targets ---- */

static bool is_plain(const struct shape_column *column)
{
	return column->from == SHAPE_COLUMN && !column->retyped && strcmp(column->column, column->name) == 0;
}

bool rows_append_columns(struct analysis *a, const struct range *range, size_t offset, bool labels, struct buf *text)
{
	for (size_t i = 0; i < range->shape->written_count; i++) {
		const struct shape_column *column = &range->shape->written[i];
		struct slice source;
		if (column->from == SHAPE_NOTHING) {
			derived_refuse_missing(a, range->name, column->name, offset);
			return false;
		}
		if (!expression_read(a, range->shape, column, scope_name_after(range), offset, &source))
			return false;
		buf_append_str(text, text->len ? ", " : "");
		buf_append_slice(text, source);
		if (labels && !is_plain(column)) {
			buf_append_str(text, " AS ");
			name_append_quoted(text, column->name);
		}
	}
	return true;
}

bool rows_value(struct analysis *a, const struct range *range, size_t offset, struct slice *text_out)
{
	struct buf columns;
	const char *row = scope_fresh_alias(a);
	buf_init(&columns);
	bool ok = rows_append_columns(a, range, offset, true, &columns);
	if (ok)
		*text_out = slice_str(arena_printf(a->arena, "(SELECT %s FROM (SELECT %.*s) AS %s)", row, (int)columns.len,
						   columns.data, row));
	buf_deinit(&columns);
	return ok;
}

/* ---- aliases of ours ---- */

/* The table that the name would have meant, had none got another alias; NULL: none, or several. */
static const struct range *range_called(const struct column_use *use, const char *name)
{
	struct window window = use->window;
	for (const struct level *level = use->level; level; window = level->outer_window, level = level->outer) {
		const struct range *found = NULL;
		size_t count = 0;
		for (const struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
			if (strcmp(r->refname, name) == 0 && !columns_is_hidden(r, window)) {
				found = r;
				count++;
			}
		}
		if (count)
			return count == 1 ? found : NULL;
		if (level->hides_outer)
			return NULL;
	}
	return NULL;
}

/* Would the server find another table by it? */
static bool is_called_after(const struct column_use *use, const char *name)
{
	for (const struct level *level = use->level; level; level = level->outer) {
		for (const struct range *r = level->ranges; r; r = r->next) {
			if (r->role != RANGE_OTHER && strcmp(scope_name_after(r), name) == 0)
				return true;
		}
	}
	return false;
}

static void refuse_unsure(struct analysis *a, const struct column_use *use, const char *name)
{
	struct error *error = analysis_refuse(a, clause_offset(a, use->first), SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "cannot tell whether %s is a column or the row of a table", name);
	error_detail(error, "Beside it stands a table, function or query whose columns are not known.");
	error_hint(error, "Give the table an alias.");
}

static void splice_row(struct analysis *a, const struct column_use *use, const struct range *range)
{
	struct slice alias = expression_column(a, NULL, scope_name_after(range));
	splice_add(a->splices, clause_offset(a, use->first), a->tokens->items[use->first].len, alias);
	targets_label(a, use, range->refname);
}

void rows_splice(struct analysis *a)
{
	for (struct column_use *use = a->columns; use && !a->refused; use = use->next) {
		const char *name = use->qualifier || columns_is_star(use) ? NULL : columns_name(use);
		const struct range *range = name ? range_called(use, name) : NULL;
		if (!range || !range->new_alias || strcmp(range->new_alias, name) == 0)
			continue;
		struct column_meaning meaning = columns_resolve(a, use, name);
		if (meaning.answer == COLUMN_UNSURE && !meaning.range && is_called_after(use, name))
			refuse_unsure(a, use, name);
		else if (meaning.answer == COLUMN_NOWHERE)
			splice_row(a, use, range);
	}
}
