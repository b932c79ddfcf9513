/*
 * MERGE. Its INSERT sees the source row alone and has no FROM: a computed
 * column is given by a query of its own over the values it is computed from.
 */
#include "rewrite/cells.h"
#include "rewrite/clauses.h"
#include "rewrite/dml.h"
#include "rewrite/expression.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"

/* A written column that the action gives. */
struct given {
	bool is_given, is_default;
	struct cell value;
	size_t times; /* that the value stands in the new text */
};

struct action {
	struct analysis *a;
	const struct sinks *sinks;
	const struct dml *dml;
	const PgQuery__MergeWhenClause *clause;
	size_t insert;		/* the word INSERT */
	size_t open, close;	/* of the column list; 0: none */
	size_t values, last;	/* of VALUES: the parenthesis, or DEFAULT; the end */
	struct given *given;	/* by written column */
};

static void refuse(const struct action *action, const char *why)
{
	targets_refuse(action->a, action->sinks->name, clause_offset(action->a, action->insert), "INSERT in MERGE", why);
}

static size_t written_count(const struct action *action)
{
	return action->sinks->shape->written_count;
}

/* ---- reading the action ---- */

static bool find_parts(struct action *action)
{
	const struct analysis *a = action->a;
	size_t at = action->insert + 1;
	if (action->clause->n_target_list) {
		action->open = at;
		action->close = clause_close(a, at);
		at = action->close + 1;
	}
	if (clause_is_word(a, at, "overriding"))
		at += 3;
	if (clause_is_word(a, at, "default")) {
		action->values = at;
		action->last = at + 1;
	} else {
		action->values = at + 1;
		action->last = clause_is_mark(a, at + 1, "(") ? clause_close(a, at + 1) : a->end;
	}
	return action->last < a->end;
}

/* The written column that the value at index is for; their count when there is none. */
static size_t column_at(const struct action *action, size_t index)
{
	const PgQuery__MergeWhenClause *clause = action->clause;
	if (!clause->n_target_list)
		return index < written_count(action) ? index : written_count(action);
	return index < clause->n_target_list ?
		       sinks_written(action->sinks->shape, clause->target_list[index]->res_target->name) :
		       written_count(action);
}

static bool check_columns(const struct action *action)
{
	for (size_t i = 0; i < action->clause->n_target_list; i++) {
		const PgQuery__ResTarget *target = action->clause->target_list[i]->res_target;
		size_t at = target->location < 0 ? action->a->end : token_at(action->a->tokens, (size_t)target->location);
		if (column_at(action, i) == written_count(action)) {
			targets_refuse_unknown(action->a, action->dml->target, target->name, clause_offset(action->a, at));
			return false;
		}
		if (target->n_indirection) {
			refuse(action, "Only whole columns are rewritten.");
			return false;
		}
	}
	return true;
}

static bool give(struct action *action)
{
	const PgQuery__MergeWhenClause *clause = action->clause;
	size_t named = clause->n_target_list ? clause->n_target_list : written_count(action);
	action->given = ARENA_ARRAY(action->a->arena, written_count(action), struct given);
	if (clause->n_values > named || (clause->n_target_list && clause->n_values && clause->n_values < named)) {
		analysis_refuse(action->a, clause_offset(action->a, action->insert), "42601", "INSERT has more %s",
				clause->n_values > named ? "expressions than target columns" : "target columns than expressions");
		return false;
	}
	struct cell cell;
	size_t at = action->values + 1;
	for (size_t i = 0; i < clause->n_values && cell_next(action->a, at, action->last, &cell); i++, at = cell.last + 2) {
		size_t column = column_at(action, i);
		if (sinks_is_lost(action->sinks, column) && !cell_is_default(action->a, cell)) {
			refuse(action, "The map has no column or expression that one of its columns goes to.");
			return false;
		}
		action->given[column] = (struct given){ true, cell_is_default(action->a, cell), cell, 0 };
	}
	return true;
}

/* ---- renamed columns only ---- */

static bool only_names_differ(const struct action *action)
{
	const struct sinks *sinks = action->sinks;
	for (size_t p = 0; p < sinks->shape->physical_count; p++) {
		if (sinks->uses[p])
			return false;
	}
	for (size_t w = 0; w < written_count(action); w++) {
		const char *text;
		size_t p = sinks_partner(sinks, w);
		bool there = p < sinks->shape->physical_count;
		if (action->given[w].is_given && (!there || sinks->shape->physical[p].retyped))
			return false; /* a DEFAULT that goes nowhere included */
		if (there && sinks_default(sinks, w, &text) != SINK_DEFAULT_SAME)
			return false;
	}
	return true;
}

static struct slice physical_name(const struct action *action, size_t written)
{
	size_t p = sinks_partner(action->sinks, written);
	return expression_column(action->a, NULL, action->sinks->shape->physical[p].name);
}

static void splice_names(const struct action *action)
{
	struct analysis *a = action->a;
	for (size_t i = 0; i < action->clause->n_target_list; i++) {
		const PgQuery__ResTarget *column = action->clause->target_list[i]->res_target;
		struct slice name = physical_name(action, column_at(action, i));
		size_t at = token_at(a->tokens, (size_t)column->location);
		if (!slice_is(name, column->name))
			splice_add(a->splices, clause_offset(a, at), a->tokens->items[at].len, name);
	}
}

static void splice_first_columns(const struct action *action)
{
	struct analysis *a = action->a;
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < action->clause->n_values; i++) {
		buf_append_str(&text, i ? ", " : " (");
		buf_append_slice(&text, physical_name(action, i));
	}
	buf_append_byte(&text, ')');
	splice_add(a->splices, clause_end_offset(a, action->insert), 0,
		   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	buf_deinit(&text);
}

/* ---- computed columns ---- */

/* Whether giving the value twice could mean two values. */
static bool is_once_only(const struct action *action, struct cell cell)
{
	for (size_t i = cell.first; i <= cell.last; i++) {
		if (clause_is_mark(action->a, i, "(") || clause_is_word(action->a, i, "current_timestamp"))
			return true;
	}
	return false;
}

static struct slice value_of(struct action *action, size_t written)
{
	struct analysis *a = action->a;
	struct given *given = &action->given[written];
	if (given->times++ == 0 || !is_once_only(action, given->value))
		return splice_copy(a->splices, clause_offset(a, given->value.first), clause_end_offset(a, given->value.last));
	refuse(action, "Several columns are computed from one of its values, which would be evaluated more than once.");
	return slice_str("NULL");
}

/* What a computed column is computed from. */
static bool append_input(struct action *action, size_t written, struct buf *text)
{
	const struct shape_column *column = &action->sinks->shape->written[written];
	const struct given *given = &action->given[written];
	const char *missing = given->is_given && !given->is_default ? "" : sinks_default_text(action->sinks, written);
	if (!missing) {
		refuse(action, "A column that others are computed from is left out, and its default is not known.");
		return false;
	}
	struct slice value = *missing ? slice_str(missing)
				      : cell_checked(action->a, given->value, value_of(action, written), column->type);
	buf_append_slice(text, expression_assign(action->a, value, column->type));
	buf_append_str(text, " AS ");
	name_append_quoted(text, column->name);
	return true;
}

static bool append_computed(struct action *action, size_t physical, struct buf *text)
{
	const char *row = scope_fresh_alias(action->a);
	struct slice value = sinks_value(action->a, action->sinks, physical, row);
	bool any = false;
	buf_printf(text, "(SELECT %.*s FROM (SELECT ", (int)value.len, value.data);
	for (size_t w = 0; w < written_count(action); w++) {
		if (!action->sinks->uses[physical][w])
			continue;
		buf_append_str(text, any ? ", " : "");
		any = true;
		if (!append_input(action, w, text))
			return false;
	}
	buf_printf(text, ") AS %s)", row);
	return true;
}

/* What a column gets that is a written one; nothing where it is left out and keeps its default. */
static bool append_plain(struct action *action, size_t written, const struct shape_column *column, struct buf *text)
{
	const struct given *given = &action->given[written];
	const char *type = action->sinks->shape->written[written].type, *fallback;
	if (given->is_given && !given->is_default) {
		struct slice value = value_of(action, written);
		struct slice checked = cell_checked(action->a, given->value, value, type);
		buf_append_slice(text, column->retyped ? expression_retype(action->a, checked, type, column->type) : value);
		return true;
	}
	switch (column->generated ? SINK_DEFAULT_SAME : sinks_default(action->sinks, written, &fallback)) {
	case SINK_DEFAULT_SAME:
		return true;
	case SINK_DEFAULT_TEXT:
		buf_append_slice(text, expression_cast_bare(action->a, slice_str(fallback), column->type));
		return true;
	default:
		refuse(action, "The default of a column that it leaves out is not known.");
		return false;
	}
}

static bool append_outputs(struct action *action, struct buf *names, struct buf *values)
{
	const struct shape *shape = action->sinks->shape;
	for (size_t p = 0; p < shape->physical_count; p++) {
		const struct shape_column *column = &shape->physical[p];
		size_t before = values->len;
		buf_append_str(values, names->len ? ", " : "");
		size_t start = values->len;
		bool ok = true;
		if (action->sinks->uses[p])
			ok = append_computed(action, p, values);
		else if (column->from == SHAPE_COLUMN)
			ok = append_plain(action, sinks_written(shape, column->column), column, values);
		if (!ok)
			return false;
		if (values->len == start) {
			values->len = before;
			continue;
		}
		buf_append_str(names, names->len ? ", " : "");
		name_append_quoted(names, column->name);
	}
	return true;
}

/* The list goes where it is or was left out, the values where they are; OVERRIDING stays between. */
static void splice_computed(struct action *action)
{
	struct analysis *a = action->a;
	struct buf names, values;
	buf_init(&names);
	buf_init(&values);
	if (append_outputs(action, &names, &values) && names.len) {
		size_t start = clause_offset(a, action->values);
		size_t word = clause_is_mark(a, action->values, "(") ? clause_offset(a, action->values - 1) : start;
		size_t end = clause_end_offset(a, action->last);
		splice_drop(a->splices, clause_end_offset(a, action->insert), end);
		size_t list = action->open ? clause_offset(a, action->open) : clause_end_offset(a, action->insert);
		size_t list_len = action->open ? clause_end_offset(a, action->close) - list : 0;
		splice_add(a->splices, list, list_len,
			   slice_str(arena_printf(a->arena, "%s(%.*s)", list_len ? "" : " ", (int)names.len, names.data)));
		splice_add_moving(a->splices, word, end - word,
				  slice_str(arena_printf(a->arena, "VALUES (%.*s)", (int)values.len, values.data)));
	}
	buf_deinit(&names);
	buf_deinit(&values);
}

static void splice_insert(struct action *action)
{
	if (!find_parts(action)) {
		refuse(action, "It cannot be found in the text.");
		return;
	}
	if (!check_columns(action) || !give(action))
		return;
	if (!only_names_differ(action))
		splice_computed(action);
	else if (action->clause->n_target_list)
		splice_names(action);
	else if (action->clause->n_values)
		splice_first_columns(action);
}

/* The THEN of the next WHEN from token at on. */
static size_t find_then(const struct analysis *a, size_t at)
{
	unsigned cases = 0;
	for (; at < a->end; at++) {
		if (clause_is_mark(a, at, "("))
			at = clause_close(a, at);
		else if (clause_is_word(a, at, "case"))
			cases++;
		else if (cases && clause_is_word(a, at, "end"))
			cases--;
		else if (!cases && clause_is_word(a, at, "then"))
			return at;
	}
	return a->end;
}

void merge_splice(struct analysis *a, const struct sinks *sinks, const struct dml *dml)
{
	const PgQuery__MergeStmt *merge = dml->node->merge_stmt;
	size_t then = dml->target->first;
	for (size_t i = 0; i < merge->n_merge_when_clauses && !a->refused; i++) {
		const PgQuery__MergeWhenClause *clause = merge->merge_when_clauses[i]->merge_when_clause;
		then = find_then(a, then + 1);
		struct action action = { .a = a, .sinks = sinks, .dml = dml, .clause = clause, .insert = then + 1 };
		if (clause->command_type == PG_QUERY__CMD_TYPE__CMD_UPDATE)
			assign_splice(a, sinks, dml->target, clause->target_list, clause->n_target_list);
		else if (clause->command_type == PG_QUERY__CMD_TYPE__CMD_INSERT &&
			 clause_is_word(a, then + 1, "insert"))
			splice_insert(&action);
		else if (clause->command_type == PG_QUERY__CMD_TYPE__CMD_INSERT)
			refuse(&action, "It cannot be found in the text.");
	}
}
