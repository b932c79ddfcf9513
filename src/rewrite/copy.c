/* COPY of a table whose columns differ: out through a query, in through a column list. */
#include "rewrite/clauses.h"
#include "rewrite/derived.h"
#include "rewrite/dml.h"
#include "rewrite/expression.h"
#include "rewrite/index_columns.h"
#include "rewrite/resolve.h"
#include "rewrite/targets.h"
#include "rewrite/tree.h"
#include "rewrite/walk.h"

struct copy {
	struct analysis *a;
	const PgQuery__CopyStmt *statement;
	struct range *range;
	struct sinks sinks;
	size_t offset;
	size_t *columns; /* written ones, in the order of the data */
	size_t count;
	size_t last;	 /* token of the list's end, or of the name's */
};

static void refuse(const struct copy *copy, const char *why)
{
	targets_refuse(copy->a, copy->range->name, copy->offset, "COPY", why);
}

static const struct shape_column *partner(const struct copy *copy, size_t column)
{
	size_t p = sinks_partner(&copy->sinks, column);
	return p < copy->sinks.shape->physical_count ? &copy->sinks.shape->physical[p] : NULL;
}

static bool is_chosen(const struct copy *copy, size_t column)
{
	for (size_t i = 0; i < copy->count; i++) {
		if (copy->columns[i] == column)
			return true;
	}
	return false;
}

/* Without a list: all columns but the generated ones. */
static bool choose_columns(struct copy *copy)
{
	const struct shape *shape = copy->sinks.shape;
	copy->columns = ARENA_ARRAY(copy->a->arena, shape->written_count + copy->statement->n_attlist, size_t);
	for (size_t w = 0; !copy->statement->n_attlist && w < shape->written_count; w++) {
		const struct shape_column *physical = partner(copy, w);
		if (!shape->written[w].generated && (!physical || !physical->generated))
			copy->columns[copy->count++] = w;
	}
	for (size_t i = 0; i < copy->statement->n_attlist; i++) {
		const char *name = tree_string(copy->statement->attlist[i]);
		size_t w = name ? sinks_written(shape, name) : shape->written_count;
		if (w == shape->written_count) {
			targets_refuse_unknown(copy->a, copy->range, name ? name : "", ANALYSIS_NOWHERE);
			return false;
		}
		if (is_chosen(copy, w)) {
			analysis_refuse(copy->a, ANALYSIS_NOWHERE, "42701", "column \"%s\" specified more than once", name);
			return false;
		}
		copy->columns[copy->count++] = w;
	}
	return true;
}

static struct slice listed(const struct copy *copy, bool physical)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < copy->count; i++) {
		buf_append_str(&text, i ? ", " : "");
		name_append_quoted(&text, physical ? partner(copy, copy->columns[i])->name
						   : copy->sinks.shape->written[copy->columns[i]].name);
	}
	struct slice list = slice_of(arena_copy(copy->a->arena, text.data ? text.data : "", text.len), text.len);
	buf_deinit(&text);
	return list;
}

/* COPY BINARY takes a table, and no query. */
static void splice_binary(struct analysis *a, const struct copy *copy)
{
	size_t word = a->first + 1, last = clause_statement_last(a, copy->last + 1);
	if (word >= copy->range->first || !clause_is_word(a, word, "binary"))
		return;
	splice_add(a->splices, clause_offset(a, word), clause_end_offset(a, word) - clause_offset(a, word),
		   slice_of("", 0));
	if (clause_is_mark(a, last, ")"))
		splice_add(a->splices, clause_offset(a, last), 0, slice_str(", FORMAT binary"));
	else
		splice_add(a->splices, clause_end_offset(a, last), 0, slice_str(" BINARY"));
}

static void splice_out(const struct copy *copy)
{
	struct analysis *a = copy->a;
	const struct ruleset_entry *entry = copy->range->name->entry;
	const struct fact_relation *physical = entry->relation[entry->physical];
	struct slice query, list = listed(copy, false);
	if (physical && physical->kind != FACT_TABLE) {
		refuse(copy, "Only of a plain table does COPY … TO give its own rows and no others.");
		return;
	}
	for (size_t i = 0; i < copy->count; i++) {
		const struct shape_column *column = &copy->sinks.shape->written[copy->columns[i]];
		if (column->from == SHAPE_NOTHING) {
			derived_refuse_missing(a, copy->range->name, column->name, copy->offset);
			return;
		}
	}
	if (!derived_select(a, copy->range->name, "ONLY ", copy->offset, &query))
		return;
	char *text = arena_printf(a->arena, "(SELECT %.*s FROM (%.*s) AS crossfade_rows)", (int)list.len, list.data,
				  (int)query.len, query.data);
	splice_add(a->splices, copy->offset, clause_end_offset(a, copy->last) - copy->offset, slice_str(text));
	splice_binary(a, copy);
}

/* The parenthesis of FORCE_NULL (names); a->end: it is written in another way. */
static size_t names_of_option(const struct copy *copy, const PgQuery__DefElem *option)
{
	const struct analysis *a = copy->a;
	size_t at = option->location < 0 ? a->end : token_at(a->tokens, (size_t)option->location) + 1;
	return at < a->end && clause_is_mark(a, at, "(") ? at : a->end;
}

static bool forces(const PgQuery__DefElem *option)
{
	return strncmp(option->defname, "force_n", 7) == 0;
}

/* Options that name columns in a way that is not worked out, or compare the header with them. */
static bool names_columns(const struct copy *copy)
{
	for (size_t i = 0; i < copy->statement->n_options; i++) {
		const PgQuery__DefElem *option = copy->statement->options[i]->def_elem;
		if ((forces(option) && names_of_option(copy, option) == copy->a->end) ||
		    strcmp(option->defname, "convert_selectively") == 0)
			return true;
		const char *value = option->arg ? tree_string(option->arg) : NULL;
		if (strcmp(option->defname, "header") == 0 && value && strcasecmp(value, "match") == 0)
			return true;
	}
	return false;
}

static const char *why_not_in(const struct copy *copy)
{
	const struct shape *shape = copy->sinks.shape;
	if (names_columns(copy))
		return "HEADER MATCH, and FORCE NULL without parentheses, name columns that have other names there.";
	for (size_t p = 0; p < shape->physical_count; p++) {
		if (copy->sinks.uses[p])
			return "Columns are computed there, and COPY has no expressions.";
	}
	for (size_t i = 0; i < copy->count; i++) {
		const struct shape_column *physical = partner(copy, copy->columns[i]);
		if (!physical || physical->retyped)
			return "A column is computed or of another type there, and COPY has no expressions.";
	}
	for (size_t w = 0; w < shape->written_count; w++) {
		const char *text;
		if (partner(copy, w) && sinks_default(&copy->sinks, w, &text) != SINK_DEFAULT_SAME)
			return "A column that may be left out has another default there.";
	}
	return NULL;
}

static void splice_options(const struct copy *copy)
{
	struct analysis *a = copy->a;
	struct range range = *copy->range;
	range.shape = copy->sinks.shape;
	for (size_t i = 0; i < copy->statement->n_options; i++) {
		const PgQuery__DefElem *option = copy->statement->options[i]->def_elem;
		size_t open = forces(option) ? names_of_option(copy, option) : a->end;
		size_t close = open < a->end ? clause_close(a, open) : open;
		for (size_t at = open + 1; at < close && close < a->end && !a->refused; at += 2)
			index_columns_name(a, &range, at);
	}
}

/* Its columns may be named in WHERE; nothing can be qualified by a name that is ours. */
static void open_to_where(const struct copy *copy, const PgQuery__Node *node)
{
	copy->range->shape = copy->sinks.shape;
	copy->range->role = RANGE_TARGET;
	copy->range->altered = true;
	walk_note_dml(copy->a, node, copy->range);
}

static void splice_in(const struct copy *copy, const PgQuery__Node *node)
{
	struct analysis *a = copy->a;
	const char *why = why_not_in(copy);
	if (why) {
		refuse(copy, why);
		return;
	}
	struct slice list = listed(copy, true);
	size_t end = clause_end_offset(a, copy->range->last), list_end = clause_end_offset(a, copy->last);
	splice_add(a->splices, end, list_end - end, slice_str(arena_printf(a->arena, " (%.*s)", (int)list.len, list.data)));
	splice_options(copy);
	if (copy->statement->where_clause)
		open_to_where(copy, node);
}

void copy_splice(struct analysis *a, const PgQuery__Node *node, struct range *range)
{
	const PgQuery__CopyStmt *statement = node->copy_stmt;
	if (!range->changes || !range->name->entry->shape ||
	    rel_name_eq(range->name->written, range->name->physical))
		return;
	struct copy copy = { .a = a, .statement = statement, .range = range,
			     .offset = clause_offset(a, range->first), .last = range->last };
	range->changes = statement->is_from; /* else the name is part of what is spliced here */
	if (statement->n_attlist)
		copy.last = clause_close(a, range->last + 1);
	if (copy.last >= a->end || !sinks_init(a, range->name, copy.offset, &copy.sinks) || !choose_columns(&copy))
		return;
	if (statement->is_from)
		splice_in(&copy, node);
	else
		splice_out(&copy);
}
