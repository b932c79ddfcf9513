#include "rewrite/derived.h"

#include "rewrite/columns.h"
#include "rewrite/expression.h"
#include "rewrite/own_shape.h"
#include "rewrite/resolve.h"
#include "rewrite/scope.h"
#include "rewrite/targets.h"
#include "rewrite/tree.h"

static const struct token *token(const struct analysis *a, size_t index)
{
	return &a->tokens->items[index];
}

static size_t token_end(const struct analysis *a, size_t index)
{
	return token(a, index)->offset + token(a, index)->len;
}

static bool is_mark(const struct analysis *a, size_t index, const char *mark)
{
	return index < a->end && token_is(a->text, token(a, index), mark);
}

static bool is_keyword(const struct analysis *a, size_t index, const char *keyword)
{
	return index >= a->first && index < a->end && token_is_word(a->text, token(a, index), keyword);
}

static const char *const system_columns[] = { "ctid", "xmin", "cmin", "xmax", "cmax", "tableoid" };
enum { SYSTEM_COLUMNS = sizeof(system_columns) / sizeof(system_columns[0]) };

/* A bit; 0: it is none. */
static unsigned system_column(const char *name)
{
	for (unsigned i = 0; i < SYSTEM_COLUMNS; i++) {
		if (strcmp(system_columns[i], name) == 0)
			return 1u << i;
	}
	return 0;
}

bool derived_is_system_column(const char *name)
{
	return system_column(name) != 0;
}

/* ---- refusals ---- */

void derived_refuse_missing(struct analysis *a, const struct ruleset_name *name, const char *column, size_t offset)
{
	struct slice written = resolve_spelled(a->arena, name->written);
	struct slice physical = resolve_spelled(a->arena, name->physical);
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "column %s of %s cannot be read from %s", column, written.data,
					      physical.data);
	error_detail(error, "The map has no column or expression there that it comes from.");
	error_hint(error, "Name the other columns, or add a `read` expression to the map.");
}

static void refuse(struct analysis *a, const struct range *range, size_t offset, const char *what, const char *why,
		   const char *hint)
{
	struct slice written = resolve_spelled(a->arena, range->name->written);
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "%s of table %s cannot be served", what, written.data);
	error_detail(error, "%s %s.", why, resolve_spelled(a->arena, range->name->physical).data);
	error_hint(error, "%s", hint);
}

static void refuse_system(struct analysis *a, const struct range *range, const char *column, size_t offset)
{
	refuse(a, range, offset, arena_printf(a->arena, "system column %s", column),
	       "The table is read through a query over", "Use the table's key, or its present name and columns.");
}

/* ---- what references ask of a table ---- */

static bool is_read(const struct range *range)
{
	return range && range->role == RANGE_READ && range->shape;
}

bool derived_is_query(const struct range *range)
{
	return !range->shape->pure_rename || range->whole_row;
}

static const char *missing_column(const struct range *range)
{
	for (size_t i = 0; i < range->shape->written_count; i++) {
		if (range->shape->written[i].from == SHAPE_NOTHING)
			return range->shape->written[i].name;
	}
	return NULL;
}

static void need_all(struct analysis *a, const struct range *range, size_t offset)
{
	const char *missing = is_read(range) ? missing_column(range) : NULL;
	if (missing)
		derived_refuse_missing(a, range->name, missing, offset);
}

static bool is_missing(const struct range *range, const char *name)
{
	const struct shape_column *column = is_read(range) ? shape_written_column(range->shape, name) : NULL;
	return column && column->from == SHAPE_NOTHING;
}

static void check_join_alias(struct analysis *a, const struct column_use *use, const struct noted_join *noted)
{
	const char *name = columns_is_star(use) ? NULL : columns_name(use);
	size_t offset = token(a, use->first)->offset;
	bool renamed = noted->join->alias->n_colnames > 0;
	for (struct range *r = (struct range *)noted->sides.first; r; r = columns_next(r, noted->sides)) {
		r->starred = r->starred || !name;
		if (!name || renamed)
			need_all(a, r, offset);
		else if (is_missing(r, name))
			derived_refuse_missing(a, r->name, name, offset);
	}
}

static void check_star(struct analysis *a, struct column_use *use)
{
	size_t offset = token(a, use->first)->offset;
	if (use->ref->n_fields == 1) {
		for (struct range *r = columns_first(use->level, use->window); r; r = columns_next(r, use->window)) {
			r->starred = true;
			need_all(a, r, offset);
		}
		return;
	}
	struct range *range = columns_qualified(a, use);
	if (!is_read(range))
		return;
	need_all(a, range, offset);
	range->starred = true;
	range->whole_row = range->whole_row || (use->place != COLUMN_IS_TARGET && use->place != COLUMN_IN_ROW);
}

/* t.to_jsonb is to_jsonb(t) where t has no such column. */
static bool is_of_row(struct analysis *a, struct range *range, const char *name)
{
	const struct column_names *columns = columns_of(a, range);
	if (!columns->complete || system_column(name))
		return false;
	for (size_t i = 0; i < columns->count; i++) {
		if (strcmp(columns->names[i], name) == 0)
			return false;
	}
	return true;
}

static void check_qualified(struct analysis *a, const struct column_use *use)
{
	struct range *range = columns_qualified(a, use);
	const char *name = columns_name(use);
	if (name && is_read(range) && is_of_row(a, range, name)) {
		range->whole_row = true;
		need_all(a, range, token(a, use->first)->offset);
	}
	if (name && is_missing(range, name))
		derived_refuse_missing(a, range->name, name, token(a, use->first)->offset);
}

/* Calls for every table read under other columns that an unqualified name could mean. */
static void check_unqualified(struct analysis *a, const struct column_use *use)
{
	const char *name = columns_name(use);
	struct window window = use->window;
	size_t offset = token(a, use->first)->offset;
	if (!name)
		return;
	for (const struct level *level = use->level; level; window = level->outer_window, level = level->outer) {
		for (struct range *r = columns_first(level, window); r && !a->refused; r = columns_next(r, window)) {
			a->column_work++;
			bool row = is_read(r) && strcmp(r->refname, name) == 0, missing = is_missing(r, name);
			if (!row && !missing)
				continue;
			struct column_meaning meaning = columns_resolve(a, use, name);
			bool elsewhere = meaning.answer == COLUMN_FOUND && meaning.range != r &&
					 !columns_hides(meaning.range, r);
			if (missing && !elsewhere)
				derived_refuse_missing(a, r->name, name, offset);
			if (row && meaning.answer != COLUMN_FOUND) {
				r->whole_row = true;
				need_all(a, r, offset);
			}
		}
	}
}

static void note_system(struct range *range, unsigned column, size_t offset)
{
	if (!is_read(range) || !derived_is_query(range))
		return;
	range->system_at = range->system_columns ? range->system_at : offset;
	range->system_columns |= column;
}

/* An unqualified one is of the nearest tables there are, unless a column has its name. */
static void check_system(struct analysis *a, const struct column_use *use)
{
	const char *name = columns_name(use);
	unsigned column = name ? system_column(name) : 0;
	struct window window = use->window;
	size_t offset = token(a, use->first)->offset;
	if (!column)
		return;
	if (use->qualifier) {
		note_system(columns_qualified(a, use), column, offset);
		return;
	}
	if (columns_resolve(a, use, name).answer == COLUMN_FOUND)
		return;
	bool found = false;
	for (const struct level *level = use->level; level && !found; window = level->outer_window, level = level->outer) {
		for (struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
			if (columns_is_hidden(r, window))
				continue;
			note_system(r, column, offset);
			found = found || (r->relname && !r->cte);
		}
	}
}

/* Read through a query it is a column like others, which must not be shown with them. */
static void check_shown(struct analysis *a, const struct range *range)
{
	unsigned i = 0;
	if (!range->system_columns || (!range->starred && !range->whole_row && !range->hidden_by))
		return;
	while (!(range->system_columns & 1u << i))
		i++;
	refuse_system(a, range, system_columns[i], range->system_at);
}

static void check_join(struct analysis *a, const struct noted_join *noted)
{
	size_t offset = token(a, a->first)->offset;
	for (struct range *r = (struct range *)noted->sides.first; r; r = columns_next(r, noted->sides)) {
		r->starred = r->starred || noted->join->is_natural;
		if (noted->join->is_natural)
			need_all(a, r, offset);
		for (size_t i = 0; i < noted->join->n_using_clause; i++) {
			const char *name = tree_string(noted->join->using_clause[i]);
			if (name && is_missing(r, name))
				derived_refuse_missing(a, r->name, name, offset);
		}
	}
}

/* A row of the table would have the table's names, one of a derived table has those of the alias. */
static void check_row(struct analysis *a, const struct range *range)
{
	if (is_read(range) && range->whole_row && range->alias && range->alias->n_colnames)
		targets_refuse(a, range->name, token(a, range->first)->offset, "the row as a value",
			       "The statement gives its columns other names, which the row must not have.");
}

static bool reads_any(const struct analysis *a)
{
	for (const struct level *level = a->levels; level; level = level->next) {
		for (const struct range *r = level->ranges; r; r = r->next) {
			if (is_read(r))
				return true;
		}
	}
	return false;
}

void derived_prepare(struct analysis *a)
{
	if (!reads_any(a))
		return;
	for (struct column_use *use = a->columns; use && !a->refused; use = use->next) {
		const struct noted_join *join = columns_join(use);
		if (join)
			check_join_alias(a, use, join);
		else if (columns_is_star(use))
			check_star(a, use);
		else if (use->qualifier)
			check_qualified(a, use);
		else
			check_unqualified(a, use);
	}
	for (const struct column_use *use = a->columns; use; use = use->next)
		check_system(a, use);
	for (const struct level *level = a->levels; level; level = level->next) {
		for (const struct noted_join *noted = level->joins; noted; noted = noted->next)
			check_join(a, noted);
		for (const struct range *r = level->ranges; r; r = r->next) {
			check_row(a, r);
			check_shown(a, r);
		}
	}
}

/* ---- texts ---- */

/* sample: TABLESAMPLE …, or nothing; system: bits. */
static bool select_from(struct analysis *a, const struct ruleset_name *name, const char *only, struct slice sample,
			unsigned system, size_t offset, struct slice *text_out)
{
	const struct shape *shape = own_shape(a, name->entry);
	struct buf text;
	buf_init(&text);
	buf_append_str(&text, "SELECT ");
	for (size_t i = 0; i < shape->written_count; i++) {
		const struct shape_column *column = &shape->written[i];
		struct slice source;
		if (!expression_read(a, shape, column, NULL, offset, &source)) {
			buf_deinit(&text);
			return false;
		}
		buf_append_str(&text, i ? ", " : "");
		buf_append_slice(&text, source);
		if (column->from != SHAPE_COLUMN || column->retyped || strcmp(column->column, column->name) != 0) {
			buf_append_str(&text, " AS ");
			name_append_quoted(&text, column->name);
		}
	}
	for (unsigned i = 0; i < SYSTEM_COLUMNS; i++)
		buf_printf(&text, "%s%s", system & 1u << i ? ", " : "", system & 1u << i ? system_columns[i] : "");
	buf_printf(&text, " FROM %s%s%.*s", only, resolve_spelled(a->arena, name->physical).data, (int)sample.len,
		   sample.data);
	*text_out = slice_of(arena_copy(a->arena, text.data, text.len), text.len);
	buf_deinit(&text);
	return true;
}

bool derived_select(struct analysis *a, const struct ruleset_name *name, const char *only, size_t offset,
		    struct slice *text_out)
{
	return select_from(a, name, only, slice_str(""), 0, offset, text_out);
}

static struct slice column_list(struct analysis *a, const struct shape *shape, size_t from, const char *before)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = from; i < shape->written_count; i++) {
		buf_append_str(&text, i == from ? before : ", ");
		name_append_quoted(&text, shape->written[i].name);
	}
	struct slice copy = slice_of(arena_copy(a->arena, text.data ? text.data : "", text.len), text.len);
	buf_deinit(&text);
	return copy;
}

/* The alias that the text gives, as tokens. */
static size_t alias_token(const struct analysis *a, const struct range *range)
{
	size_t at = range->alias_after + 1;
	return is_keyword(a, at, "as") ? at + 1 : at;
}

static void splice_column_list(struct analysis *a, const struct range *range)
{
	size_t start = token(a, range->first)->offset, end = token_end(a, range->last);
	struct slice physical = resolve_spelled(a->arena, range->name->physical);
	size_t given = range->alias ? range->alias->n_colnames : 0;
	if (!range->aliased) {
		struct buf text;
		buf_init(&text);
		buf_append_str(&text, " AS ");
		name_append_quoted(&text, range->new_alias);
		buf_append_slice(&text, column_list(a, range->shape, 0, "("));
		buf_append_byte(&text, ')');
		struct slice alias = slice_of(arena_copy(a->arena, text.data, text.len), text.len);
		buf_deinit(&text);
		if (range->alias_after == range->last) {
			char *both = arena_printf(a->arena, "%s%.*s", physical.data, (int)alias.len, alias.data);
			splice_add(a->splices, start, end - start, slice_str(both));
			return;
		}
		splice_add(a->splices, start, end - start, physical);
		splice_add(a->splices, token_end(a, range->alias_after), 0, alias);
		return;
	}
	splice_add(a->splices, start, end - start, physical);
	size_t alias = alias_token(a, range);
	if (given == 0) {
		char *list = arena_printf(a->arena, "%s)", column_list(a, range->shape, 0, "(").data);
		splice_add(a->splices, token_end(a, alias), 0, slice_str(list));
	} else if (given < range->shape->written_count) {
		size_t last_given = alias + 2 * given;
		splice_add(a->splices, token_end(a, last_given), 0, column_list(a, range->shape, given, ", "));
	}
}

/* TABLESAMPLE belongs to the table: it goes inside, from behind the alias. */
static struct slice take_sample(struct analysis *a, const struct range *range)
{
	if (!range->sample_first || range->sample_last >= a->end)
		return slice_str("");
	size_t start = token(a, range->sample_first)->offset, end = token_end(a, range->sample_last);
	struct slice mark = splice_move(a->splices, start, end);
	size_t before = token_end(a, range->sample_first - 1);
	splice_add(a->splices, before, end - before, slice_str(""));
	return slice_str(arena_printf(a->arena, " %.*s", (int)mark.len, mark.data));
}

static void splice_query(struct analysis *a, const struct range *range)
{
	size_t first = range->first, last = range->alias_after;
	bool enclosed = is_mark(a, last, ")") && last != range->last;
	if (enclosed)
		first--;
	bool only = is_keyword(a, first - 1, "only");
	if (only)
		first--;
	struct slice query, sample = take_sample(a, range);
	if (!select_from(a, range->name, only ? "ONLY " : "", sample, range->system_columns,
			 token(a, range->first)->offset, &query))
		return;
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "(%.*s)", (int)query.len, query.data);
	if (!range->aliased) {
		buf_append_str(&text, " AS ");
		name_append_quoted(&text, range->new_alias);
	}
	size_t start = token(a, first)->offset;
	struct slice derived = slice_of(arena_copy(a->arena, text.data, text.len), text.len);
	if (range->sample_first)
		splice_add_moving(a->splices, start, token_end(a, last) - start, derived);
	else
		splice_add(a->splices, start, token_end(a, last) - start, derived);
	buf_deinit(&text);
}

/* `TABLE t` has no room for an alias. */
static void splice_table_command(struct analysis *a, const struct range *range)
{
	size_t at = range->first;
	while (at > a->first && !is_keyword(a, at, "table"))
		at--;
	splice_add(a->splices, token(a, at)->offset, token(a, at)->len, slice_str("SELECT * FROM"));
}

void derived_splice(struct analysis *a, const struct range *range)
{
	if (!range->can_alias)
		splice_table_command(a, range);
	if (derived_is_query(range))
		splice_query(a, range);
	else
		splice_column_list(a, range);
}
