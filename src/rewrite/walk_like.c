/*
 * CREATE TABLE … (LIKE table), which code loads in bulk through, of a table
 * whose columns differ. Of a transform the table that was written is there to
 * be like; of a move the columns are spelled out by the names they had.
 */
#include "rewrite/clauses.h"
#include "rewrite/resolve.h"
#include "rewrite/targets.h"
#include "rewrite/walk_ddl.h"

enum { LIKE_DEFAULTS = 1 << 3 }; /* as the parser counts INCLUDING … */

static const struct fact_column *stored_column(const struct ruleset_entry *entry, const struct shape_column *column)
{
	const struct fact_relation *stored = entry->relation[entry->physical];
	for (size_t i = 0; stored && i < stored->column_count; i++) {
		if (column->from == SHAPE_COLUMN && strcmp(stored->columns[i].name, column->column) == 0)
			return &stored->columns[i];
	}
	return NULL;
}

/* False: a column of which not all is known. */
static bool append_columns(const struct ruleset_entry *entry, bool defaults, struct buf *text)
{
	for (size_t i = 0; i < entry->shape->written_count; i++) {
		const struct shape_column *column = &entry->shape->written[i];
		const struct fact_column *stored = stored_column(entry, column);
		if (!stored || !column->type || column->retyped)
			return false;
		buf_append_str(text, i ? ", " : "");
		name_append_quoted(text, column->name);
		buf_printf(text, " %s%s", column->type, stored->not_null ? " NOT NULL" : "");
		if (defaults && !stored->generated && stored->default_text)
			buf_printf(text, " DEFAULT %s", stored->default_text);
	}
	return true;
}

/* [LIKE name {INCLUDING | EXCLUDING} what …] */
static void spell_out(struct analysis *a, const struct ruleset_name *name, const struct token_name *where,
		      unsigned including)
{
	size_t offset = clause_offset(a, where->first), last = where->last, first = where->first - 1;
	struct buf text;
	while (clause_is_word(a, last + 1, "including") || clause_is_word(a, last + 1, "excluding"))
		last += 2;
	buf_init(&text);
	if ((including & ~(unsigned)LIKE_DEFAULTS) || !clause_is_word(a, first, "like")) {
		targets_refuse(a, name, offset, "LIKE", "Only names, types, NOT NULL and DEFAULT of its columns can be told.");
	} else if (!append_columns(name->entry, including & LIKE_DEFAULTS, &text)) {
		targets_refuse(a, name, offset, "LIKE", "Not all of its columns are known.");
	} else {
		size_t start = clause_offset(a, first);
		analysis_use(a, name, USE_DDL, USE_REWRITTEN);
		splice_add(a->splices, start, clause_end_offset(a, last) - start,
			   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
		analysis_explain(a, offset, clause_end_offset(a, where->last) - offset,
				 resolve_spelled(a->arena, name->written).data, RULE_COLUMNS);
	}
	buf_deinit(&text);
}

static void stay_as_written(struct analysis *a, const struct ruleset_name *name, const struct token_name *where)
{
	size_t offset = clause_offset(a, where->first);
	analysis_use(a, name, USE_DDL, 0);
	analysis_explain(a, offset, clause_end_offset(a, where->last) - offset,
			 resolve_spelled(a->arena, name->written).data, RULE_IN_PLACE);
}

void like_clause(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__TableLikeClause *like = node->table_like_clause;
	const PgQuery__RangeVar *relation = like->relation;
	struct token_name where;
	const struct ruleset_name *name = NULL;
	if (walk_locate(a, relation->location, &where))
		name = resolve_relation(a, resolve_written(relation), false, clause_offset(a, where.first)).name;
	bool differs = name && name->kind == NAME_TABLE && name->entry->shape && !resolve_is_retired(name) &&
		       !rel_name_eq(name->written, name->physical);
	if (differs && name->entry->kind == MAP_TRANSFORM && name->entry->relation[name->side])
		stay_as_written(a, name, &where);
	else if (differs && name->entry->kind == MAP_MOVE)
		spell_out(a, name, &where, like->options);
	else
		walk_children(a, &like->base);
}
