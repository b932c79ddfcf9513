#include "rewrite/dml.h"

#include "rewrite/clauses.h"
#include "rewrite/expression.h"
#include "rewrite/targets.h"

/* ---- MERGE ---- */

struct action {
	struct analysis *a;
	const struct sinks *sinks;
	const struct dml *dml;
	const PgQuery__MergeWhenClause *clause;
	size_t insert; /* the word INSERT */
};

static void refuse(const struct action *action, const char *why)
{
	targets_refuse(action->a, action->sinks->name, clause_offset(action->a, action->insert), "INSERT in MERGE", why);
}

/* The physical name of a column that is only renamed; NULL: refused. */
static const char *renamed(const struct action *action, const char *name)
{
	const struct shape *shape = action->sinks->shape;
	size_t column = sinks_written(shape, name);
	if (column == shape->written_count) {
		targets_refuse_unknown(action->a, action->dml->target, name, clause_offset(action->a, action->insert));
		return NULL;
	}
	size_t partner = sinks_partner(action->sinks, column);
	if (partner == shape->physical_count || shape->physical[partner].retyped || action->sinks->consumed[column]) {
		refuse(action, "A column is computed or of another type there.");
		return NULL;
	}
	return shape->physical[partner].name;
}

static bool defaults_agree(const struct action *action)
{
	const struct shape *shape = action->sinks->shape;
	for (size_t p = 0; p < shape->physical_count; p++) {
		if (action->sinks->uses[p])
			return false;
	}
	for (size_t w = 0; w < shape->written_count; w++) {
		const char *text;
		if (sinks_partner(action->sinks, w) < shape->physical_count &&
		    sinks_default(action->sinks, w, &text) != SINK_DEFAULT_SAME)
			return false;
	}
	return true;
}

static void splice_named(const struct action *action)
{
	struct analysis *a = action->a;
	for (size_t i = 0; i < action->clause->n_target_list; i++) {
		const PgQuery__ResTarget *column = action->clause->target_list[i]->res_target;
		size_t at = column->location < 0 ? a->end : token_at(a->tokens, (size_t)column->location);
		const char *name = renamed(action, column->name);
		if (!name || at >= a->end)
			return;
		if (strcmp(name, column->name) != 0)
			splice_add(a->splices, clause_offset(a, at), a->tokens->items[at].len,
				   expression_column(a, NULL, name));
	}
}

static void splice_first_columns(const struct action *action)
{
	struct analysis *a = action->a;
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < action->clause->n_values && i < action->sinks->shape->written_count; i++) {
		const char *name = renamed(action, action->sinks->shape->written[i].name);
		if (!name) {
			buf_deinit(&text);
			return;
		}
		buf_append_str(&text, i ? ", " : " (");
		name_append_quoted(&text, name);
	}
	buf_append_byte(&text, ')');
	splice_add(a->splices, clause_end_offset(a, action->insert), 0,
		   slice_of(arena_copy(a->arena, text.data, text.len), text.len));
	buf_deinit(&text);
}

static void splice_insert(const struct action *action)
{
	if (!defaults_agree(action))
		refuse(action, "Columns are computed there, or have other defaults.");
	else if (action->clause->n_target_list)
		splice_named(action);
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
		struct action action = { a, sinks, dml, clause, then + 1 };
		if (clause->command_type == PG_QUERY__CMD_TYPE__CMD_UPDATE)
			assign_splice(a, sinks, dml->target, clause->target_list, clause->n_target_list);
		else if (clause->command_type == PG_QUERY__CMD_TYPE__CMD_INSERT &&
			 clause_is_word(a, then + 1, "insert"))
			splice_insert(&action);
		else if (clause->command_type == PG_QUERY__CMD_TYPE__CMD_INSERT)
			refuse(&action, "It cannot be found in the text.");
	}
}

/* ---- all of them ---- */

void dml_splice(struct analysis *a)
{
	for (const struct dml *dml = a->dmls; dml && !a->refused; dml = dml->next) {
		struct sinks sinks;
		if (!dml->target->shape || dml->node->node_case == PG_QUERY__NODE__NODE_DELETE_STMT ||
		    !sinks_init(a, dml->target->name, clause_offset(a, dml->target->first), &sinks))
			continue;
		if (dml->node->node_case == PG_QUERY__NODE__NODE_INSERT_STMT)
			insert_splice(a, &sinks, dml);
		else if (dml->node->node_case == PG_QUERY__NODE__NODE_MERGE_STMT)
			merge_splice(a, &sinks, dml);
		else
			assign_splice(a, &sinks, dml->target, dml->node->update_stmt->target_list,
				      dml->node->update_stmt->n_target_list);
	}
}
