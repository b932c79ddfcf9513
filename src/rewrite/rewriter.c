/*
 * The facade:
 *
 *   text → cache of texts ─────────────────→ result, as often as not
 *            └→ lexer → cache of skeletons → result, if only literals are new
 *                      └→ prefilter ───────→ unchanged, shared result
 *                      └→ run (run.h) ─────→ result, and a recipe for texts like it
 */
#include "rewrite/rewriter.h"

#include "base/memory.h"
#include "rewrite/encoding.h"
#include "rewrite/explain.h"
#include "rewrite/prefilter.h"
#include "rewrite/recipe.h"
#include "rewrite/result.h"
#include "rewrite/rewrite_cache.h"
#include "rewrite/run.h"
#include "rewrite/skeleton.h"
#include "rewrite/walk.h"

#include <stdlib.h>

struct rewriter {
	struct run_tools tools;
	struct token_list tokens, scratch;
	struct skeleton skeleton;
	struct token_list varied_tokens; /* of the second run that proves a recipe */
	struct skeleton varied_skeleton;
	struct buf text;
	struct rewrite_cache *cache; /* NULL: none */
	uint32_t recipes_in_a_row;   /* texts that recipes have served since another one came */
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
	run_tools_init(&rewriter->tools, &settings);
	token_list_init(&rewriter->tokens);
	token_list_init(&rewriter->scratch);
	token_list_init(&rewriter->varied_tokens);
	skeleton_init(&rewriter->skeleton);
	skeleton_init(&rewriter->varied_skeleton);
	buf_init(&rewriter->text);
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
	run_tools_deinit(&rewriter->tools);
	rewrite_cache_free(rewriter->cache);
	free(rewriter);
}

/* ---- values that are read as names ---- */

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
	run_init(&run, &rewriter->tools, value, &rewriter->tokens, state, ruleset);
	run.analysis.state = state;
	run.analysis.uses_tail = &run.analysis.uses;
	if (!strings_value(&run.analysis, value, out))
		return 0;
	for (const struct noted_use *noted = run.analysis.uses; noted && count < most; noted = noted->next)
		uses_out[count++] = noted->use;
	return count;
}

/* ---- without a run ---- */

/* Texts that are done without a run; NULL for all others. */
static struct rewrite *without_run(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
				   const struct ruleset *ruleset, bool *literals_read_out)
{
	bool has_temp = session_state_has_any_temp(state) || session_state_has_own_relations(state);
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
	run_init(&run, &rewriter->tools, varied, &rewriter->varied_tokens, state, ruleset);
	struct rewrite *rewrite = run_parse(&run);
	struct recipe *second = recipe_of(&run, &rewriter->varied_skeleton, rewrite);
	bool same = second && recipe_eq(recipe, second);
	recipe_free(second);
	rewrite_unref(rewrite);
	return same;
}

static void learn(struct rewriter *rewriter, struct run *run, struct rewrite_cache_key key,
		  const struct recipe_text *text, const struct rewrite *found)
{
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
	run_init(&run, &rewriter->tools, brief->sql, brief->tokens, state, ruleset);
	struct rewrite *found = run_parse(&run);
	struct recipe *recipe = recipe_of(&run, brief->skeleton, found);
	rewrite_unref(found);
	if (!recipe || prove(rewriter, recipe, brief, state, ruleset))
		return recipe;
	recipe_free(recipe);
	return NULL;
}

/* A long list is not parsed at all: what holds for two of its members holds for all. */
static struct rewrite *find_short(struct rewriter *rewriter, const struct recipe_text *text,
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
static struct rewrite *find_quickly(struct rewriter *rewriter, const struct recipe_text *text,
				   struct rewrite_cache_key *key, const struct session_state *state,
				   const struct ruleset *ruleset)
{
	bool literals_read;
	struct rewrite *known = without_run(rewriter, text->sql, state, ruleset, &literals_read);
	if (!known)
		return find_short(rewriter, text, key, state, ruleset);
	if (known == result_nothing() && !literals_read)
		learn_nothing(rewriter, *key, text);
	return known;
}

/* (A run is large: what does without has no frame for it.) */
__attribute__((noinline)) static struct rewrite *find_in_full(struct rewriter *rewriter, const struct recipe_text *text,
				   struct rewrite_cache_key key, const struct session_state *state,
				   const struct ruleset *ruleset)
{
	struct run run;
	struct rewrite *known;
	run_init(&run, &rewriter->tools, text->sql, text->tokens, state, ruleset);
	known = run_parse(&run);
	if (known->outcome == REWRITE_UNCHANGED || known->outcome == REWRITE_REWRITTEN)
		learn(rewriter, &run, key, text, known);
	return known;
}

/* ---- the whole run ---- */

/* Lexes first. NULL: not without a parse, and that was not wanted. */
static struct rewrite *find_lexed(struct rewriter *rewriter, struct slice sql, uint32_t context,
				 const struct session_state *state, const struct ruleset *ruleset, bool may_parse,
				 bool *cheap_out)
{
	const struct recipe *recipe;
	struct rewrite *known;
	struct rewrite_cache_key key = { 0, 0 };
	struct recipe_text text = { sql, &rewriter->tokens, &rewriter->skeleton };
	lexer_run(sql, session_state_standard_strings(state), &rewriter->tokens);
	if (context && sql.len <= rewriter->tools.settings.parse_bytes &&
	    skeleton_build(&rewriter->skeleton, sql, &rewriter->tokens))
		key = rewrite_cache_skeleton_key(context, buf_slice(&rewriter->skeleton.bytes));
	if (key.context) {
		switch (rewrite_cache_recipe(rewriter->cache, key, &text, &recipe)) {
		case RECIPE_KNOWN:
			known = recipe_apply(recipe, &text, session_state_encoding(state));
			*cheap_out = known != NULL;
			if (known)
				return known;
			key.context = 0;
			break;
		case RECIPE_NONE:
			key.context = 0;
			break;
		case RECIPE_UNKNOWN:
			break;
		}
	}
	known = find_quickly(rewriter, &text, &key, state, ruleset);
	return known || !may_parse ? known : find_in_full(rewriter, &text, key, state, ruleset);
}

enum { MANY_RECIPES = 64, LOOKS_EVERY = 16, SHORT_BYTES = 256 };

/* Where each text has other literals, the exact text is looked for in vain: of short ones, a few
 * are enough to see when that changes. */
static bool may_be_the_same(const struct rewriter *rewriter, struct slice sql)
{
	return rewriter->recipes_in_a_row < MANY_RECIPES || rewriter->recipes_in_a_row % LOOKS_EVERY == 0 || sql.len > SHORT_BYTES;
}

static struct rewrite *find_cached(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
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
	known = find_lexed(rewriter, sql, context, state, ruleset, may_parse, &cheap);
	rewriter->recipes_in_a_row = cheap ? rewriter->recipes_in_a_row + 1 : 0;
	if (known && key.context)
		rewrite_cache_put(rewriter->cache, key, sql, known, cheap);
	return known;
}

enum { QUICK_BYTES = 256 * 1024 };

static bool encoding_is_in_the_way(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
				   const struct ruleset *ruleset)
{
	return session_state_encoding(state) != ENCODING_UTF8 &&
	       (encoding_cannot_be_lexed(sql, state) || encoding_may_hide_names(sql, state, ruleset, &rewriter->tokens));
}

struct rewrite *rewriter_known(struct rewriter *rewriter, struct slice sql, const struct session_state *state,
			       const struct ruleset *ruleset)
{
	if (sql.len > QUICK_BYTES || encoding_is_in_the_way(rewriter, sql, state, ruleset))
		return NULL;
	return find_cached(rewriter, sql, state, ruleset, false);
}

/* (Apart, so that the run of everybody else has no frame.) */
__attribute__((noinline)) static struct rewrite *run_encoded(struct rewriter *rewriter, struct slice sql,
							     const struct session_state *state, const struct ruleset *ruleset)
{
	struct run run;
	if (!encoding_is_in_the_way(rewriter, sql, state, ruleset))
		return find_cached(rewriter, sql, state, ruleset, true);
	run_init(&run, &rewriter->tools, sql, &rewriter->tokens, state, ruleset);
	if (encoding_cannot_be_lexed(sql, state))
		return run_unlexable(&run);
	return run_refuse(&run, "It has names beyond ASCII, and so has the map, whose names are UTF-8.");
}

struct rewrite *rewriter_run(struct rewriter *rewriter, struct slice sql, enum rewrite_protocol protocol,
			     const struct session_state *state, const struct ruleset *ruleset)
{
	if (session_state_encoding(state) != ENCODING_UTF8)
		return run_encoded(rewriter, sql, state, ruleset);
	return find_cached(rewriter, sql, state, ruleset, true);
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
	if (encoding_is_in_the_way(rewriter, sql, state, ruleset))
		return rewriter_run(rewriter, sql, protocol, state, ruleset);
	lexer_run(sql, session_state_standard_strings(state), &rewriter->tokens);
	struct rewrite *known = without_run(rewriter, sql, state, ruleset, &literals_read);
	if (known)
		return known;
	run_init(&run, &rewriter->tools, sql, &rewriter->tokens, state, ruleset);
	run.analysis.explaining = true;
	struct rewrite *rewrite = run_parse(&run);
	explain_collect(&run.analysis, run.refused_from, arena, explanation_out);
	return rewrite;
}
