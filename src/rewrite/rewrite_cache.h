/*
 * Results by exact text, and recipes by skeleton, which serve texts that
 * differ in literals alone; bounded in bytes together. The key is the text (or
 * skeleton) and everything else a result depends on (the ruleset, the role,
 * search_path, how text is read), compared in full, never by hash alone. What
 * is kept has been seen a second time, so that statements that come only once
 * flush nothing; what a recipe serves, a second time within a moment. Sessions with temporary tables bypass it.
 */
#ifndef CROSSFADE_REWRITE_REWRITE_CACHE_H
#define CROSSFADE_REWRITE_REWRITE_CACHE_H

#include "rewrite/recipe.h"
#include "rewrite/rewriter.h"

struct rewrite_cache;

struct rewrite_cache *rewrite_cache_new(size_t most_bytes);
void rewrite_cache_free(struct rewrite_cache *cache);

/* Where a result would be: valid until the next call of rewrite_cache_context. */
struct rewrite_cache_key {
	uint32_t context; /* 0: not to be cached */
	uint64_t hash;
};
/* Everything but the text. 0: this session bypasses the cache. */
uint32_t rewrite_cache_context(struct rewrite_cache *cache, const struct session_state *state,
			       const struct ruleset *ruleset);
struct rewrite_cache_key rewrite_cache_text_key(uint32_t context, struct slice sql);
struct rewrite_cache_key rewrite_cache_skeleton_key(uint32_t context, struct slice skeleton);

/* NULL or a result with a reference of its own. */
struct rewrite *rewrite_cache_get(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice sql);
/* Takes a reference of its own when it keeps the result. cheap: it came of a recipe, as it would again. */
void rewrite_cache_put(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice sql,
		       struct rewrite *rewrite, bool cheap);

enum recipe_answer {
	RECIPE_UNKNOWN,
	RECIPE_KNOWN,
	RECIPE_NONE, /* there can be none: do not try again */
};
enum recipe_answer rewrite_cache_recipe(struct rewrite_cache *cache, struct rewrite_cache_key key,
					const struct recipe_text *text, const struct recipe **recipe_out);
/* The skeleton was seen before: a recipe would be kept. */
bool rewrite_cache_wants_recipe(struct rewrite_cache *cache, struct rewrite_cache_key key);
/* Takes the recipe over; NULL: there is none. */
void rewrite_cache_put_recipe(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice skeleton,
			      struct recipe *recipe);

struct rewrite_cache_stats rewrite_cache_stats(const struct rewrite_cache *cache);

#endif
