#include "rewrite/rewrite_cache.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "rewrite/result.h"

#include <stdlib.h>

enum {
	CONTEXTS_MAX = 64,
	STAMPS = 256,		    /* remembered pairs of session stamp and context */
	SEEN_BITS = 1 << 19,	    /* texts seen once, roughly: … */
	SEEN_MOST = SEEN_BITS / 16, /* … of so many, one in sixteen new ones is taken for known */
	TEXT_MAX_BYTES = 64 * 1024, /* longer texts are not worth their room */
	RECENT_TEXTS = 256,	    /* that recipes have served: few, so that asking for one stays in the nearest memory */
	BUCKETS_LEAST = 256,
	SKELETON_CONTEXT = 1 << 16, /* told apart from texts of the same context */
};

struct entry {
	struct list_link recent; /* newest last */
	struct entry *chain;
	struct rewrite_cache_key key;
	struct rewrite *rewrite; /* of a text; NULL: this is a skeleton's */
	struct recipe *recipe;	 /* of a skeleton; NULL: it has none */
	size_t bytes;
	size_t len;
	char text[]; /* or skeleton */
};

/* What a result depends on besides its text. */
struct context {
	const struct ruleset *ruleset; /* told apart by address and version; never followed */
	uint64_t version;
	char *database, *user, *path; /* path NULL: unknown */
	bool standard_strings;
	enum encoding_class encoding;
};

struct remembered {
	uint64_t stamp;
	uint64_t version;
	uint32_t context;
};

struct rewrite_cache {
	size_t most_bytes;
	struct entry **buckets;
	size_t bucket_count;
	struct list_link recent;
	struct context contexts[CONTEXTS_MAX]; /* number n is contexts[n - 1] */
	uint32_t context_count;
	struct remembered remembered[STAMPS];
	uint8_t seen[SEEN_BITS / 8];
	uint32_t seen_count;
	uint64_t recent_texts[RECENT_TEXTS]; /* hashes */
	struct rewrite_cache_stats stats;
};

struct rewrite_cache *rewrite_cache_new(size_t most_bytes)
{
	struct rewrite_cache *cache = memory_zalloc(sizeof(*cache));
	cache->most_bytes = most_bytes;
	cache->bucket_count = BUCKETS_LEAST;
	cache->buckets = memory_zalloc(cache->bucket_count * sizeof(*cache->buckets));
	link_init(&cache->recent);
	return cache;
}

/* ---- entries ---- */

static struct entry **slot_of(struct rewrite_cache *cache, struct rewrite_cache_key key)
{
	return &cache->buckets[key.hash & (cache->bucket_count - 1)];
}

static void drop(struct rewrite_cache *cache, struct entry *entry)
{
	struct entry **at = slot_of(cache, entry->key);
	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	link_remove(&entry->recent);
	cache->stats.bytes -= entry->bytes;
	cache->stats.entries--;
	rewrite_unref(entry->rewrite);
	recipe_free(entry->recipe);
	free(entry);
}

static void drop_all(struct rewrite_cache *cache)
{
	LIST_FOR_EACH_SAFE(link, &cache->recent)
		drop(cache, LIST_ENTRY(link, struct entry, recent));
	for (uint32_t i = 0; i < cache->context_count; i++) {
		free(cache->contexts[i].database);
		free(cache->contexts[i].user);
		free(cache->contexts[i].path);
	}
	cache->context_count = 0;
	memset(cache->remembered, 0, sizeof(cache->remembered));
}

void rewrite_cache_free(struct rewrite_cache *cache)
{
	if (!cache)
		return;
	drop_all(cache);
	free(cache->buckets);
	free(cache);
}

static void grow(struct rewrite_cache *cache)
{
	size_t old_count = cache->bucket_count;
	struct entry **old = cache->buckets;
	cache->bucket_count = old_count * 2;
	cache->buckets = memory_zalloc(cache->bucket_count * sizeof(*cache->buckets));
	for (size_t i = 0; i < old_count; i++) {
		for (struct entry *entry = old[i], *next; entry; entry = next) {
			next = entry->chain;
			struct entry **slot = slot_of(cache, entry->key);
			entry->chain = *slot;
			*slot = entry;
		}
	}
	free(old);
}

/* ---- contexts ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool matches(const struct context *context, const struct session_state *state, const struct ruleset *ruleset)
{
	return context->ruleset == ruleset && context->version == ruleset->version &&
	       context->standard_strings == session_state_standard_strings(state) &&
	       context->encoding == session_state_encoding(state) &&
	       same_text(context->path, session_state_search_path_text(state)) &&
	       same_text(context->user, session_state_user(state)) &&
	       same_text(context->database, session_state_database(state));
}

/* A newer ruleset of a database makes the results of the older one useless, though
 * transactions begun under the older one may still ask for some. */
static bool is_outdated(const struct rewrite_cache *cache, const struct session_state *state,
			const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < cache->context_count; i++) {
		const struct context *context = &cache->contexts[i];
		if (same_text(context->database, session_state_database(state)) &&
		    context->version < ruleset->version)
			return true;
	}
	return false;
}

static uint32_t find_context(struct rewrite_cache *cache, const struct session_state *state,
			     const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < cache->context_count; i++) {
		if (matches(&cache->contexts[i], state, ruleset))
			return i + 1;
	}
	if (cache->context_count == CONTEXTS_MAX || is_outdated(cache, state, ruleset))
		drop_all(cache);
	cache->contexts[cache->context_count++] = (struct context){
		.ruleset = ruleset,
		.version = ruleset->version,
		.database = memory_strdup(session_state_database(state)),
		.user = memory_strdup(session_state_user(state)),
		.path = memory_strdup(session_state_search_path_text(state)),
		.standard_strings = session_state_standard_strings(state),
		.encoding = session_state_encoding(state),
	};
	return cache->context_count;
}

uint32_t rewrite_cache_context(struct rewrite_cache *cache, const struct session_state *state,
			       const struct ruleset *ruleset)
{
	if (!cache || session_state_has_any_temp(state) || session_state_has_own_relations(state) || ruleset->part_count ||
	    !session_state_role_known(state) || session_state_has_prepared_names(state))
		return 0;
	uint64_t stamp = session_state_stamp(state);
	struct remembered *slot = &cache->remembered[stamp % STAMPS];
	if (slot->context && slot->stamp == stamp && slot->version == ruleset->version &&
	    cache->contexts[slot->context - 1].ruleset == ruleset)
		return slot->context;
	uint32_t context = find_context(cache, state, ruleset);
	*slot = (struct remembered){ stamp, ruleset->version, context };
	return context;
}

/* ---- the cache ---- */

static struct rewrite_cache_key key_of(uint32_t context, struct slice bytes)
{
	if (!context || bytes.len == 0 || bytes.len > TEXT_MAX_BYTES)
		return (struct rewrite_cache_key){ 0, 0 };
	return (struct rewrite_cache_key){ context, hash_of_bytes(bytes.data, bytes.len, context) };
}

struct rewrite_cache_key rewrite_cache_text_key(uint32_t context, struct slice sql)
{
	return key_of(context, sql);
}

struct rewrite_cache_key rewrite_cache_skeleton_key(uint32_t context, struct slice skeleton)
{
	return key_of(context ? context | SKELETON_CONTEXT : 0, skeleton);
}

static bool is_at(const struct entry *entry, struct rewrite_cache_key key, struct slice bytes)
{
	return entry->key.hash == key.hash && entry->key.context == key.context && entry->len == bytes.len &&
	       memcmp(entry->text, bytes.data, bytes.len) == 0;
}

static void touch(struct rewrite_cache *cache, struct entry *entry)
{
	link_remove(&entry->recent);
	link_append(&cache->recent, &entry->recent);
}

struct rewrite *rewrite_cache_get(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice sql)
{
	if (!key.context)
		return NULL;
	for (struct entry *entry = *slot_of(cache, key); entry; entry = entry->chain) {
		if (!is_at(entry, key, sql))
			continue;
		touch(cache, entry);
		cache->stats.hits++;
		return rewrite_ref(entry->rewrite);
	}
	return NULL;
}

enum recipe_answer rewrite_cache_recipe(struct rewrite_cache *cache, struct rewrite_cache_key key,
					const struct recipe_text *text, const struct recipe **recipe_out)
{
	enum recipe_answer answer = RECIPE_UNKNOWN;
	struct entry *entry = key.context ? *slot_of(cache, key) : NULL;
	for (; entry && answer == RECIPE_UNKNOWN; entry = entry->chain) {
		if (!is_at(entry, key, buf_slice(&text->skeleton->bytes)) ||
		    (entry->recipe && !recipe_fits(entry->recipe, text)))
			continue;
		touch(cache, entry);
		*recipe_out = entry->recipe;
		answer = entry->recipe ? RECIPE_KNOWN : RECIPE_NONE;
	}
	if (answer == RECIPE_KNOWN)
		cache->stats.recipe_hits++;
	else
		cache->stats.misses++;
	return answer;
}

/* True from the second time on; the memory of it fades when it gets crowded. */
static bool seen_before(struct rewrite_cache *cache, uint64_t hash)
{
	uint32_t bit = (uint32_t)(hash >> 40) % SEEN_BITS;
	uint8_t mask = (uint8_t)(1u << (bit & 7));
	if (cache->seen[bit / 8] & mask)
		return true;
	if (++cache->seen_count > SEEN_MOST) {
		memset(cache->seen, 0, sizeof(cache->seen));
		cache->seen_count = 1;
	}
	cache->seen[bit / 8] |= mask;
	return false;
}

static void keep(struct rewrite_cache *cache, struct entry *kept, struct slice bytes)
{
	struct entry *entry = memory_alloc(sizeof(*entry) + bytes.len);
	*entry = *kept;
	entry->len = bytes.len;
	memcpy(entry->text, bytes.data, bytes.len);
	if (cache->stats.entries >= cache->bucket_count)
		grow(cache);
	struct entry **slot = slot_of(cache, entry->key);
	entry->chain = *slot;
	*slot = entry;
	link_append(&cache->recent, &entry->recent);
	cache->stats.bytes += entry->bytes;
	cache->stats.entries++;
	while (cache->stats.bytes > cache->most_bytes) {
		drop(cache, LIST_ENTRY(cache->recent.next, struct entry, recent));
		cache->stats.evicted++;
	}
}

static bool seen_a_moment_ago(struct rewrite_cache *cache, uint64_t hash)
{
	uint64_t *slot = &cache->recent_texts[hash % RECENT_TEXTS];
	bool same = *slot == hash;
	*slot = hash;
	return same;
}

void rewrite_cache_put(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice sql,
		       struct rewrite *rewrite, bool cheap)
{
	if (!key.context || rewrite->outcome > REWRITE_REFUSED)
		return;
	if (!(cheap ? seen_a_moment_ago(cache, key.hash) : seen_before(cache, key.hash)))
		return;
	size_t bytes = sizeof(struct entry) + sql.len + result_bytes(rewrite);
	if (bytes <= cache->most_bytes / 8)
		keep(cache, &(struct entry){ .key = key, .rewrite = rewrite_ref(rewrite), .bytes = bytes }, sql);
}

bool rewrite_cache_wants_recipe(struct rewrite_cache *cache, struct rewrite_cache_key key)
{
	return key.context && seen_before(cache, key.hash);
}

void rewrite_cache_put_recipe(struct rewrite_cache *cache, struct rewrite_cache_key key, struct slice skeleton,
			      struct recipe *recipe)
{
	size_t bytes = sizeof(struct entry) + skeleton.len + (recipe ? recipe_bytes(recipe) : 0);
	if (bytes <= cache->most_bytes / 8)
		keep(cache, &(struct entry){ .key = key, .recipe = recipe, .bytes = bytes }, skeleton);
	else
		recipe_free(recipe);
}

struct rewrite_cache_stats rewrite_cache_stats(const struct rewrite_cache *cache)
{
	return cache->stats;
}
