/* INSERT ... VALUES into a table whose columns differ: each cell is taken to where its value belongs. */
#include "rewrite/insert.h"

#include "rewrite/cells.h"
#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/expression.h"

/* ---- rows of values ---- */

typedef bool cell_fn(struct insert *insert, size_t column, struct cell cell, bool only_row);

static bool each_cell(struct insert *insert, cell_fn *visit)
{
	const struct analysis *a = insert->a;
	bool only_row = insert_query(insert)->n_values_lists == 1;
	for (size_t row = insert->source + 1; row < insert->source_last; row += 2) {
		size_t close = clause_close(a, row), at = row + 1;
		only_row = only_row && close == insert->source_last;
		struct cell cell;
		for (size_t i = 0; i < insert->given_count && cell_next(a, at, close, &cell); i++) {
			if (!visit(insert, insert->given[i], cell, only_row))
				return false;
			at = cell.last + 2;
		}
		row = close;
	}
	return true;
}

static bool note_value(struct insert *insert, size_t column, struct cell cell, bool only_row)
{
	if (!cell_is_default(insert->a, cell))
		insert->all_default[column] = false;
	return true;
}

static bool splice_default_cell(struct insert *insert, size_t column, struct cell cell)
{
	const char *text = insert->all_default[column] ? "NULL" : sinks_default_text(insert->sinks, column);
	if (!text) {
		insert_refuse(insert, "DEFAULT beside values", "The default of the column cannot be written as an expression.");
		return false;
	}
	struct slice value = expression_cast_bare(insert->a, slice_str(text), insert_written(insert, column)->type);
	size_t start = clause_offset(insert->a, cell.first);
	splice_add(insert->a->splices, start, clause_end_offset(insert->a, cell.last) - start, value);
	return true;
}

static bool splice_cell(struct insert *insert, size_t column, struct cell cell, bool only_row)
{
	struct analysis *a = insert->a;
	const char *type = insert_written(insert, column)->type;
	if (cell_is_default(insert->a, cell))
		return splice_default_cell(insert, column, cell);
	if (!type || (only_row && !insert->typed[column] && !cell_is_simple(a, cell)))
		return true;
	struct slice mark = cell_checked(a, cell, slice_str(CELL_MARK), type);
	cell_surround(a, cell, insert->typed[column] ? expression_assign(a, mark, type) : expression_cast_bare(a, mark, type));
	return true;
}

/* ---- a query ---- */

/* The token of a constant or a parameter; a->end: it is neither. */
static size_t constant_token(const struct analysis *a, const PgQuery__Node *value)
{
	int32_t location = value->node_case == PG_QUERY__NODE__NODE_A_CONST	  ? value->a_const->location :
			   value->node_case == PG_QUERY__NODE__NODE_PARAM_REF ? value->param_ref->location :
										-1;
	return location < 0 ? a->end : token_at(a->tokens, (size_t)location);
}

static bool has_constant(const PgQuery__SelectStmt *query, size_t from)
{
	for (size_t i = from; i < query->n_target_list; i++) {
		const PgQuery__Node *value = query->target_list[i]->res_target->val;
		if (!value || value->node_case == PG_QUERY__NODE__NODE_PARAM_REF ||
		    (value->node_case == PG_QUERY__NODE__NODE_A_CONST &&
		     value->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL &&
		     value->a_const->val_case != PG_QUERY__A__CONST__VAL_FVAL))
			return true;
	}
	return false;
}

/* Constants in its select list have no type of their own either. Of a set operation, and of VALUES with
 * clauses, they are text for the server, too. */
static void splice_constants(struct insert *insert)
{
	struct analysis *a = insert->a;
	const PgQuery__SelectStmt *query = insert_query(insert);
	insert->sure_count = insert->given_count;
	if (!query || query->larg || query->n_values_lists)
		return;
	insert->sure_count = 0;
	for (size_t i = 0; i < query->n_target_list && i < insert->given_count; i++) {
		const PgQuery__ResTarget *target = query->target_list[i]->res_target;
		const char *type = insert_written(insert, insert->given[i])->type;
		const PgQuery__Node *value = target->val;
		if (!value || target->location < 0 || !type)
			return;
		if (value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && columns_ref_is_star(value->column_ref)) {
			if (!has_constant(query, i + 1))
				insert->sure_count = insert->given_count;
			return; /* places after it cannot be counted here */
		}
		size_t at = constant_token(a, value);
		struct cell cell = { at, at };
		if (at < a->end && cell_is_simple(a, cell) && a->tokens->items[at].class != TOKEN_NUMBER)
			cell_surround(a, cell, expression_cast_bare(a, slice_str(CELL_MARK), type));
		insert->sure_count++;
	}
}

bool insert_splice_rows(struct insert *insert)
{
	if (!insert_is_rows(insert)) {
		splice_constants(insert);
		return true;
	}
	return each_cell(insert, splice_cell);
}

void insert_note_defaults(struct insert *insert)
{
	if (!insert_is_rows(insert))
		return;
	for (size_t i = 0; i < insert->given_count; i++)
		insert->all_default[insert->given[i]] = true;
	each_cell(insert, note_value);
}
