/*
 * Results by exact text, bounded in bytes. The key is the text and everything
 * else a result depends on (the ruleset, the role, search_path, how text is
 * read), compared in full, never by hash alone. A text is kept once it has
 * been seen a second time, so that statements that come only once flush
 * nothing. Sessions with temporary tables bypass it.
 */
#ifndef CROSSFADE_REWRITE_REWRITE_CACHE_H
#define CROSSFADE_REWRITE_REWRITE_CACHE_H

#include "rewrite/rewriter.h"

struct rewrite_cache;

struct rewrite_cache *rewrite_cache_new(size_t most_bytes);
void rewrite_cache_free(struct rewrite_cache *cache);

/* Where a result would be: valid until the next call for this cache. */
struct rewrite_cache_key {
	uint32_t context; /* 0: not to be cached */
	uint64_t hash;
};
struct rewrite_cache_key rewrite_cache_key(struct rewrite_cache *cache, struct slice sql,
					   const struct session_state *state, const struct ruleset *ruleset);
/* NULL or a result with a reference of its own. */
struct rewrite *rewrite_cache_get(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice sql);
/* Takes a reference of its own when it keeps the result. */
void rewrite_cache_put(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice sql,
		       struct rewrite *rewrite);

struct rewrite_cache_stats {
	uint64_t hits, misses, evicted;
	size_t entries, bytes;
};
struct rewrite_cache_stats rewrite_cache_stats(const struct rewrite_cache *cache);

#endif
