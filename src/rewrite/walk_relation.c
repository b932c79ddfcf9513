/* Where the text names relations, and what they are: every name in FROM and elsewhere comes through here. */
#include "rewrite/clauses.h"
#include "rewrite/introspection.h"
#include "rewrite/own_shape.h"
#include "rewrite/walk.h"

/* ---- where names stand among the tokens ---- */

bool walk_token_name(const struct analysis *a, size_t first, struct token_name *name_out)
{
	name_out->first = first;
	name_out->count = 0;
	for (size_t i = first; name_out->count < 4; i += 2) {
		if (i >= a->end || !token_is_identifier(&a->tokens->items[i]))
			return name_out->count > 0; /* t.* */
		token_identifier(a->text, &a->tokens->items[i], name_out->parts[name_out->count++]);
		name_out->last = i;
		if (!clause_is_mark(a, i + 1, "."))
			return true;
	}
	return true;
}

/* An alias goes behind `ONLY (t)` and `t *`. */
static size_t alias_place(const struct analysis *a, size_t first, size_t last)
{
	bool enclosed = first >= a->first + 2 && clause_is_mark(a, first - 1, "(") && clause_is_word(a, first - 2, "only");
	if ((enclosed && clause_is_mark(a, last + 1, ")")) || clause_is_mark(a, last + 1, "*"))
		return last + 1;
	return last;
}

/* `TABLE t` is a query whose syntax has no room for an alias. */
static bool is_table_command(const struct analysis *a, size_t first)
{
	size_t before = first;
	if (before > a->first && clause_is_mark(a, before - 1, "("))
		before--;
	if (before > a->first && clause_is_word(a, before - 1, "only"))
		before--;
	else
		before = first;
	return before > a->first && clause_is_word(a, before - 1, "table");
}

/* ---- relations ---- */

static void explain(struct analysis *a, size_t first, size_t last, struct resolved resolved, enum verdict verdict,
		    const struct range *range)
{
	if (!a->explaining || (!resolved.name && strcmp(resolved.how, "not in the map") == 0))
		return;
	size_t offset = clause_offset(a, first);
	const char *what = resolved.how;
	enum rule rule = RULE_NOT_MAPPED;
	if (resolved.name) {
		what = arena_printf(a->arena, "%s (%s)", resolve_spelled(a->arena, resolved.name->written).data,
				    resolved.how);
		rule = verdict == VERDICT_KEEP ? RULE_IN_PLACE : verdict == VERDICT_REFUSED ? RULE_REFUSED : RULE_MOVE;
		if (rule == RULE_MOVE && rel_name_eq(resolved.name->written, resolved.name->physical))
			rule = RULE_QUALIFY;
	}
	analysis_explain(a, offset, clause_end_offset(a, last) - offset, what, rule)->range = range;
}

bool walk_locate(const struct analysis *a, int32_t location, struct token_name *name_out)
{
	if (location < 0)
		return false;
	size_t first = token_at(a->tokens, (size_t)location);
	return first >= a->first && first < a->end && walk_token_name(a, first, name_out);
}

/* Safety net: a name that must change and cannot be found is never left as it was. */
static void refuse_unlocated(struct analysis *a, const char *name)
{
	struct error *error = analysis_refuse(a, a->tokens->items[a->first].offset,
					      SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "cannot tell where the statement names table %s", name);
	error_hint(error, "Write the table's present name.");
}

static enum columns_fate range_columns_fate(const struct analysis *a, const struct range *range, enum use_kind kind)
{
	if (range->role == RANGE_READ)
		return kind == USE_DDL ? COLUMNS_BOUND : COLUMNS_SERVED;
	if (range->role == RANGE_TARGET || kind == USE_COPY_IN || kind == USE_COPY_OUT)
		return COLUMNS_SERVED;
	bool by_name = kind == USE_TRUNCATE || kind == USE_LOCK || kind == USE_MAINTENANCE;
	return by_name && a->name_fate != COLUMNS_SERVED ? COLUMNS_UNNAMED : a->name_fate;
}

static void settle_range(struct analysis *a, struct range *range, const struct token_name *where, bool located,
			 struct resolved resolved, enum use_kind kind)
{
	size_t offset = a->tokens->items[located ? where->first : a->first].offset;
	enum verdict verdict = resolve_settle(a, resolved, kind, range_columns_fate(a, range, kind), offset);
	range->name = resolved.name;
	range->use = a->last_use;
	if (range->role != RANGE_OTHER)
		range->use->use.all_columns = !located;
	range->changes = verdict == VERDICT_CHANGE;
	if (range->changes && range->role != RANGE_OTHER && resolved.name->kind == NAME_TABLE &&
	    !rel_name_eq(resolved.name->written, resolved.name->physical))
		range->shape = own_shape(a, resolved.name->entry);
	if (range->changes && (!located || strcmp(where->parts[where->count - 1], resolved.name->written.name) != 0)) {
		range->changes = false;
		refuse_unlocated(a, resolved.name->written.name);
	}
	if (located)
		explain(a, where->first, where->last, resolved, verdict, range);
}

static const struct cte *find_cte(const struct analysis *a, const char *name)
{
	for (const struct cte *cte = a->ctes; cte; cte = cte->next) {
		if (strcmp(cte->name, name) == 0)
			return cte;
	}
	return NULL;
}

struct range *walk_relation(struct analysis *a, const PgQuery__RangeVar *relation, enum relation_role role,
			    enum use_kind kind)
{
	if (!relation)
		return NULL;
	struct token_name where = { 0 };
	bool located = walk_locate(a, relation->location, &where);
	size_t offset = located ? a->tokens->items[where.first].offset : 0;
	struct resolved resolved = role == RELATION_CREATED
					   ? resolve_created(a, resolve_written(relation), offset)
					   : resolve_relation(a, resolve_written(relation), role == RELATION_READ, offset);
	bool aliased = relation->alias && relation->alias->aliasname[0];
	struct range *range = scope_add(a, aliased ? relation->alias->aliasname : relation->relname);
	range->aliased = aliased;
	range->is_relation = strcmp(resolved.how, "CTE") != 0;
	range->schema = relation->schemaname[0] ? relation->schemaname : NULL;
	range->role = role == RELATION_READ ? RANGE_READ : role == RELATION_TARGET ? RANGE_TARGET : RANGE_OTHER;
	range->alias = relation->alias;
	range->relname = relation->relname;
	if (role == RELATION_READ && !range->schema)
		range->cte = find_cte(a, relation->relname);
	if (located) {
		range->first = where.first;
		range->last = where.last;
		range->alias_after = alias_place(a, where.first, where.last);
		range->can_alias = (role == RELATION_READ || role == RELATION_TARGET) &&
				   !is_table_command(a, where.first);
	}
	if (role == RELATION_CREATED && !resolved.name)
		resolve_note_created(a, resolve_written(relation));
	if (resolved.name)
		settle_range(a, range, &where, located, resolved, kind);
	else if (located)
		explain(a, where.first, where.last, resolved, VERDICT_KEEP, NULL);
	if (role == RELATION_READ && !resolved.name)
		introspection_range(a, relation, range);
	return range;
}

const struct ruleset_name *walk_named_tokens(struct analysis *a, const struct token_name *name, size_t parts,
					     enum use_kind kind)
{
	if (parts == 0 || parts > 3)
		return NULL;
	struct written_name written = { parts == 3 ? name->parts[0] : NULL, parts >= 2 ? name->parts[parts - 2] : NULL,
					name->parts[parts - 1] };
	size_t offset = a->tokens->items[name->first].offset;
	struct resolved resolved = resolve_relation(a, written, false, offset);
	if (!resolved.name)
		return NULL;
	size_t last = name->first + 2 * (parts - 1);
	size_t end = a->tokens->items[last].offset + a->tokens->items[last].len;
	enum columns_fate fate = kind == USE_DDL ? a->name_fate : parts < name->count ? COLUMNS_NAMED : COLUMNS_UNNAMED;
	enum verdict verdict = resolve_settle(a, resolved, kind, fate, offset);
	if (verdict == VERDICT_CHANGE)
		splice_add(a->splices, offset, end - offset, resolve_spelled(a->arena, resolved.name->physical));
	explain(a, name->first, last, resolved, verdict, NULL);
	return resolved.name;
}
