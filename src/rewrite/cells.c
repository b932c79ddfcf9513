#include "rewrite/cells.h"

#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/expression.h"

bool cell_next(const struct analysis *a, size_t at, size_t close, struct cell *cell_out)
{
	if (at >= close)
		return false;
	size_t i = at;
	while (i < close && !clause_is_mark(a, i, ","))
		i = clause_is_mark(a, i, "(") || clause_is_mark(a, i, "[") ? clause_close(a, i) + 1 : i + 1;
	*cell_out = (struct cell){ at, i - 1 };
	return i > at;
}

bool cell_is_default(const struct analysis *a, struct cell cell)
{
	return cell.first == cell.last && clause_is_word(a, cell.first, "default");
}

bool cell_is_simple(const struct analysis *a, struct cell cell)
{
	const struct token *token = &a->tokens->items[cell.first];
	return cell.first == cell.last && (token_is_literal(token) || token->class == TOKEN_PARAM ||
					   token_is_word(a->text, token, "null"));
}

struct slice cell_of_query(struct analysis *a, const PgQuery__SelectStmt *query, size_t index, struct slice text)
{
	while (query->larg)
		query = query->larg;
	for (size_t i = 0; i < query->n_target_list; i++) {
		const PgQuery__ResTarget *target = query->target_list[i]->res_target;
		bool star = target->val && target->val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
			    columns_ref_is_star(target->val->column_ref);
		if (star && i + 1 < query->n_target_list)
			return text; /* what stands behind it cannot be counted here */
		if ((star || i == index) && target->location >= 0)
			return splice_stand_in(a->splices, (size_t)target->location, text);
	}
	return text;
}

static bool is_number(const struct analysis *a, struct cell cell)
{
	size_t first = cell.first + (clause_is_mark(a, cell.first, "-") || clause_is_mark(a, cell.first, "+"));
	return first == cell.last && a->tokens->items[first].class == TOKEN_NUMBER;
}

struct slice cell_checked(struct analysis *a, struct cell cell, struct slice value, const char *type)
{
	if (is_number(a, cell) ? type && expression_is_number(type) : cell_is_simple(a, cell))
		return value;
	return expression_checked(a, value, type);
}

void cell_surround(struct analysis *a, struct cell cell, struct slice with)
{
	const char *mark = memchr(with.data, *CELL_MARK, with.len);
	size_t before = (size_t)(mark - with.data);
	size_t start = clause_offset(a, cell.first), end = clause_end_offset(a, cell.last);
	splice_add(a->splices, start, 0, slice_of(with.data, before));
	splice_add(a->splices, end, 0, slice_of(mark + 1, with.len - before - 1));
}
