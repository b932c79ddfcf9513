#include "rewrite/insert.h"

#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/expression.h"
#include "rewrite/index_columns.h"
#include "rewrite/targets.h"

void insert_refuse(const struct insert *insert, const char *what, const char *why)
{
	targets_refuse(insert->a, insert->sinks->name, insert->offset, what, why);
}

const struct shape_column *insert_written(const struct insert *insert, size_t column)
{
	return &insert->sinks->shape->written[column];
}

const struct shape_column *insert_partner(const struct insert *insert, size_t column)
{
	size_t p = sinks_partner(insert->sinks, column);
	return p < insert->sinks->shape->physical_count ? &insert->sinks->shape->physical[p] : NULL;
}

/* ---- the parts of the statement ---- */

bool insert_has_no_values(const struct insert *insert)
{
	return !insert->statement->select_stmt;
}

const PgQuery__SelectStmt *insert_query(const struct insert *insert)
{
	const PgQuery__Node *node = insert->statement->select_stmt;
	return node && node->node_case == PG_QUERY__NODE__NODE_SELECT_STMT ? node->select_stmt : NULL;
}

bool insert_is_rows(const struct insert *insert)
{
	const PgQuery__SelectStmt *query = insert_query(insert);
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

bool insert_row_length(const struct insert *insert, size_t *count_out)
{
	const PgQuery__SelectStmt *query = insert_query(insert);
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
	if (insert_has_no_values(insert))
		return true;
	if (!insert_row_length(insert, &count)) {
		insert_refuse(insert, "INSERT without a column list", "How many columns the query yields cannot be told.");
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
			insert_refuse(insert, "INSERT into a part of a column", "Only whole columns are rewritten.");
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
	insert_note_defaults(insert);
	for (size_t i = 0; i < insert->given_count; i++) {
		size_t column = insert->given[i];
		insert->is_given[column] = true;
		if (sinks_is_lost(insert->sinks, column) && !insert->all_default[column]) {
			insert_refuse(insert, arena_printf(insert->a->arena, "INSERT of column %s", insert_written(insert, column)->name),
			       "The map has no column or expression that it goes to.");
			return false;
		}
	}
	for (size_t w = 0; w < count; w++)
		insert->typed[w] = insert->sinks->consumed[w] || !insert_partner(insert, w) || insert_partner(insert, w)->retyped;
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
		if (insert_partner(insert, w) && sinks_default(insert->sinks, w, &text) != SINK_DEFAULT_SAME)
			return false;
	}
	return true;
}

static void append_physical_name(const struct insert *insert, size_t column, struct buf *text)
{
	buf_append_str(text, text->len ? ", " : "");
	name_append_quoted(text, insert_partner(insert, column)->name);
}

void insert_splice_list(const struct insert *insert, struct slice names)
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
		const char *name = insert_partner(insert, insert->given[i])->name;
		size_t at = token_at(a->tokens, (size_t)column->location);
		if (strcmp(name, column->name) != 0)
			splice_add(a->splices, clause_offset(a, at), a->tokens->items[at].len,
				   expression_column(a, NULL, name));
	}
	if (insert->statement->n_cols || insert_has_no_values(insert))
		return;
	buf_init(&text);
	for (size_t i = 0; i < insert->given_count; i++)
		append_physical_name(insert, insert->given[i], &text);
	insert_splice_list(insert, slice_of(arena_copy(a->arena, text.data ? text.data : "", text.len), text.len));
	buf_deinit(&text);
}

/* ---- ON CONFLICT ---- */

/* A unique constraint of the table that was written is its columns, wherever the rows are. */
static void splice_constraint(const struct insert *insert, const char *constraint)
{
	struct analysis *a = insert->a;
	size_t on = insert->source_last + 3; /* ON CONFLICT ON CONSTRAINT name */
	const struct fact_constraint *key = facts_key(a->ruleset->facts, insert->sinks->name->written, constraint);
	struct buf text;
	if (!key || !clause_is_word(a, on + 1, "constraint") || on + 2 >= a->end) {
		insert_refuse(insert, "ON CONFLICT ON CONSTRAINT", "Its constraints have other names in the table that holds the rows.");
		return;
	}
	buf_init(&text);
	for (size_t i = 0; i < key->column_count && !a->refused; i++) {
		size_t column = sinks_written(insert->sinks->shape, key->columns[i]);
		if (column == insert->sinks->shape->written_count || !insert_partner(insert, column))
			targets_refuse_index(a, insert->target, clause_offset(a, on + 2));
		else
			append_physical_name(insert, column, &text);
	}
	if (!a->refused)
		splice_add(a->splices, clause_offset(a, on), clause_end_offset(a, on + 2) - clause_offset(a, on),
			   slice_str(arena_printf(a->arena, "(%.*s)", (int)text.len, text.data)));
	buf_deinit(&text);
}

static void splice_conflict(struct insert *insert, const struct dml *dml)
{
	struct analysis *a = insert->a;
	const PgQuery__OnConflictClause *clause = insert->statement->on_conflict_clause;
	const PgQuery__InferClause *infer = clause->infer;
	if (infer && infer->conname[0] && insert->sinks->name->entry->kind == MAP_TRANSFORM)
		splice_constraint(insert, infer->conname);
	else if (infer) /* ON CONFLICT ( */
		index_columns_splice(a, insert->target, infer->index_elems, infer->n_index_elems, insert->source_last + 4);
	if (clause->n_target_list)
		assign_splice(a, insert->sinks, dml->target, clause->target_list, clause->n_target_list);
}

void insert_splice(struct analysis *a, const struct sinks *sinks, const struct dml *dml)
{
	struct insert insert = { .a = a, .sinks = sinks, .statement = dml->node->insert_stmt, .target = dml->target,
				 .offset = clause_offset(a, dml->target->first) };
	find_parts(&insert);
	if (insert.source >= a->end || insert.source_last >= a->end) {
		insert_refuse(&insert, "this INSERT", "Its parts cannot be found in the text.");
		return;
	}
	if (!give_columns(&insert))
		return;
	if (only_names_differ(&insert))
		splice_renamed(&insert);
	else
		insert_splice_computed(&insert);
	if (insert.statement->on_conflict_clause)
		splice_conflict(&insert, dml);
}
