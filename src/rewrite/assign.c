/*
 * SET lists. An assignment to a column that is only renamed keeps its place.
 * Those to columns that others are computed from become one: the physical
 * columns are computed together from the new values and, where those do not
 * say, from the old row.
 *
 * `(a, b) = ROW(…)` and `(a, b) = (SELECT …)` stay as they are while all of
 * their columns are only renamed; else all of them are computed.
 */
#include "rewrite/cells.h"
#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/derived.h"
#include "rewrite/dml.h"
#include "rewrite/expression.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"

/* A list of columns that are assigned together. */
struct group {
	size_t first, last;	/* tokens: from the parenthesis to the end of the value */
	size_t source;		/* first token of the value */
	const PgQuery__Node *value; /* a ROW or a query; anything else is the server's to refuse */
	size_t count;
	bool computed;
	const char *alias;	/* of the query, and of its columns, once it is computed */
	const char **columns;
};

struct assignment {
	const PgQuery__ResTarget *target;
	size_t column;	    /* of the written ones */
	size_t name;	    /* token */
	struct group *group; /* NULL: it stands alone */
	size_t place;	    /* in the group */
	struct cell value;  /* nothing where the group's is a query */
	bool is_default;
	bool collected; /* is part of the one that computes */
};

struct set_list {
	struct analysis *a;
	const struct sinks *sinks;
	const struct range *row;
	struct assignment *items;
	size_t count;
};

static size_t offset_of(const struct set_list *set, const struct assignment *item)
{
	return clause_offset(set->a, item->name);
}

static void refuse(const struct set_list *set, const struct assignment *item, const char *why)
{
	const char *name = set->sinks->shape->written[item->column].name;
	targets_refuse(set->a, set->sinks->name, offset_of(set, item),
		       arena_printf(set->a->arena, "SET %s", name), why);
}

static const struct shape_column *written(const struct set_list *set, const struct assignment *item)
{
	return &set->sinks->shape->written[item->column];
}

/* NULL: none is this column. */
static const struct shape_column *partner(const struct set_list *set, const struct assignment *item)
{
	size_t p = sinks_partner(set->sinks, item->column);
	return p < set->sinks->shape->physical_count ? &set->sinks->shape->physical[p] : NULL;
}

/* ---- reading the list ---- */

static const PgQuery__MultiAssignRef *multiple(const PgQuery__ResTarget *target)
{
	return target->val && target->val->node_case == PG_QUERY__NODE__NODE_MULTI_ASSIGN_REF ?
		       target->val->multi_assign_ref : NULL;
}

static bool is_query(const struct group *group)
{
	return group->value && group->value->node_case == PG_QUERY__NODE__NODE_SUB_LINK;
}

static bool is_row(const struct group *group)
{
	return group->value && group->value->node_case == PG_QUERY__NODE__NODE_ROW_EXPR;
}

static bool read_group(struct set_list *set, const PgQuery__MultiAssignRef *ref, size_t name, struct group *group)
{
	struct analysis *a = set->a;
	size_t close = name > a->first && clause_is_mark(a, name - 1, "(") ? clause_close(a, name - 1) : a->end;
	*group = (struct group){ .first = name - 1, .source = close + 2, .value = ref->source, .count = (size_t)ref->ncolumns };
	if (close + 2 >= a->end || !clause_is_mark(a, close + 1, "="))
		return false;
	group->last = clause_item_last(a, group->source);
	return true;
}

/* The values of a ROW, around which there may be more parentheses. */
static bool find_cell(const struct set_list *set, const struct group *group, size_t place, struct cell *cell_out)
{
	const struct analysis *a = set->a;
	for (size_t open = group->source; open < group->last; open++) {
		open += clause_is_word(a, open, "row");
		if (!clause_is_mark(a, open, "("))
			return false;
		size_t close = clause_close(a, open), count = 0;
		struct cell cell = { open, open - 1 };
		for (size_t at = open + 1; cell_next(a, at, close, &cell); at = cell.last + 2) {
			if (count++ == place)
				*cell_out = cell;
		}
		if (count == group->count)
			return true;
	}
	return false;
}

static bool read_in_group(struct set_list *set, struct assignment *item, const PgQuery__MultiAssignRef *ref)
{
	struct analysis *a = set->a;
	item->place = (size_t)ref->colno - 1;
	if (ref->colno == 1) {
		item->group = ARENA_NEW(a->arena, struct group);
		if (!read_group(set, ref, item->name, item->group))
			return false;
	} else {
		item->group = item > set->items ? item[-1].group : NULL;
		if (!item->group)
			return false;
	}
	if (!is_row(item->group))
		return true;
	const PgQuery__RowExpr *row = item->group->value->row_expr;
	if (row->n_args != item->group->count) {
		item->group->value = NULL;
		return true;
	}
	item->is_default = row->args[item->place]->node_case == PG_QUERY__NODE__NODE_SET_TO_DEFAULT;
	return find_cell(set, item->group, item->place, &item->value);
}

static bool read_alone(struct set_list *set, struct assignment *item)
{
	struct analysis *a = set->a;
	size_t equals = item->name;
	while (equals < a->end && !clause_is_mark(a, equals, "="))
		equals++;
	if (equals + 1 >= a->end)
		return false;
	item->value = (struct cell){ equals + 1, clause_item_last(a, equals + 1) };
	item->is_default = item->target->val && item->target->val->node_case == PG_QUERY__NODE__NODE_SET_TO_DEFAULT;
	return true;
}

static bool read_item(struct set_list *set, const PgQuery__ResTarget *target, struct assignment *item)
{
	struct analysis *a = set->a;
	size_t name = target->location < 0 ? a->end : token_at(a->tokens, (size_t)target->location);
	const PgQuery__MultiAssignRef *ref = multiple(target);
	*item = (struct assignment){ .target = target, .name = name };
	item->column = sinks_written(set->sinks->shape, target->name);
	if (name < a->end && item->column == set->sinks->shape->written_count) {
		targets_refuse_unknown(a, set->row, target->name, offset_of(set, item));
		return false;
	}
	if (name < a->end && (ref ? read_in_group(set, item, ref) : read_alone(set, item)))
		return true;
	targets_refuse(a, set->sinks->name, clause_offset(a, a->first), "this SET", "It cannot be found in the text.");
	return false;
}

static bool classify(struct set_list *set, struct assignment *item)
{
	const struct shape_column *physical = partner(set, item);
	bool renamed = physical && !set->sinks->consumed[item->column];
	bool retyped = renamed && physical->retyped;
	item->collected = !renamed || (retyped && item->group);
	if (sinks_is_lost(set->sinks, item->column)) {
		refuse(set, item, "The map has no column or expression that it goes to.");
		return false;
	}
	if ((item->collected || retyped) && item->target->n_indirection) {
		refuse(set, item, "It is computed, so that no part of it can be assigned.");
		return false;
	}
	if (item->group && item->collected)
		item->group->computed = true;
	return true;
}

/* One computed column makes all of its list computed. */
static bool collect_groups(struct set_list *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct assignment *item = &set->items[i];
		if (!item->group || !item->group->computed)
			continue;
		if (item->target->n_indirection || (!is_row(item->group) && !is_query(item->group))) {
			refuse(set, item, "It stands in a list with a computed column, and no value of its own can be told.");
			return false;
		}
		item->collected = true;
	}
	return true;
}

/* ---- columns that are only renamed ---- */

static bool splice_default(struct set_list *set, const struct assignment *item)
{
	const char *text = NULL;
	enum sink_default what = sinks_default(set->sinks, item->column, &text);
	if (what == SINK_DEFAULT_UNKNOWN) {
		refuse(set, item, "Its default is not known.");
		return false;
	}
	if (what == SINK_DEFAULT_TEXT)
		splice_add(set->a->splices, clause_offset(set->a, item->value.first), strlen("default"), slice_str(text));
	return true;
}

static void splice_renamed(struct set_list *set, const struct assignment *item)
{
	struct analysis *a = set->a;
	const struct shape_column *physical = partner(set, item);
	if (strcmp(physical->name, item->target->name) != 0)
		splice_add(a->splices, offset_of(set, item), a->tokens->items[item->name].len,
			   expression_column(a, NULL, physical->name));
	if (item->is_default)
		splice_default(set, item);
	else if (physical->retyped)
		cell_surround(a, item->value,
			      expression_retype(a, cell_checked(a, item->value, slice_str(CELL_MARK), written(set, item)->type),
						written(set, item)->type, physical->type));
}

/* ---- columns that are computed ---- */

/* Which physical columns must be computed anew, and which written ones that takes. */
static size_t choose(const struct set_list *set, bool *outputs, bool *inputs)
{
	const struct sinks *sinks = set->sinks;
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++)
		inputs[set->items[i].column] = inputs[set->items[i].column] || set->items[i].collected;
	for (size_t p = 0; p < sinks->shape->physical_count; p++) {
		for (size_t i = 0; i < set->count && !outputs[p]; i++) {
			const struct assignment *item = &set->items[i];
			outputs[p] = item->collected && (sinks_partner(sinks, item->column) == p ||
							 (sinks->uses[p] && sinks->uses[p][item->column]));
		}
		count += outputs[p];
		for (size_t w = 0; outputs[p] && sinks->uses[p] && w < sinks->shape->written_count; w++)
			inputs[w] = inputs[w] || sinks->uses[p][w];
	}
	return count;
}

/* The new value of a column; a query's is a column of the query. */
static struct slice text_of(struct set_list *set, const struct assignment *item)
{
	struct analysis *a = set->a;
	if (item->group && is_query(item->group)) {
		const PgQuery__Node *query = item->group->value->sub_link->subselect;
		struct slice column = expression_column(a, item->group->alias, item->group->columns[item->place]);
		return query && query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT
			       ? cell_of_query(a, query->select_stmt, item->place, column) : column;
	}
	return splice_move(a->splices, clause_offset(a, item->value.first), clause_end_offset(a, item->value.last));
}

static bool value_of(struct set_list *set, const struct assignment *item, struct slice *text_out)
{
	const char *type = written(set, item)->type;
	struct slice value;
	if (item->is_default) {
		const char *text = sinks_default_text(set->sinks, item->column);
		if (!text) {
			refuse(set, item, "Its default is not known.");
			return false;
		}
		value = slice_str(text);
	} else {
		value = text_of(set, item);
		value = item->group && is_query(item->group) ? expression_checked(set->a, value, type)
							     : cell_checked(set->a, item->value, value, type);
	}
	*text_out = expression_assign(set->a, value, type);
	return true;
}

/* The row that expressions are computed from: new values, and old ones as they are read. */
static bool append_inputs(struct set_list *set, const bool *inputs, struct buf *text)
{
	const struct shape *shape = set->sinks->shape;
	bool first = true;
	for (size_t w = 0; w < shape->written_count; w++) {
		const struct assignment *item = NULL;
		struct slice value;
		if (!inputs[w])
			continue;
		for (size_t i = 0; i < set->count; i++)
			item = set->items[i].column == w ? &set->items[i] : item;
		if (item) {
			if (!value_of(set, item, &value))
				return false;
		} else if (shape->written[w].from == SHAPE_NOTHING) {
			derived_refuse_missing(set->a, set->sinks->name, shape->written[w].name,
					       clause_offset(set->a, set->items[0].name));
			return false;
		} else if (!expression_read(set->a, shape, &shape->written[w], scope_name_after(set->row),
					    clause_offset(set->a, set->items[0].name), &value)) {
			return false;
		}
		buf_append_str(text, first ? "" : ", ");
		buf_append_slice(text, value);
		buf_append_str(text, " AS ");
		name_append_quoted(text, shape->written[w].name);
		first = false;
	}
	return true;
}

static void append_outputs(const struct set_list *set, const bool *outputs, bool names, const char *row,
			   struct buf *text)
{
	const struct shape *shape = set->sinks->shape;
	bool first = true;
	for (size_t p = 0; p < shape->physical_count; p++) {
		if (!outputs[p])
			continue;
		buf_append_str(text, first ? "" : ", ");
		first = false;
		if (names)
			name_append_quoted(text, shape->physical[p].name);
		else
			buf_append_slice(text, sinks_value(set->a, set->sinks, p, row));
	}
}

/* Queries that give values: a row of NULLs where they yield none, and the server's error where they yield several. */
static void append_queries(struct set_list *set, struct buf *text)
{
	struct analysis *a = set->a;
	bool any = false;
	for (size_t i = 0; i < set->count; i++) {
		const struct assignment *item = &set->items[i];
		const struct group *group = item->group;
		if (!group || !group->computed || !is_query(group) || item->place != 0)
			continue;
		if (!any)
			buf_printf(text, " FROM (SELECT) AS %s", scope_fresh_alias(a));
		any = true;
		struct slice query = splice_move(a->splices, clause_offset(a, group->source), clause_end_offset(a, group->last));
		buf_printf(text, " LEFT JOIN %.*s AS %s(", (int)query.len, query.data, group->alias);
		for (size_t k = 0; k < group->count; k++)
			buf_printf(text, "%s%s", k ? ", " : "", group->columns[k]);
		buf_append_str(text, ") ON true");
	}
}

static void name_queries(struct set_list *set)
{
	struct analysis *a = set->a;
	for (size_t i = 0; i < set->count; i++) {
		struct group *group = set->items[i].group;
		if (!group || !group->computed || !is_query(group) || group->alias)
			continue;
		group->alias = scope_fresh_alias(a);
		group->columns = ARENA_ARRAY(a->arena, group->count, const char *);
		for (size_t k = 0; k < group->count; k++)
			group->columns[k] = scope_fresh_alias(a);
	}
}

/* The server tells it of the query itself; inside of another one it would say something else. */
static bool refuse_widths(struct set_list *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct group *group = set->items[i].group;
		const PgQuery__SubLink *link = group && group->computed && is_query(group) ? group->value->sub_link : NULL;
		size_t count;
		if (!link || link->sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK ||
		    link->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT ||
		    !columns_count(set->a, link->subselect->select_stmt, &count) || count == group->count)
			continue;
		analysis_refuse(set->a, clause_offset(set->a, group->source), "42601",
				"number of columns does not match number of values");
		return true;
	}
	return false;
}

/* The first collected assignment gives its place to all of them; the others go, with the commas before them. */
static void splice_computed(struct set_list *set, struct slice text)
{
	struct analysis *a = set->a;
	bool placed = false;
	for (size_t i = 0; i < set->count; i++) {
		const struct assignment *item = &set->items[i];
		if (!item->collected || (item->group && item->place != 0))
			continue;
		size_t first = item->group ? item->group->first : item->name;
		size_t last = item->group ? item->group->last : item->value.last;
		size_t start = clause_offset(a, placed ? first - 1 : first);
		size_t len = clause_end_offset(a, last) - start;
		/* What is left inside of it: names of the list. What is added right before the comma is the last item's. */
		splice_drop(a->splices, start + placed, start + len);
		splice_add_moving(a->splices, start, len, placed ? slice_of("", 0) : text);
		placed = true;
	}
}

static void compute(struct set_list *set, const struct assignment *first)
{
	struct analysis *a = set->a;
	bool *outputs = ARENA_ARRAY(a->arena, set->sinks->shape->physical_count, bool);
	bool *inputs = ARENA_ARRAY(a->arena, set->sinks->shape->written_count, bool);
	const char *row = scope_fresh_alias(a);
	struct buf text;
	if (refuse_widths(set))
		return;
	if (choose(set, outputs, inputs) == 0) {
		refuse(set, first, "Nothing of it is kept in the table that holds the rows.");
		return;
	}
	name_queries(set);
	buf_init(&text);
	buf_append_byte(&text, '(');
	append_outputs(set, outputs, true, row, &text);
	buf_append_str(&text, ") = (SELECT ");
	append_outputs(set, outputs, false, row, &text);
	buf_append_str(&text, " FROM (SELECT ");
	if (append_inputs(set, inputs, &text)) {
		append_queries(set, &text);
		buf_printf(&text, " OFFSET 0) AS %s)", row);
		splice_computed(set, slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	}
	buf_deinit(&text);
}

void assign_splice(struct analysis *a, const struct sinks *sinks, const struct range *target,
		   PgQuery__Node *const *targets, size_t count)
{
	struct set_list set = { a, sinks, target, ARENA_ARRAY(a->arena, count, struct assignment), count };
	const struct assignment *first_collected = NULL;
	for (size_t i = 0; i < count; i++) {
		struct assignment *item = &set.items[i];
		if (!read_item(&set, targets[i]->res_target, item) || !classify(&set, item))
			return;
		for (size_t k = 0; k < i; k++) {
			if (set.items[k].column == item->column) {
				analysis_refuse(a, offset_of(&set, item), "42601",
						"multiple assignments to same column \"%s\"", item->target->name);
				return;
			}
		}
	}
	if (!collect_groups(&set))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!set.items[i].collected)
			splice_renamed(&set, &set.items[i]);
		else if (!first_collected)
			first_collected = &set.items[i];
	}
	if (first_collected)
		compute(&set, first_collected);
}
