#include "rewrite/index_columns.h"

#include "rewrite/clauses.h"
#include "rewrite/expression.h"
#include "rewrite/targets.h"

/* The physical column that is the written one, whatever its type; NULL: none. */
static const struct shape_column *stored_as(const struct shape *shape, const char *written)
{
	for (size_t i = 0; i < shape->physical_count; i++) {
		if (shape->physical[i].from == SHAPE_COLUMN && strcmp(shape->physical[i].column, written) == 0)
			return &shape->physical[i];
	}
	return NULL;
}

static void splice_name(struct analysis *a, const struct range *range, const char *name, size_t at)
{
	if (!shape_written_column(range->shape, name)) {
		targets_refuse_unknown_name(a, range, name, clause_offset(a, at));
		return;
	}
	const struct shape_column *physical = stored_as(range->shape, name);
	if (!physical)
		targets_refuse_index(a, range, clause_offset(a, at));
	else if (strcmp(physical->name, name) != 0)
		splice_add(a->splices, clause_offset(a, at), a->tokens->items[at].len,
			   expression_column(a, NULL, physical->name));
}

void index_columns_name(struct analysis *a, const struct range *range, size_t at)
{
	char name[NAME_MAX_BYTES + 1];
	if (at >= a->end || !token_is_identifier(&a->tokens->items[at]))
		return;
	token_identifier(a->text, &a->tokens->items[at], name);
	splice_name(a, range, arena_strdup(a->arena, name), at);
}

void index_columns_splice(struct analysis *a, const struct range *range, PgQuery__Node *const *elements, size_t count,
			  size_t at)
{
	for (size_t i = 0; i < count && at < a->end && !a->refused; i++) {
		const PgQuery__IndexElem *element = elements[i]->index_elem;
		if (element->name[0])
			splice_name(a, range, element->name, at);
		at = clause_item_last(a, at) + 2;
	}
}
