/*
 * SET lists. An assignment to a column that is only renamed keeps its place.
 * Those to columns that others are computed from become one: the physical
 * columns are computed together from the new values and, where those do not
 * say, from the old row.
 */
#include "rewrite/clauses.h"
#include "rewrite/derived.h"
#include "rewrite/dml.h"
#include "rewrite/expression.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"

struct assignment {
	const PgQuery__ResTarget *target;
	size_t column;	    /* of the written ones */
	size_t name;	    /* token */
	size_t first, last; /* tokens of the value */
	bool collected;	    /* is part of the one that computes */
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

static bool is_default(const struct assignment *item)
{
	return item->target->val && item->target->val->node_case == PG_QUERY__NODE__NODE_SET_TO_DEFAULT;
}

static bool is_multiple(const struct assignment *item)
{
	return item->target->val && item->target->val->node_case == PG_QUERY__NODE__NODE_MULTI_ASSIGN_REF;
}

static void refuse(const struct set_list *set, const struct assignment *item, const char *why)
{
	const char *name = set->sinks->shape->written[item->column].name;
	targets_refuse(set->a, set->sinks->name, offset_of(set, item),
		       arena_printf(set->a->arena, "SET %s", name), why);
}

/* ---- reading the list ---- */

static bool read_item(struct set_list *set, const PgQuery__ResTarget *target, struct assignment *item)
{
	struct analysis *a = set->a;
	size_t name = target->location < 0 ? a->end : token_at(a->tokens, (size_t)target->location);
	*item = (struct assignment){ .target = target, .name = name };
	item->column = sinks_written(set->sinks->shape, target->name);
	if (name >= a->end) {
		targets_refuse(a, set->sinks->name, clause_offset(a, a->first), "this SET", "It cannot be found in the text.");
		return false;
	}
	if (item->column == set->sinks->shape->written_count) {
		targets_refuse_unknown(a, set->row, target->name, offset_of(set, item));
		return false;
	}
	if (is_multiple(item))
		return true;
	size_t equals = name;
	while (equals < a->end && !clause_is_mark(a, equals, "="))
		equals++;
	if (equals + 1 >= a->end) {
		refuse(set, item, "It cannot be found in the text.");
		return false;
	}
	item->first = equals + 1;
	item->last = clause_item_last(a, item->first);
	return true;
}

static bool classify(struct set_list *set, struct assignment *item)
{
	const struct sinks *sinks = set->sinks;
	size_t partner = sinks_partner(sinks, item->column);
	bool renamed = partner < sinks->shape->physical_count && !sinks->consumed[item->column];
	bool retyped = renamed && sinks->shape->physical[partner].retyped;
	item->collected = !renamed;
	if (sinks_is_lost(sinks, item->column)) {
		refuse(set, item, "The map has no column or expression that it goes to.");
		return false;
	}
	if ((item->collected || retyped) && is_multiple(item)) {
		refuse(set, item, "It is computed; give it an assignment of its own instead of one in a list.");
		return false;
	}
	if ((item->collected || retyped) && item->target->n_indirection) {
		refuse(set, item, "It is computed, so that no part of it can be assigned.");
		return false;
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
		splice_add(set->a->splices, clause_offset(set->a, item->first), strlen("default"), slice_str(text));
	return true;
}

static void splice_retyped(struct set_list *set, const struct assignment *item)
{
	struct analysis *a = set->a;
	size_t start = clause_offset(a, item->first), end = clause_end_offset(a, item->last);
	struct slice value = splice_extract(a->splices, a->text, start, end);
	splice_add(a->splices, start, end - start,
		   expression_assign(a, value, set->sinks->shape->written[item->column].type));
}

static void splice_renamed(struct set_list *set, const struct assignment *item)
{
	struct analysis *a = set->a;
	const struct shape_column *physical = &set->sinks->shape->physical[sinks_partner(set->sinks, item->column)];
	if (strcmp(physical->name, item->target->name) != 0)
		splice_add(a->splices, offset_of(set, item), a->tokens->items[item->name].len,
			   expression_column(a, NULL, physical->name));
	if (is_default(item))
		splice_default(set, item);
	else if (physical->retyped && !is_multiple(item))
		splice_retyped(set, item);
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

static bool value_of(struct set_list *set, const struct assignment *item, struct slice *text_out)
{
	struct analysis *a = set->a;
	const char *type = set->sinks->shape->written[item->column].type;
	size_t start = clause_offset(a, item->first), end = clause_end_offset(a, item->last);
	struct slice value = splice_extract(a->splices, a->text, start, end);
	if (is_default(item)) {
		const char *text = sinks_default_text(set->sinks, item->column);
		if (!text) {
			refuse(set, item, "Its default is not known.");
			return false;
		}
		value = slice_str(text);
	}
	*text_out = expression_assign(a, value, type);
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
		else if (shape->physical[p].from == SHAPE_EXPRESSION)
			buf_append_slice(text, set->sinks->expressions[p]);
		else
			buf_append_slice(text, expression_column(set->a, row, shape->physical[p].column));
	}
}

/* The first collected assignment gives its place to all of them; the others go, with the commas before them. */
static void splice_computed(struct set_list *set, struct slice text)
{
	struct analysis *a = set->a;
	bool placed = false;
	for (size_t i = 0; i < set->count; i++) {
		const struct assignment *item = &set->items[i];
		if (!item->collected)
			continue;
		size_t start = clause_offset(a, placed ? item->name - 1 : item->name);
		size_t len = clause_end_offset(a, item->last) - start;
		splice_add(a->splices, start, len, placed ? slice_of("", 0) : text);
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
	if (choose(set, outputs, inputs) == 0) {
		refuse(set, first, "Nothing of it is kept in the table that holds the rows.");
		return;
	}
	buf_init(&text);
	buf_append_byte(&text, '(');
	append_outputs(set, outputs, true, row, &text);
	buf_append_str(&text, ") = (SELECT ");
	append_outputs(set, outputs, false, row, &text);
	buf_append_str(&text, " FROM (SELECT ");
	if (append_inputs(set, inputs, &text)) {
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
		if (item->collected && !first_collected)
			first_collected = item;
	}
	for (size_t i = 0; i < count; i++) {
		if (!set.items[i].collected)
			splice_renamed(&set, &set.items[i]);
	}
	if (first_collected)
		compute(&set, first_collected);
}
