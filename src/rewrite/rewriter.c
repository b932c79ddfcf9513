/*
 * The facade:
 *
 *   text → cache of texts ─────────────────→ result, as often as not
 *            └→ lexer → cache of skeletons → result, if only literals are new
 *                      └→ prefilter ───────→ unchanged, shared result
 *                      └→ parse ─→ analysis of each statement ─→ splices ─→ result
 *                            └→ unparsed ──────────────────────────────────→ result
 */
#include "rewrite/rewriter.h"

#include "base/clock.h"
#include "base/memory.h"
#include "rewrite/analysis.h"
#include "rewrite/encoding.h"
#include "rewrite/explain.h"
#include "rewrite/normalise.h"
#include "rewrite/parse.h"
#include "rewrite/position_map.h"
#include "rewrite/prefilter.h"
#include "rewrite/resolve.h"
#include "rewrite/result.h"
#include "rewrite/recipe.h"
#include "rewrite/rewrite_cache.h"
#include "rewrite/skeleton.h"
#include "rewrite/unparsed.h"
#include "rewrite/walk.h"

#include <stdlib.h>

struct rewriter {
	struct rewriter_settings settings;
	struct token_list tokens, scratch;
	struct skeleton skeleton;
	struct token_list varied_tokens; /* of the second run that proves a recipe */
	struct skeleton varied_skeleton;
	struct buf text;
	struct arena arena;
	struct session_state *follow; /* effects between the statements of one text */
	struct rewrite_cache *cache; /* NULL: none */
	uint32_t recipes_in_a_row;   /* texts that recipes have served since another one came */
	bool stack_measured;
};

/* One run. */
struct run {
	struct rewriter *rewriter;
	struct slice sql;
	const struct token_list *tokens;
	const struct session_state *state;
	const struct ruleset *ruleset;
	struct analysis analysis;
	struct splice_list splices;
	struct rewrite_statement *statements;
	size_t statement_count;
	bool general; /* queries and DML only */
	size_t refused_from; /* where the refused statement begins */
};

struct rewriter_settings rewriter_settings_default(void)
{
	return (struct rewriter_settings){ .parse_bytes = 1024 * 1024,
					   .nesting = 8000,
					   .cache_bytes = 16 * 1024 * 1024,
					   .normalised_bytes = 8 * 1024 };
}

struct rewriter *rewriter_new(struct rewriter_settings settings)
{
	struct rewriter *rewriter = memory_zalloc(sizeof(*rewriter));
	rewriter->settings = settings;
	token_list_init(&rewriter->tokens);
	token_list_init(&rewriter->scratch);
	token_list_init(&rewriter->varied_tokens);
	skeleton_init(&rewriter->skeleton);
	skeleton_init(&rewriter->varied_skeleton);
	buf_init(&rewriter->text);
	arena_init(&rewriter->arena);
	rewriter->cache = settings.cache_bytes ? rewrite_cache_new(settings.cache_bytes) : NULL;
	return rewriter;
}

void rewriter_free(struct rewriter *rewriter)
{
	if (!rewriter)
		return;
	token_list_deinit(&rewriter->tokens);
	token_list_deinit(&rewriter->scratch);
	token_list_deinit(&rewriter->varied_tokens);
	skeleton_deinit(&rewriter->skeleton);
	skeleton_deinit(&rewriter->varied_skeleton);
	buf_deinit(&rewriter->text);
	arena_deinit(&rewriter->arena);
	session_state_free(rewriter->follow);
	rewrite_cache_free(rewriter->cache);
	free(rewriter);
}

/* The thread that runs decides how deep a text may be, and it may not be the one that made the rewriter. */
static void measure_stack(struct rewriter *rewriter)
{
	if (rewriter->stack_measured)
		return;
	rewriter->stack_measured = true;
	uint32_t possible = parse_stack_nesting();
	if (rewriter->settings.nesting > possible)
		rewriter->settings.nesting = possible;
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
		  run->rewriter->settings.normalised_bytes, &text);
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
	run->analysis.refusal.position = position_of(run, run->analysis.refused_at);
	run->refused_from = end;
	splice_sort(&run->splices);
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

/* None of the text's statements is sent. */
static struct rewrite *refuse_all(struct run *run, const char *why)
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
	if (encoding_garbles(&run->splices, run->state, run->ruleset))
		return refuse_all(run, "What it becomes has names of the map beyond ASCII, which are UTF-8.");
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
	statement->shape = analysis_shape(a, run->rewriter->settings.normalised_bytes);
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
	struct rewriter *rewriter = run->rewriter;
	if (last->effect_count == 0)
		return now;
	if (now != rewriter->follow) {
		if (!rewriter->follow)
			rewriter->follow = session_state_new("", "", NULL);
		session_state_assign(rewriter->follow, now);
	}
	for (size_t i = 0; i < last->effect_count; i++)
		session_state_apply(rewriter->follow, &last->effects[i]);
	return rewriter->follow;
}

static void refuse_unknown_path(struct analysis *a)
{
	struct error *error = analysis_refuse(a, a->needs_search_path_at, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "search_path is not known at this point of the text");
	error_detail(error, "A statement before it, in the same text, sets it to a value only the server knows.");
	error_hint(error, "Send the statements one by one, or qualify the table's name with its schema.");
}

static struct rewrite *run_parsed(struct run *run, const PgQuery__ParseResult *tree)
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

static struct rewrite *run_unparsed(struct run *run, enum parse_status status)
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
	run->statements[0].shape = analysis_shape(a, run->rewriter->settings.normalised_bytes);
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

/* Bytes that cannot be lexed: a name in them cannot be found, so it must not matter. */
static struct rewrite *run_unlexable(struct run *run)
{
	if (!run->ruleset->has_wide_names && !prefilter_mentions_bytes(run->sql, run->ruleset))
		return prefilter_effect_in_bytes(run->sql) ? pass_with_unknown_effects(run) : result_nothing();
	refuse_encoding(run, "It seems to name a mapped table, and its characters may contain bytes of other characters.");
	return finish_refused(run, 0);
}

/* ---- one run ---- */

static void start(struct run *run, struct rewriter *rewriter, struct slice sql, const struct token_list *tokens,
		  const struct session_state *state, const struct ruleset *ruleset)
{
	arena_reset(&rewriter->arena);
	*run = (struct run){ .rewriter = rewriter, .sql = sql, .tokens = tokens, .state = state, .ruleset = ruleset };
	splice_list_init(&run->splices, &rewriter->arena);
	analysis_init(&run->analysis, &rewriter->arena, sql, tokens, ruleset, &run->splices);
}

enum {
	LONGEST_NAME_BYTES = 1024, /* three quoted names, each character written twice */
	LONGEST_ARRAY_BYTES = 64 * 1024,
};

size_t rewriter_parameter(struct rewriter *rewriter, struct slice value, const struct session_state *state,
			  const struct ruleset *ruleset, struct buf *out, struct use *uses_out, size_t most)
{
	struct run run;
	size_t count = 0, longest = memchr(value.data, '{', value.len) ? LONGEST_ARRAY_BYTES : LONGEST_NAME_BYTES;
	if (value.len > longest || encoding_cannot_be_lexed(value, state))
		return 0;
	start(&run, rewriter, value, &rewriter->tokens, state, ruleset);
	run.analysis.state = state;
	run.analysis.uses_tail = &run.analysis.uses;
	if (!strings_value(&run.analysis, value, out))
		return 0;
	for (const struct noted_use *noted = run.analysis.uses; noted && count < most; noted = noted->next)
		uses_out[count++] = noted->use;
	return count;
}

static struct rewrite *analyse(struct run *run)
{
	struct rewriter *rewriter = run->rewriter;
	const PgQuery__ParseResult *tree;
	measure_stack(rewriter);
	struct parse_limits limits = { rewriter->settings.parse_bytes, rewriter->settings.nesting };
	struct parse_times *times = rewriter->settings.parse_times;
	uint64_t began_us = times ? clock_monotonic_us() : 0;
	enum parse_status status = parse_run(&rewriter->arena, run->sql, run->tokens,
					     session_state_standard_strings(run->state), limits, run->ruleset,
					     &tree);
	if (times)
		parse_times_add(times, clock_monotonic_us() - began_us);
	return status == PARSE_OK ? run_parsed(run, tree) : run_unparsed(run, status);
}

/* Texts that are done without a run; NULL for all others. */
static struct rewrite *without_run(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
				   const struct ruleset *ruleset, bool *literals_read_out)
{
	bool has_temp = session_state_has_any_temp(state);
	*literals_read_out = false;
	switch (prefilter_run(sql, &rewriter->tokens, ruleset, has_temp, &rewriter->scratch)) {
	case PREFILTER_NOTHING_IN_LITERALS:
		*literals_read_out = true;
		return rewriter->tokens.status == LEXER_OK ? result_nothing() : NULL;
	case PREFILTER_NOTHING:
		return rewriter->tokens.status == LEXER_OK ? result_nothing() : NULL;
	case PREFILTER_BEGIN:
		return result_transaction(EFFECT_BEGIN);
	case PREFILTER_COMMIT:
		return result_transaction(EFFECT_COMMIT);
	case PREFILTER_ROLLBACK:
		return result_transaction(EFFECT_ROLLBACK);
	default:
		return NULL;
	}
}

/* ---- recipes ---- */

static struct recipe *recipe_of(const struct run *run, const struct skeleton *skeleton, const struct rewrite *rewrite)
{
	struct recipe_text text = { run->sql, run->tokens, skeleton };
	struct recipe_source source = { &text, &run->splices, run->analysis.consulted, rewrite,
					session_state_encoding(run->state) };
	return run->general && !run->analysis.consulted_all ? recipe_new(&source) : NULL;
}

/* Does a run over a text with other literals and longer lists find the same? */
static bool prove(struct rewriter *rewriter, const struct recipe *recipe, const struct recipe_text *text,
		  const struct session_state *state, const struct ruleset *ruleset)
{
	struct run run;
	buf_clear(&rewriter->text);
	recipe_vary(recipe, text, &rewriter->text);
	struct slice varied = buf_slice(&rewriter->text);
	lexer_run(varied, session_state_standard_strings(state), &rewriter->varied_tokens);
	if (!skeleton_build(&rewriter->varied_skeleton, varied, &rewriter->varied_tokens) ||
	    !slice_eq(buf_slice(&rewriter->varied_skeleton.bytes), buf_slice(&text->skeleton->bytes)))
		return false;
	start(&run, rewriter, varied, &rewriter->varied_tokens, state, ruleset);
	struct rewrite *rewrite = analyse(&run);
	struct recipe *second = recipe_of(&run, &rewriter->varied_skeleton, rewrite);
	bool same = second && recipe_eq(recipe, second);
	recipe_free(second);
	rewrite_unref(rewrite);
	return same;
}

static void learn(struct run *run, struct rewrite_cache_key key, const struct recipe_text *text,
		  const struct rewrite *found)
{
	struct rewriter *rewriter = run->rewriter;
	if (!rewrite_cache_wants_recipe(rewriter->cache, key))
		return;
	struct recipe *recipe = recipe_of(run, text->skeleton, found);
	if (recipe && !prove(rewriter, recipe, text, run->state, run->ruleset)) {
		recipe_free(recipe);
		recipe = NULL;
	}
	rewrite_cache_put_recipe(rewriter->cache, key, buf_slice(&text->skeleton->bytes), recipe);
}

static void learn_nothing(struct rewriter *rewriter, struct rewrite_cache_key key, const struct recipe_text *text)
{
	struct recipe_source source = { .text = text, .rewrite = result_nothing() };
	if (rewrite_cache_wants_recipe(rewriter->cache, key))
		rewrite_cache_put_recipe(rewriter->cache, key, buf_slice(&text->skeleton->bytes), recipe_new(&source));
}

enum { LONG_BYTES = 2048 };

static struct recipe *recipe_of_short(struct rewriter *rewriter, const struct recipe_text *brief,
				      const struct session_state *state, const struct ruleset *ruleset)
{
	struct run run;
	start(&run, rewriter, brief->sql, brief->tokens, state, ruleset);
	struct rewrite *found = analyse(&run);
	struct recipe *recipe = recipe_of(&run, brief->skeleton, found);
	rewrite_unref(found);
	if (!recipe || prove(rewriter, recipe, brief, state, ruleset))
		return recipe;
	recipe_free(recipe);
	return NULL;
}

/* A long list is not parsed at all: what holds for two of its members holds for all. */
static struct rewrite *run_short(struct rewriter *rewriter, const struct recipe_text *text,
				 struct rewrite_cache_key *key, const struct session_state *state,
				 const struct ruleset *ruleset)
{
	struct token_list tokens;
	struct skeleton skeleton;
	struct buf sql;
	struct rewrite *known = NULL;
	if (!key->context || !text->skeleton->list_count || text->sql.len < LONG_BYTES)
		return NULL;
	token_list_init(&tokens);
	skeleton_init(&skeleton);
	buf_init(&sql);
	recipe_shorten(text, &sql);
	lexer_run(buf_slice(&sql), session_state_standard_strings(state), &tokens);
	struct recipe_text brief = { buf_slice(&sql), &tokens, &skeleton };
	if (sql.len < text->sql.len / 2 && skeleton_build(&skeleton, brief.sql, &tokens) &&
	    slice_eq(buf_slice(&skeleton.bytes), buf_slice(&text->skeleton->bytes))) {
		struct recipe *recipe = recipe_of_short(rewriter, &brief, state, ruleset);
		if (recipe)
			known = recipe_apply(recipe, text, session_state_encoding(state));
		if (rewrite_cache_wants_recipe(rewriter->cache, *key))
			rewrite_cache_put_recipe(rewriter->cache, *key, buf_slice(&text->skeleton->bytes), recipe);
		else
			recipe_free(recipe);
		key->context = 0; /* nothing more to learn */
	}
	token_list_deinit(&tokens);
	skeleton_deinit(&skeleton);
	buf_deinit(&sql);
	return known;
}

/* NULL: all of it must be parsed. */
static struct rewrite *run_quickly(struct rewriter *rewriter, const struct recipe_text *text,
				   struct rewrite_cache_key *key, const struct session_state *state,
				   const struct ruleset *ruleset)
{
	bool literals_read;
	struct rewrite *known = without_run(rewriter, text->sql, state, ruleset, &literals_read);
	if (!known)
		return run_short(rewriter, text, key, state, ruleset);
	if (known == result_nothing() && !literals_read)
		learn_nothing(rewriter, *key, text);
	return known;
}

static struct rewrite *run_in_full(struct rewriter *rewriter, const struct recipe_text *text,
				   struct rewrite_cache_key key, const struct session_state *state,
				   const struct ruleset *ruleset)
{
	struct run run;
	struct rewrite *known;
	start(&run, rewriter, text->sql, text->tokens, state, ruleset);
	known = analyse(&run);
	if (known->outcome == REWRITE_UNCHANGED || known->outcome == REWRITE_REWRITTEN)
		learn(&run, key, text, known);
	return known;
}

/* ---- the whole run ---- */

/* Lexes first. NULL: not without a parse, and that was not wanted. */
static struct rewrite *run_lexed(struct rewriter *rewriter, struct slice sql, uint32_t context,
				 const struct session_state *state, const struct ruleset *ruleset, bool may_parse,
				 bool *cheap_out)
{
	const struct recipe *recipe;
	struct rewrite_cache_key key = { 0, 0 };
	struct recipe_text text = { sql, &rewriter->tokens, &rewriter->skeleton };
	lexer_run(sql, session_state_standard_strings(state), &rewriter->tokens);
	if (context && sql.len <= rewriter->settings.parse_bytes &&
	    skeleton_build(&rewriter->skeleton, sql, &rewriter->tokens))
		key = rewrite_cache_skeleton_key(context, buf_slice(&rewriter->skeleton.bytes));
	if (key.context) {
		switch (rewrite_cache_recipe(rewriter->cache, key, &text, &recipe)) {
		case RECIPE_KNOWN:
			*cheap_out = true;
			return recipe_apply(recipe, &text, session_state_encoding(state));
		case RECIPE_NONE:
			key.context = 0;
			break;
		case RECIPE_UNKNOWN:
			break;
		}
	}
	struct rewrite *known = run_quickly(rewriter, &text, &key, state, ruleset);
	return known || !may_parse ? known : run_in_full(rewriter, &text, key, state, ruleset);
}

enum { MANY_RECIPES = 64, LOOKS_EVERY = 16, SHORT_BYTES = 256 };

/* Where each text has other literals, the exact text is looked for in vain: of short ones, a few
 * are enough to see when that changes. */
static bool may_be_the_same(const struct rewriter *rewriter, struct slice sql)
{
	return rewriter->recipes_in_a_row < MANY_RECIPES || rewriter->recipes_in_a_row % LOOKS_EVERY == 0 || sql.len > SHORT_BYTES;
}

static struct rewrite *run_cached(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
				  const struct ruleset *ruleset, bool may_parse)
{
	uint32_t context = rewrite_cache_context(rewriter->cache, state, ruleset);
	struct rewrite_cache_key key = rewrite_cache_text_key(may_be_the_same(rewriter, sql) ? context : 0, sql);
	struct rewrite *known = rewrite_cache_get(rewriter->cache, key, sql);
	bool cheap = false;
	if (known) {
		rewriter->recipes_in_a_row = 0;
		return known;
	}
	known = run_lexed(rewriter, sql, context, state, ruleset, may_parse, &cheap);
	rewriter->recipes_in_a_row = cheap ? rewriter->recipes_in_a_row + 1 : 0;
	if (known)
		rewrite_cache_put(rewriter->cache, key, sql, known, cheap);
	return known;
}

enum { QUICK_BYTES = 256 * 1024 };

struct rewrite *rewriter_known(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
			       const struct ruleset *ruleset)
{
	if (sql.len > QUICK_BYTES || encoding_cannot_be_lexed(sql, state) ||
	    encoding_may_hide_names(sql, state, ruleset, &rewriter->tokens))
		return NULL;
	return run_cached(rewriter, sql, state, ruleset, false);
}

struct rewrite *rewriter_run(struct rewriter *rewriter, struct slice sql, enum rewrite_protocol protocol,
			     const struct session_state *state, const struct ruleset *ruleset)
{
	struct run run;
	if (encoding_cannot_be_lexed(sql, state)) {
		start(&run, rewriter, sql, &rewriter->tokens, state, ruleset);
		return run_unlexable(&run);
	}
	if (encoding_may_hide_names(sql, state, ruleset, &rewriter->tokens)) {
		start(&run, rewriter, sql, &rewriter->tokens, state, ruleset);
		return refuse_all(&run, "It has names beyond ASCII, and so has the map, whose names are UTF-8.");
	}
	return run_cached(rewriter, sql, state, ruleset, true);
}

struct rewrite_cache_stats rewriter_cache_stats(const struct rewriter *rewriter)
{
	return rewriter->cache ? rewrite_cache_stats(rewriter->cache) : (struct rewrite_cache_stats){ 0 };
}

/* ---- explain ---- */

struct rewrite *rewriter_explain(struct rewriter *rewriter, struct slice sql, enum rewrite_protocol protocol,
				 const struct session_state *state, const struct ruleset *ruleset,
				 struct arena *arena, struct rewrite_explanation *explanation_out)
{
	struct run run;
	bool literals_read;
	*explanation_out = (struct rewrite_explanation){ NULL, 0 };
	if (encoding_cannot_be_lexed(sql, state) || encoding_may_hide_names(sql, state, ruleset, &rewriter->tokens))
		return rewriter_run(rewriter, sql, protocol, state, ruleset);
	lexer_run(sql, session_state_standard_strings(state), &rewriter->tokens);
	struct rewrite *known = without_run(rewriter, sql, state, ruleset, &literals_read);
	if (known)
		return known;
	start(&run, rewriter, sql, &rewriter->tokens, state, ruleset);
	run.analysis.explaining = true;
	struct rewrite *rewrite = analyse(&run);
	explain_collect(&run.analysis, run.refused_from, arena, explanation_out);
	return rewrite;
}
