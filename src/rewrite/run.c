#include "rewrite/run.h"

#include "base/clock.h"
#include "rewrite/encoding.h"
#include "rewrite/normalise.h"
#include "rewrite/parse.h"
#include "rewrite/position_map.h"
#include "rewrite/prefilter.h"
#include "rewrite/resolve.h"
#include "rewrite/result.h"
#include "rewrite/unparsed.h"
#include "rewrite/walk.h"

#include <stdlib.h>

void run_tools_init(struct run_tools *tools, const struct rewriter_settings *settings)
{
	*tools = (struct run_tools){ .settings = *settings };
	arena_init(&tools->arena);
}

void run_tools_deinit(struct run_tools *tools)
{
	arena_deinit(&tools->arena);
	session_state_free(tools->follow);
}

void run_init(struct run *run, struct run_tools *tools, struct slice sql, const struct token_list *tokens,
	      const struct session_state *state, const struct ruleset *ruleset)
{
	arena_reset(&tools->arena);
	*run = (struct run){ .tools = tools, .sql = sql, .tokens = tokens, .state = state, .ruleset = ruleset };
	splice_list_init(&run->splices, &tools->arena);
	analysis_init(&run->analysis, &tools->arena, sql, tokens, ruleset, &run->splices);
}

/* ---- results ---- */

static uint32_t position_of(const struct run *run, size_t offset)
{
	struct slice before = slice_of(run->sql.data, offset);
	return (uint32_t)position_count_characters(before, session_state_encoding(run->state)) + 1;
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static const uint16_t *parameters_of(const struct analysis *a)
{
	uint16_t *numbers = ARENA_ARRAY(a->arena, a->parameter_count, uint16_t);
	size_t i = 0;
	for (const struct noted_parameter *noted = a->parameters; noted; noted = noted->next)
		numbers[i++] = noted->number;
	if (i)
		qsort(numbers, i, sizeof(*numbers), compare_numbers);
	return numbers;
}

static struct statement_shape *parameter_shape_of(const struct run *run)
{
	struct buf text;
	if (!run->analysis.parameter_count)
		return NULL;
	buf_init(&text);
	normalise(run->sql, run->analysis.tokens, run->analysis.first, run->analysis.end,
		  run->tools->settings.normalised_bytes, &text);
	struct statement_shape *shape = statement_shape_new(buf_slice(&text), NULL, 0);
	buf_deinit(&text);
	return shape;
}

/* end: of what was rewritten of the original. */
static struct rewrite *finish(struct run *run, enum rewrite_outcome outcome, struct slice sql, size_t end)
{
	struct rewrite_splice *positions;
	size_t position_count = position_map_make(&run->splices, run->sql, end, session_state_encoding(run->state), &positions);
	struct result_parts parts = { .outcome = outcome,
				      .sql = sql,
				      .statements = run->statements,
				      .statement_count = run->statement_count,
				      .depends_on_state = run->analysis.depends_on_state,
				      .splices = positions,
				      .splice_count = position_count,
				      .parameters = parameters_of(&run->analysis),
				      .parameter_count = run->analysis.parameter_count,
				      .parameter_shape = parameter_shape_of(run) };
	if (outcome == REWRITE_REFUSED) {
		parts.refused_index = run->statement_count ? run->statement_count - 1 : 0;
		parts.refusal = &run->analysis.refusal;
	}
	return result_new(&parts);
}

/* What stands before the refused statement, then one that fails where it would have begun. */
static struct rewrite *finish_refused(struct run *run, size_t end)
{
	if (run->analysis.refused_at != ANALYSIS_NOWHERE)
		run->analysis.refusal.position = position_of(run, run->analysis.refused_at);
	run->refused_from = end;
	splice_sort(&run->splices);
	splice_separate(&run->splices, run->sql);
	size_t kept = 0;
	while (kept < run->splices.count && run->splices.items[kept].offset + run->splices.items[kept].len <= end)
		kept++;
	struct buf text;
	buf_init(&text);
	run->splices.count = kept;
	splice_apply(&run->splices, run->sql, end, &text);
	buf_append_str(&text, end ? " SELECT " REWRITE_REFUSAL_MARK : "SELECT " REWRITE_REFUSAL_MARK);
	struct rewrite *rewrite = finish(run, REWRITE_REFUSED, buf_slice(&text), end);
	buf_deinit(&text);
	return rewrite;
}

/* ---- encodings ---- */

static void refuse_encoding(struct run *run, const char *why)
{
	struct error *error = analysis_refuse(&run->analysis, 0, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "statement cannot be read in this client_encoding");
	error_detail(error, "%s", why);
	error_hint(error, "SET client_encoding TO UTF8.");
}

struct rewrite *run_refuse(struct run *run, const char *why)
{
	refuse_encoding(run, why);
	while (run->statement_count > 1)
		statement_shape_unref(run->statements[--run->statement_count].shape);
	if (run->statement_count)
		run->statements[0].effect_count = 0;
	return finish_refused(run, 0);
}

static struct rewrite *finish_text(struct run *run)
{
	splice_sort(&run->splices);
	splice_separate(&run->splices, run->sql);
	if (encoding_garbles(&run->splices, run->state, run->ruleset))
		return run_refuse(run, "What it becomes has names of the map beyond ASCII, which are UTF-8.");
	if (run->splices.count == 0)
		return finish(run, REWRITE_UNCHANGED, slice_of(NULL, 0), run->sql.len);
	struct buf text;
	buf_init(&text);
	splice_apply(&run->splices, run->sql, run->sql.len, &text);
	struct rewrite *rewrite = finish(run, REWRITE_REWRITTEN, buf_slice(&text), run->sql.len);
	buf_deinit(&text);
	return rewrite;
}

static void drop_statements(struct run *run)
{
	for (size_t i = 0; i < run->statement_count; i++)
		statement_shape_unref(run->statements[i].shape);
	run->statement_count = 0;
}

/* ---- parsed texts ---- */

static enum statement_kind kind_of(const PgQuery__Node *node, const struct analysis *a)
{
	switch (node->node_case) {
	case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
		return STATEMENT_TRANSACTION;
	case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
	case PG_QUERY__NODE__NODE_DISCARD_STMT:
		return STATEMENT_SET;
	case PG_QUERY__NODE__NODE_PREPARE_STMT:
	case PG_QUERY__NODE__NODE_EXECUTE_STMT:
	case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
		return STATEMENT_PREPARED;
	default:
		return a->changes_catalog ? STATEMENT_DDL : STATEMENT_QUERY;
	}
}

static bool is_query(const PgQuery__Node *node)
{
	switch (node->node_case) {
	case PG_QUERY__NODE__NODE_SELECT_STMT:
	case PG_QUERY__NODE__NODE_INSERT_STMT:
	case PG_QUERY__NODE__NODE_UPDATE_STMT:
	case PG_QUERY__NODE__NODE_DELETE_STMT:
	case PG_QUERY__NODE__NODE_MERGE_STMT:
		return true;
	default:
		return false;
	}
}

static size_t first_token_from(const struct token_list *tokens, size_t offset)
{
	size_t low = 0, high = tokens->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (tokens->items[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void keep_statement(struct run *run, const PgQuery__Node *node)
{
	struct analysis *a = &run->analysis;
	struct rewrite_statement *statement = &run->statements[run->statement_count++];
	statement->kind = kind_of(node, a);
	statement->shape = analysis_shape(a, run->tools->settings.normalised_bytes);
	statement->effects = NULL;
	statement->effect_count = 0;
	statement->notice = NULL;
	if (a->refused)
		return;
	struct effect *effects = (struct effect *)analysis_effects(a, &statement->effect_count);
	statement->effects = effects;
	statement->notice = a->notice;
	for (size_t i = 0; i < statement->effect_count; i++) {
		if (effects[i].kind == EFFECT_PREPARE)
			effects[i].shape = statement->shape;
	}
}

/* The state that the next statement of the text will see. */
static const struct session_state *follow(struct run *run, const struct session_state *now)
{
	const struct rewrite_statement *last = &run->statements[run->statement_count - 1];
	struct run_tools *tools = run->tools;
	if (last->effect_count == 0)
		return now;
	if (now != tools->follow) {
		if (!tools->follow)
			tools->follow = session_state_new("", "", NULL);
		session_state_assign(tools->follow, now);
	}
	for (size_t i = 0; i < last->effect_count; i++)
		session_state_apply(tools->follow, &last->effects[i]);
	return tools->follow;
}

static void refuse_unknown_path(struct analysis *a)
{
	struct error *error = analysis_refuse(a, a->needs_search_path_at, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "search_path is not known at this point of the text");
	error_detail(error, "A statement before it, in the same text, sets it to a value only the server knows.");
	error_hint(error, "Send the statements one by one, or qualify the table's name with its schema.");
}

static struct rewrite *go_through_tree(struct run *run, const PgQuery__ParseResult *tree)
{
	struct analysis *a = &run->analysis;
	const struct session_state *now = run->state;
	run->statements = ARENA_ARRAY(a->arena, tree->n_stmts, struct rewrite_statement);
	run->general = true;
	for (size_t i = 0; i < tree->n_stmts; i++) {
		const PgQuery__RawStmt *raw = tree->stmts[i];
		run->general &= is_query(raw->stmt);
		size_t start = (size_t)raw->stmt_location;
		size_t end = raw->stmt_len ? start + (size_t)raw->stmt_len : run->sql.len;
		size_t first = first_token_from(a->tokens, start);
		analysis_run(a, now, raw->stmt, first, first_token_from(a->tokens, end));
		if (a->needs_search_path && now == run->state) {
			drop_statements(run);
			return result_need_search_path();
		}
		if (a->needs_search_path && !a->refused)
			refuse_unknown_path(a);
		keep_statement(run, raw->stmt);
		if (a->refused)
			return finish_refused(run, start);
		if (i + 1 < tree->n_stmts)
			now = follow(run, now);
	}
	return finish_text(run);
}

/* ---- texts without a tree ---- */

static void refuse_unparsed(struct run *run, enum parse_status status, const struct ruleset_name *name,
			    size_t offset)
{
	struct analysis *a = &run->analysis;
	struct slice written = resolve_spelled(a->arena, name->written);
	if (status == PARSE_REJECTED) {
		struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
						      "statement names %s, which is to be rewritten, but cannot be parsed",
						      written.data);
		error_detail(error, "crossfade knows the grammar of PostgreSQL %d; the statement is newer or wrong.",
			     parse_grammar_major());
		error_hint(error, "Write %s, the table's present name.",
			   resolve_spelled(a->arena, name->physical).data);
		return;
	}
	struct error *error = analysis_refuse(a, offset, SQLSTATE_LIMIT_EXCEEDED,
					      "statement names %s, which is to be rewritten, but is too %s",
					      written.data, status == PARSE_TOO_LONG ? "long" : "deeply nested");
	error_hint(error, "Split the statement, write %s, or raise limits.%s.", resolve_spelled(a->arena, name->physical).data,
		   status == PARSE_TOO_LONG ? "parse_bytes" : "parse_nesting");
}

/* Would the server, without our help, read the text as we did? Then its own error is the better answer. */
static bool server_will_reject(const struct run *run)
{
	const struct facts *facts = run->ruleset->facts;
	int version = facts ? facts->server_version : 0;
	return version && version / 10000 <= parse_grammar_major() &&
	       session_state_encoding(run->state) == ENCODING_UTF8;
}

static struct rewrite *go_without_tree(struct run *run, enum parse_status status)
{
	struct analysis *a = &run->analysis;
	size_t offset = 0;
	const struct ruleset_name *name = unparsed_scan(a, run->state, &offset);
	bool forward = !name || (status == PARSE_REJECTED &&
				 (server_will_reject(run) ||
				  run->ruleset->policy.newer_syntax == NEWER_SYNTAX_PASS));
	if (!forward)
		refuse_unparsed(run, status, name, offset);
	else if (a->needs_search_path && !server_will_reject(run))
		return result_need_search_path();
	run->statements = ARENA_ARRAY(a->arena, 1, struct rewrite_statement);
	run->statements[0].kind = STATEMENT_UNPARSED;
	run->statements[0].shape = analysis_shape(a, run->tools->settings.normalised_bytes);
	if (forward && !server_will_reject(run))
		unparsed_effects(a);
	run->statements[0].effects = analysis_effects(a, &run->statements[0].effect_count);
	run->statement_count = 1;
	return forward ? finish_text(run) : finish_refused(run, 0);
}

static struct rewrite *pass_with_unknown_effects(struct run *run)
{
	struct analysis *a = &run->analysis;
	a->effects_tail = &a->effects;
	effects_unknown(a);
	run->statements = ARENA_ARRAY(a->arena, 1, struct rewrite_statement);
	run->statements[0].kind = STATEMENT_UNPARSED;
	run->statements[0].effects = analysis_effects(a, &run->statements[0].effect_count);
	run->statement_count = 1;
	return finish_text(run);
}

struct rewrite *run_unlexable(struct run *run)
{
	if (!run->ruleset->has_wide_names && !prefilter_mentions_bytes(run->sql, run->ruleset))
		return prefilter_effect_in_bytes(run->sql) ? pass_with_unknown_effects(run) : result_nothing();
	refuse_encoding(run, "It seems to name a mapped table, and its characters may contain bytes of other characters.");
	return finish_refused(run, 0);
}

/* ---- parsing ---- */

/* The thread that runs decides how deep a text may be, and it may not be the one that made the rewriter. */
static void measure_stack(struct run_tools *tools)
{
	if (tools->stack_measured)
		return;
	tools->stack_measured = true;
	uint32_t possible = parse_stack_nesting();
	if (tools->settings.nesting > possible)
		tools->settings.nesting = possible;
}

struct rewrite *run_parse(struct run *run)
{
	struct run_tools *tools = run->tools;
	const PgQuery__ParseResult *tree;
	measure_stack(tools);
	struct parse_limits limits = { tools->settings.parse_bytes, tools->settings.nesting };
	struct parse_times *times = tools->settings.parse_times;
	uint64_t began_us = times ? clock_monotonic_us() : 0;
	enum parse_status status = parse_run(&tools->arena, run->sql, run->tokens,
					     session_state_standard_strings(run->state), limits, run->ruleset,
					     &tree);
	if (times)
		parse_times_add(times, clock_monotonic_us() - began_us);
	return status == PARSE_OK ? go_through_tree(run, tree) : go_without_tree(run, status);
}
