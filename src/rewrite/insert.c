/*
 * INSERT. Where columns are only renamed, their names change and nothing
 * else does. Where they are computed or of another type, the rows become a
 * query over the written columns:
 *
 *   INSERT INTO new (a, b, …) SELECT <from written columns> FROM (VALUES … | SELECT …) AS row (written columns)
 *
 * so that each value is evaluated once and has its old type.
 */
#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/dml.h"
#include "rewrite/expression.h"
#include "rewrite/resolve.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"

struct insert {
	struct analysis *a;
	const struct sinks *sinks;
	const PgQuery__InsertStmt *statement;
	const struct range *target;
	size_t offset;		     /* of the table's name */
	size_t head;		     /* last token before the column list */
	size_t open, close;	     /* of the column list; 0: none */
	size_t source, source_last;  /* VALUES, the query or DEFAULT VALUES */
	size_t *given;		     /* written columns, in the order of the statement */
	size_t given_count;
	bool *is_given;		     /* by written column */
	bool *all_default;	     /* by written column: every row says DEFAULT */
	bool *typed;		     /* by written column: needs its old type, not just one that fits */
};

static void refuse(const struct insert *insert, const char *what, const char *why)
{
	targets_refuse(insert->a, insert->sinks->name, insert->offset, what, why);
}

static const struct shape_column *written(const struct insert *insert, size_t column)
{
	return &insert->sinks->shape->written[column];
}

static const struct shape_column *partner(const struct insert *insert, size_t column)
{
	size_t p = sinks_partner(insert->sinks, column);
	return p < insert->sinks->shape->physical_count ? &insert->sinks->shape->physical[p] : NULL;
}

/* ---- the parts of the statement ---- */

static bool is_default_values(const struct insert *insert)
{
	return !insert->statement->select_stmt;
}

static const PgQuery__SelectStmt *query_of(const struct insert *insert)
{
	const PgQuery__Node *node = insert->statement->select_stmt;
	return node && node->node_case == PG_QUERY__NODE__NODE_SELECT_STMT ? node->select_stmt : NULL;
}

/* VALUES without any clause of its own; others are queries. */
static bool is_rows(const struct insert *insert)
{
	const PgQuery__SelectStmt *query = query_of(insert);
	return query && query->n_values_lists && !query->n_sort_clause && !query->limit_count &&
	       !query->limit_offset && !query->with_clause && clause_is_word(insert->a, insert->source, "values");
}

static void find_source_end(struct insert *insert)
{
	const struct analysis *a = insert->a;
	size_t last = clause_statement_last(a, insert->source);
	size_t returning = clause_find_word(a, insert->source, last, "returning");
	if (insert->statement->n_returning_list && returning < a->end)
		last = returning - 1;
	if (insert->statement->on_conflict_clause) {
		size_t conflict = a->end;
		for (size_t on = insert->source; (on = clause_find_word(a, on, last, "on")) < last; on++)
			conflict = clause_is_word(a, on + 1, "conflict") ? on : conflict;
		last = conflict < a->end ? conflict - 1 : last;
	}
	insert->source_last = last;
}

static void find_parts(struct insert *insert)
{
	const struct analysis *a = insert->a;
	size_t at = insert->target->last;
	if (insert->target->aliased)
		at += clause_is_word(a, at + 1, "as") ? 2 : 1;
	insert->head = at++;
	if (insert->statement->n_cols) {
		insert->open = at;
		insert->close = clause_close(a, at);
		at = insert->close + 1;
	}
	if (clause_is_word(a, at, "overriding"))
		at += 3;
	insert->source = at;
	find_source_end(insert);
}

/* ---- the columns that it gives ---- */

static bool row_length(const struct insert *insert, size_t *count_out)
{
	const PgQuery__SelectStmt *query = query_of(insert);
	if (!query)
		return false;
	if (!query->n_values_lists)
		return columns_count(insert->a, query, count_out);
	*count_out = query->values_lists[0]->list->n_items;
	return true;
}

/* Without a list the first columns are meant, as many as there are values. */
static bool give_first(struct insert *insert)
{
	size_t count = 0, all = insert->sinks->shape->written_count;
	if (is_default_values(insert))
		return true;
	if (!row_length(insert, &count)) {
		refuse(insert, "INSERT without a column list", "How many columns the query yields cannot be told.");
		return false;
	}
	insert->given_count = count < all ? count : all;
	for (size_t i = 0; i < insert->given_count; i++)
		insert->given[i] = i;
	return true;
}

static bool give_named(struct insert *insert)
{
	for (size_t i = 0; i < insert->statement->n_cols; i++) {
		const PgQuery__ResTarget *column = insert->statement->cols[i]->res_target;
		size_t index = sinks_written(insert->sinks->shape, column->name);
		if (index == insert->sinks->shape->written_count) {
			size_t at = column->location < 0 ? insert->a->end
							 : token_at(insert->a->tokens, (size_t)column->location);
			targets_refuse_unknown(insert->a, insert->target, column->name, clause_offset(insert->a, at));
			return false;
		}
		if (insert->is_given[index]) {
			analysis_refuse(insert->a, insert->offset, "42701",
					"column \"%s\" specified more than once", column->name);
			return false;
		}
		if (column->n_indirection) {
			refuse(insert, "INSERT into a part of a column", "Only whole columns are rewritten.");
			return false;
		}
		insert->is_given[index] = true;
		insert->given[insert->given_count++] = index;
	}
	return true;
}

static bool give_columns(struct insert *insert)
{
	size_t count = insert->sinks->shape->written_count;
	insert->given = ARENA_ARRAY(insert->a->arena, count + 1, size_t);
	insert->is_given = ARENA_ARRAY(insert->a->arena, count, bool);
	insert->all_default = ARENA_ARRAY(insert->a->arena, count, bool);
	insert->typed = ARENA_ARRAY(insert->a->arena, count, bool);
	if (insert->statement->n_cols ? !give_named(insert) : !give_first(insert))
		return false;
	for (size_t i = 0; i < insert->given_count; i++) {
		size_t column = insert->given[i];
		insert->is_given[column] = true;
		if (sinks_is_lost(insert->sinks, column)) {
			refuse(insert, arena_printf(insert->a->arena, "INSERT of column %s", written(insert, column)->name),
			       "The map has no column or expression that it goes to.");
			return false;
		}
	}
	for (size_t w = 0; w < count; w++)
		insert->typed[w] = insert->sinks->consumed[w] || !partner(insert, w) || partner(insert, w)->retyped;
	return true;
}

/* ---- renamed columns only ---- */

/* Is every physical column one of the written ones, as it is, with the default that the text expects? */
static bool only_names_differ(const struct insert *insert)
{
	const struct shape *shape = insert->sinks->shape;
	for (size_t p = 0; p < shape->physical_count; p++) {
		if (insert->sinks->uses[p])
			return false;
	}
	for (size_t w = 0; w < shape->written_count; w++) {
		const char *text;
		if (insert->is_given[w] && insert->typed[w])
			return false;
		if (partner(insert, w) && sinks_default(insert->sinks, w, &text) != SINK_DEFAULT_SAME)
			return false;
	}
	return true;
}

static void append_physical_name(const struct insert *insert, size_t column, struct buf *text)
{
	buf_append_str(text, text->len ? ", " : "");
	name_append_quoted(text, partner(insert, column)->name);
}

static struct slice kept(struct analysis *a, struct buf *text)
{
	struct slice copy = slice_of(arena_copy(a->arena, text->data ? text->data : "", text->len), text->len);
	buf_deinit(text);
	return copy;
}

/* " (names)" after the table's name or its alias, or in place of the list of the text. No names: no list. */
static void splice_list(const struct insert *insert, struct slice names)
{
	struct analysis *a = insert->a;
	if (names.len == 0) {
		size_t start = clause_offset(a, insert->open);
		if (insert->open)
			splice_add(a->splices, start, clause_end_offset(a, insert->close) - start, names);
		return;
	}
	if (insert->open) {
		size_t start = clause_end_offset(a, insert->open);
		splice_add(a->splices, start, clause_offset(a, insert->close) - start, names);
		return;
	}
	char *list = arena_printf(a->arena, " (%.*s)", (int)names.len, names.data);
	splice_add(a->splices, clause_end_offset(a, insert->head), 0, slice_str(list));
}

static void splice_renamed(const struct insert *insert)
{
	struct analysis *a = insert->a;
	struct buf text;
	for (size_t i = 0; i < insert->statement->n_cols; i++) {
		const PgQuery__ResTarget *column = insert->statement->cols[i]->res_target;
		const char *name = partner(insert, insert->given[i])->name;
		size_t at = token_at(a->tokens, (size_t)column->location);
		if (strcmp(name, column->name) != 0)
			splice_add(a->splices, clause_offset(a, at), a->tokens->items[at].len,
				   expression_column(a, NULL, name));
	}
	if (insert->statement->n_cols || is_default_values(insert))
		return;
	buf_init(&text);
	for (size_t i = 0; i < insert->given_count; i++)
		append_physical_name(insert, insert->given[i], &text);
	splice_list(insert, kept(a, &text));
}

/* ---- rows of values ---- */

struct cell {
	size_t first, last; /* tokens */
};

/* The next cell of a row; at is the token after "(" or ",". */
static bool next_cell(const struct analysis *a, size_t at, size_t close, struct cell *cell_out)
{
	if (at >= close)
		return false;
	size_t i = at;
	while (i < close && !clause_is_mark(a, i, ","))
		i = clause_is_mark(a, i, "(") || clause_is_mark(a, i, "[") ? clause_close(a, i) + 1 : i + 1;
	*cell_out = (struct cell){ at, i - 1 };
	return i > at;
}

typedef bool cell_fn(struct insert *insert, size_t column, struct cell cell, bool only_row);

static bool each_cell(struct insert *insert, cell_fn *visit)
{
	const struct analysis *a = insert->a;
	bool only_row = query_of(insert)->n_values_lists == 1;
	for (size_t row = insert->source + 1; row < insert->source_last; row += 2) {
		size_t close = clause_close(a, row), at = row + 1;
		only_row = only_row && close == insert->source_last;
		struct cell cell;
		for (size_t i = 0; i < insert->given_count && next_cell(a, at, close, &cell); i++) {
			if (!visit(insert, insert->given[i], cell, only_row))
				return false;
			at = cell.last + 2;
		}
		row = close;
	}
	return true;
}

static bool is_default_cell(const struct insert *insert, struct cell cell)
{
	return cell.first == cell.last && clause_is_word(insert->a, cell.first, "default");
}

static bool note_value(struct insert *insert, size_t column, struct cell cell, bool only_row)
{
	if (!is_default_cell(insert, cell))
		insert->all_default[column] = false;
	return true;
}

/* What has no type of its own: it would be text in a query, and is the column's type in VALUES. */
static bool is_simple(const struct analysis *a, struct cell cell)
{
	const struct token *token = &a->tokens->items[cell.first];
	return cell.first == cell.last && (token_is_literal(token) || token->class == TOKEN_PARAM ||
					   token_is_word(a->text, token, "null"));
}

/* CAST and its kin around tokens whose own splices stay. */
static void surround(struct analysis *a, struct cell cell, struct slice with)
{
	const char *mark = memchr(with.data, '\1', with.len);
	size_t before = (size_t)(mark - with.data);
	size_t start = clause_offset(a, cell.first), end = clause_end_offset(a, cell.last);
	if (cell.first == cell.last) {
		char *text = arena_printf(a->arena, "%.*s%.*s%.*s", (int)before, with.data, (int)(end - start),
					  a->text.data + start, (int)(with.len - before - 1), mark + 1);
		splice_add(a->splices, start, end - start, slice_str(text));
		return;
	}
	splice_add(a->splices, start, 0, slice_of(with.data, before));
	splice_add(a->splices, end, 0, slice_of(mark + 1, with.len - before - 1));
}

static bool splice_default_cell(struct insert *insert, size_t column, struct cell cell)
{
	const char *text = insert->all_default[column] ? "NULL" : sinks_default_text(insert->sinks, column);
	if (!text) {
		refuse(insert, "DEFAULT beside values", "The default of the column cannot be written as an expression.");
		return false;
	}
	struct slice value = expression_cast_bare(insert->a, slice_str(text), written(insert, column)->type);
	size_t start = clause_offset(insert->a, cell.first);
	splice_add(insert->a->splices, start, clause_end_offset(insert->a, cell.last) - start, value);
	return true;
}

static bool splice_cell(struct insert *insert, size_t column, struct cell cell, bool only_row)
{
	struct analysis *a = insert->a;
	const char *type = written(insert, column)->type;
	if (is_default_cell(insert, cell))
		return splice_default_cell(insert, column, cell);
	if (!type || (only_row && !insert->typed[column] && !is_simple(a, cell)))
		return true;
	bool number = cell.first == cell.last && a->tokens->items[cell.first].class == TOKEN_NUMBER;
	if (number && strcmp(type, "boolean") == 0 && !insert->typed[column] && only_row)
		return true; /* the server refuses to assign it, which a cast would hide */
	struct slice mark = slice_of("\1", 1);
	surround(a, cell, insert->typed[column] ? expression_assign(a, mark, type) : expression_cast_bare(a, mark, type));
	return true;
}

/* ---- a query ---- */

/* Constants in its select list have no type of their own either. */
static void splice_constants(struct insert *insert)
{
	struct analysis *a = insert->a;
	const PgQuery__SelectStmt *query = query_of(insert);
	if (!query || query->larg || query->n_values_lists)
		return;
	for (size_t i = 0; i < query->n_target_list && i < insert->given_count; i++) {
		const PgQuery__ResTarget *target = query->target_list[i]->res_target;
		const char *type = written(insert, insert->given[i])->type;
		const PgQuery__Node *value = target->val;
		if (!value || target->location < 0 || !type)
			return;
		if (value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && value->column_ref->n_fields &&
		    value->column_ref->fields[value->column_ref->n_fields - 1]->node_case ==
			    PG_QUERY__NODE__NODE_A_STAR)
			return; /* places after it cannot be counted here */
		size_t at = token_at(a->tokens, (size_t)target->location);
		struct cell cell = { at, at };
		bool constant = value->node_case == PG_QUERY__NODE__NODE_A_CONST ||
				value->node_case == PG_QUERY__NODE__NODE_PARAM_REF;
		if (constant && at < a->end && is_simple(a, cell) && a->tokens->items[at].class != TOKEN_NUMBER)
			surround(a, cell, expression_cast_bare(a, slice_of("\1", 1), type));
	}
}

/* ---- computed columns ---- */

/* A written column that the statement does not give, as an expression; false: refused. */
static bool default_of(struct insert *insert, size_t column, const char **text_out)
{
	const char *text = sinks_default_text(insert->sinks, column);
	if (!text) {
		refuse(insert, arena_printf(insert->a->arena, "INSERT without column %s", written(insert, column)->name),
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
			append_output(insert, name, insert->sinks->expressions[p], names, values);
			continue;
		}
		if (column->from != SHAPE_COLUMN)
			continue;
		size_t w = sinks_written(shape, column->column);
		const char *text;
		if (is_provided(insert, w) || insert->sinks->consumed[w])
			append_output(insert, name, expression_column(a, row, column->column), names, values);
		else if (!column->generated && sinks_default(insert->sinks, w, &text) == SINK_DEFAULT_TEXT)
			append_output(insert, name, expression_cast_bare(a, slice_str(text), column->type), names, values);
	}
	return true;
}

/* The given columns, in their old types where a query gave them others; those that only say DEFAULT are gone. */
static void append_typed(const struct insert *insert, const char *inner, struct buf *text)
{
	for (size_t i = 0; i < insert->given_count; i++) {
		const struct shape_column *column = written(insert, insert->given[i]);
		struct slice value = expression_column(insert->a, inner, column->name);
		if (!is_provided(insert, insert->given[i]))
			continue;
		bool cast = insert->typed[insert->given[i]] && !is_rows(insert);
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
		name_append_quoted(&text, written(insert, insert->given[i])->name);
	}
	buf_append_str(&text, insert->given_count ? ")" : "");
	return kept(insert->a, &text);
}

/* Something between the rows and the expressions: casts of a query's columns, and defaults. */
static bool needs_middle(const struct insert *insert, const struct buf *defaults)
{
	bool any = defaults->len > 0;
	for (size_t i = 0; i < insert->given_count; i++)
		any = any || (insert->typed[insert->given[i]] && !is_rows(insert));
	return any;
}

static void splice_around(struct insert *insert, struct slice values, const char *row, struct buf *defaults)
{
	struct analysis *a = insert->a;
	size_t start = clause_offset(a, insert->source), end = clause_end_offset(a, insert->source_last);
	struct slice list = given_list(insert);
	char *before, *after;
	if (is_default_values(insert)) {
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
	splice_add(a->splices, start, 0, slice_str(before));
	splice_add(a->splices, end, 0, slice_str(after));
}

static bool refuse_row_length(struct insert *insert)
{
	size_t count = 0;
	if (is_default_values(insert) || (row_length(insert, &count) && count == insert->given_count))
		return false;
	if (count > insert->given_count)
		analysis_refuse(insert->a, insert->offset, "42601", "INSERT has more expressions than target columns");
	else if (count)
		analysis_refuse(insert->a, insert->offset, "42601", "INSERT has more target columns than expressions");
	else
		refuse(insert, "INSERT from this query", "How many columns the query yields cannot be told.");
	return true;
}

static void splice_computed(struct insert *insert)
{
	struct analysis *a = insert->a;
	const char *row = scope_fresh_alias(a);
	struct buf names, values, defaults;
	if (refuse_row_length(insert))
		return;
	if (is_rows(insert)) {
		for (size_t i = 0; i < insert->given_count; i++)
			insert->all_default[insert->given[i]] = true;
		each_cell(insert, note_value);
		if (!each_cell(insert, splice_cell))
			return;
	} else {
		splice_constants(insert);
	}
	buf_init(&names);
	buf_init(&values);
	buf_init(&defaults);
	if (append_outputs(insert, row, &names, &values) && append_defaults(insert, &defaults)) {
		if (names.len || !is_default_values(insert)) {
			splice_list(insert, kept(a, &names));
			splice_around(insert, kept(a, &values), row, &defaults);
		}
	}
	buf_deinit(&names);
	buf_deinit(&values);
	buf_deinit(&defaults);
}

/* ---- ON CONFLICT ---- */

static void splice_index_column(struct insert *insert, const PgQuery__IndexElem *element, size_t at)
{
	size_t column = sinks_written(insert->sinks->shape, element->name);
	if (column == insert->sinks->shape->written_count) {
		analysis_refuse(insert->a, clause_offset(insert->a, at), "42703", "column \"%s\" does not exist",
				element->name);
		return;
	}
	const struct shape_column *physical = partner(insert, column);
	if (!physical) {
		refuse(insert, "ON CONFLICT by a computed column", "No unique index stands behind a column that is computed.");
		return;
	}
	if (strcmp(physical->name, element->name) != 0)
		splice_add(insert->a->splices, clause_offset(insert->a, at), insert->a->tokens->items[at].len,
			   expression_column(insert->a, NULL, physical->name));
}

static void splice_conflict(struct insert *insert, const struct dml *dml)
{
	struct analysis *a = insert->a;
	const PgQuery__OnConflictClause *clause = insert->statement->on_conflict_clause;
	const PgQuery__InferClause *infer = clause->infer;
	if (infer && infer->conname[0] && insert->sinks->name->entry->kind == MAP_TRANSFORM) {
		refuse(insert, "ON CONFLICT ON CONSTRAINT", "Its constraints have other names in the table that holds the rows.");
		return;
	}
	size_t at = insert->source_last + 4; /* ON CONFLICT ( */
	for (size_t i = 0; infer && i < infer->n_index_elems && at < a->end; i++) {
		const PgQuery__IndexElem *element = infer->index_elems[i]->index_elem;
		if (element->name[0])
			splice_index_column(insert, element, at);
		at = clause_item_last(a, at) + 2;
	}
	if (clause->n_target_list)
		assign_splice(a, insert->sinks, dml->target, clause->target_list, clause->n_target_list);
}

void insert_splice(struct analysis *a, const struct sinks *sinks, const struct dml *dml)
{
	struct insert insert = { .a = a, .sinks = sinks, .statement = dml->node->insert_stmt, .target = dml->target,
				 .offset = clause_offset(a, dml->target->first) };
	find_parts(&insert);
	if (insert.source >= a->end || insert.source_last >= a->end) {
		refuse(&insert, "this INSERT", "Its parts cannot be found in the text.");
		return;
	}
	if (!give_columns(&insert))
		return;
	if (only_names_differ(&insert))
		splice_renamed(&insert);
	else
		splice_computed(&insert);
	if (insert.statement->on_conflict_clause)
		splice_conflict(&insert, dml);
}
