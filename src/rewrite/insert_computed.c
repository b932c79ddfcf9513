/* INSERT whose written columns are computed into others: the rows become a query that computes them. */
#include "rewrite/insert.h"

#include "rewrite/cells.h"
#include "rewrite/clauses.h"
#include "rewrite/expression.h"
#include "rewrite/scope.h"

static struct slice kept(struct analysis *a, struct buf *text)
{
	struct slice copy = slice_of(arena_copy(a->arena, text->data ? text->data : "", text->len), text->len);
	buf_deinit(text);
	return copy;
}

/* A written column that the statement does not give, as an expression; false: refused. */
static bool default_of(struct insert *insert, size_t column, const char **text_out)
{
	const char *text = sinks_default_text(insert->sinks, column);
	if (!text) {
		insert_refuse(insert, arena_printf(insert->a->arena, "INSERT without column %s", insert_written(insert, column)->name),
		       "Other columns are computed from it, and its default is not known.");
		return false;
	}
	*text_out = text;
	return true;
}

static bool is_provided(const struct insert *insert, size_t column)
{
	return insert->is_given[column] && !insert->all_default[column];
}

/* Defaults that expressions need stand beside the given columns. */
static bool append_defaults(struct insert *insert, struct buf *text)
{
	const struct shape *shape = insert->sinks->shape;
	for (size_t w = 0; w < shape->written_count; w++) {
		const char *value;
		if (is_provided(insert, w) || !insert->sinks->consumed[w])
			continue;
		if (!default_of(insert, w, &value))
			return false;
		buf_append_str(text, text->len ? ", " : "");
		buf_append_slice(text, expression_assign(insert->a, slice_str(value), shape->written[w].type));
		buf_append_str(text, " AS ");
		name_append_quoted(text, shape->written[w].name);
	}
	return true;
}

static void append_output(const struct insert *insert, struct slice name, struct slice value, struct buf *names,
			  struct buf *values)
{
	buf_append_str(names, names->len ? ", " : "");
	buf_append_slice(names, name);
	buf_append_str(values, values->len ? ", " : "");
	buf_append_slice(values, value);
}

/* The physical columns and what each gets; columns that keep their default are left out. */
static bool append_outputs(struct insert *insert, const char *row, struct buf *names, struct buf *values)
{
	const struct shape *shape = insert->sinks->shape;
	struct analysis *a = insert->a;
	for (size_t p = 0; p < shape->physical_count; p++) {
		const struct shape_column *column = &shape->physical[p];
		struct slice name = expression_column(a, NULL, column->name);
		if (insert->sinks->uses[p]) {
			append_output(insert, name, sinks_value(a, insert->sinks, p, row), names, values);
			continue;
		}
		if (column->from != SHAPE_COLUMN)
			continue;
		size_t w = sinks_written(shape, column->column);
		const char *text;
		if (is_provided(insert, w) || insert->sinks->consumed[w])
			append_output(insert, name, sinks_value(a, insert->sinks, p, row), names, values);
		else if (!column->generated && sinks_default(insert->sinks, w, &text) == SINK_DEFAULT_TEXT)
			append_output(insert, name, expression_cast_bare(a, slice_str(text), column->type), names, values);
	}
	return true;
}

/* The given columns, in their old types where a query gave them others; those that only say DEFAULT are gone. */
static void append_typed(struct insert *insert, const char *inner, struct buf *text)
{
	for (size_t i = 0; i < insert->given_count; i++) {
		const struct shape_column *column = insert_written(insert, insert->given[i]);
		struct slice value = expression_column(insert->a, inner, column->name);
		if (!is_provided(insert, insert->given[i]))
			continue;
		bool cast = insert->typed[insert->given[i]] && !insert_is_rows(insert);
		if (cast && i < insert->sure_count) {
			value = cell_of_query(insert->a, insert_query(insert), i, value);
			insert->placed = true;
			value = expression_checked(insert->a, value, column->type);
		}
		buf_append_str(text, text->len ? ", " : "");
		buf_append_slice(text, cast ? expression_assign(insert->a, value, column->type) : value);
		if (cast) {
			buf_append_str(text, " AS ");
			name_append_quoted(text, column->name);
		}
	}
}

static struct slice given_list(const struct insert *insert)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < insert->given_count; i++) {
		buf_append_str(&text, i ? ", " : "(");
		name_append_quoted(&text, insert_written(insert, insert->given[i])->name);
	}
	buf_append_str(&text, insert->given_count ? ")" : "");
	return kept(insert->a, &text);
}

/* Something between the rows and the expressions: casts of a query's columns, and defaults. */
static bool needs_middle(const struct insert *insert, const struct buf *defaults)
{
	bool any = defaults->len > 0;
	for (size_t i = 0; i < insert->given_count; i++)
		any = any || (insert->typed[insert->given[i]] && !insert_is_rows(insert));
	return any;
}

static void splice_around(struct insert *insert, struct slice values, const char *row, struct buf *defaults)
{
	struct analysis *a = insert->a;
	size_t start = clause_offset(a, insert->source), end = clause_end_offset(a, insert->source_last);
	struct slice list = given_list(insert);
	char *before, *after;
	if (insert_has_no_values(insert)) {
		before = defaults->len ? arena_printf(a->arena, "SELECT %.*s FROM (SELECT %.*s) AS %s", (int)values.len,
						      values.data, (int)defaults->len, defaults->data, row)
				       : arena_printf(a->arena, "SELECT %.*s", (int)values.len, values.data);
		splice_add(a->splices, start, end - start, slice_str(before));
		return;
	}
	if (needs_middle(insert, defaults)) {
		const char *inner = scope_fresh_alias(a);
		struct buf typed;
		buf_init(&typed);
		append_typed(insert, inner, &typed);
		if (defaults->len)
			buf_printf(&typed, "%s%.*s", typed.len ? ", " : "", (int)defaults->len, defaults->data);
		before = arena_printf(a->arena, "SELECT %.*s FROM (SELECT %.*s FROM (", (int)values.len, values.data,
				      (int)typed.len, typed.data);
		after = arena_printf(a->arena, ") AS %s%s) AS %s", inner, list.data, row);
		buf_deinit(&typed);
	} else {
		before = arena_printf(a->arena, "SELECT %.*s FROM (", (int)values.len, values.data);
		after = arena_printf(a->arena, ") AS %s%s", row, list.data);
	}
	if (insert->placed)
		splice_add_moving(a->splices, start, 0, slice_str(before));
	else
		splice_add(a->splices, start, 0, slice_str(before));
	splice_add(a->splices, end, 0, slice_str(after));
}

static bool refuse_row_length(struct insert *insert)
{
	size_t count = 0;
	if (insert_has_no_values(insert) || (insert_row_length(insert, &count) && count == insert->given_count))
		return false;
	if (count > insert->given_count)
		analysis_refuse(insert->a, insert->offset, "42601", "INSERT has more expressions than target columns");
	else if (count)
		analysis_refuse(insert->a, insert->offset, "42601", "INSERT has more target columns than expressions");
	else
		insert_refuse(insert, "INSERT from this query", "How many columns the query yields cannot be told.");
	return true;
}

void insert_splice_computed(struct insert *insert)
{
	struct analysis *a = insert->a;
	const char *row = scope_fresh_alias(a);
	struct buf names, values, defaults;
	if (refuse_row_length(insert))
		return;
	if (!insert_splice_rows(insert))
		return;
	buf_init(&names);
	buf_init(&values);
	buf_init(&defaults);
	if (append_outputs(insert, row, &names, &values) && append_defaults(insert, &defaults)) {
		if (names.len || !insert_has_no_values(insert)) {
			insert_splice_list(insert, kept(a, &names));
			splice_around(insert, kept(a, &values), row, &defaults);
		}
	}
	buf_deinit(&names);
	buf_deinit(&values);
	buf_deinit(&defaults);
}
