#include "proxy/forecaster.h"

#include "base/memory.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	SHOWN = 8192,		       /* shapes a desk remembers; a power of two */
	TEXT_MAX_BYTES = 256 * 1024,   /* longer texts are not tried */
	WAITING_MAX_BYTES = 2 << 20,   /* of texts that wait, and of what they use */
	WAITING_MAX = 1024,	       /* of them until the thread is woken: statements that never come again are endless */
	NICENESS = 10,
	SUPPOSED_MAX = 32,	       /* rulesets kept */
};

/* One text on its way to the thread, with what a session's state is made of: states share values within their thread. */
struct sighting {
	struct sighting *next;
	struct ruleset *ruleset;
	struct statement_shape **shapes; /* of the text's statements; NULLs: nothing mapped */
	size_t shape_count;
	enum rewrite_protocol protocol;
	enum encoding_class encoding;
	bool standard_strings;
	size_t bytes;
	struct slice sql;
	const char *database, *user, *path;
	char texts[];
};

/* A ruleset with one entry at its next stage. */
struct supposed {
	uint64_t version; /* of the ruleset it was made from */
	const struct map *map;
	uint32_t entry;
	struct ruleset *ruleset; /* NULL: there is none */
};

struct forecaster {
	struct usage *usage;
	struct rewriter *rewriter;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping, woken; /* under the lock */
	_Atomic(struct sighting *) waiting; /* newest first */
	_Atomic size_t waiting_bytes, waiting_count;
	struct supposed supposed[SUPPOSED_MAX];
	size_t next_supposed;
	uint64_t versions;
};

struct forecast_desk {
	struct forecaster *forecaster;
	bool showed; /* since the last flush */
	uint64_t shown[SHOWN];
};

/* ---- the worker's side ---- */

struct forecast_desk *forecast_desk_new(struct forecaster *forecaster)
{
	struct forecast_desk *desk = forecaster ? memory_zalloc(sizeof(*desk)) : NULL;
	if (desk)
		desk->forecaster = forecaster;
	return desk;
}

void forecast_desk_free(struct forecast_desk *desk)
{
	free(desk);
}

void forecast_desk_flush(struct forecast_desk *desk)
{
	if (!desk || !desk->showed)
		return;
	desk->showed = false;
	pthread_mutex_lock(&desk->forecaster->lock);
	desk->forecaster->woken = true;
	pthread_cond_signal(&desk->forecaster->wake);
	pthread_mutex_unlock(&desk->forecaster->lock);
}

/* True once for each shape and ruleset, but for those that fall on the same place. */
static bool is_news(struct forecast_desk *desk, const struct statement_shape *shape, const struct ruleset *ruleset)
{
	uint64_t mark = shape->hash ^ (ruleset->version * UINT64_C(0x9e3779b97f4a7c15));
	for (size_t i = 0; i < shape->use_count; i++) /* DO $1 may name this or that */
		mark = mark * 31 + shape->uses[i].entry * 2 + shape->uses[i].side;
	uint64_t *place = &desk->shown[mark % SHOWN];
	if (*place == mark)
		return false;
	*place = mark;
	return true;
}

static bool has_news(struct forecast_desk *desk, const struct rewrite *rewrite, const struct ruleset *ruleset)
{
	bool news = false;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		if (rewrite->statements[i].shape && is_news(desk, rewrite->statements[i].shape, ruleset))
			news = true;
	}
	return news;
}

/* What only this session's own tables explain is no example for others. */
static bool is_typical(const struct session_state *state)
{
	return session_state_search_path_text(state) && !session_state_has_any_temp(state) &&
	       !session_state_has_own_relations(state);
}

static const char *place(char **at, const char *text)
{
	size_t bytes = strlen(text) + 1;
	const char *copy = memcpy(*at, text, bytes);
	*at += bytes;
	return copy;
}

static struct sighting *sighting_new(struct slice sql, const struct session_state *state, struct ruleset *ruleset,
				     const struct rewrite *rewrite)
{
	const char *database = session_state_database(state), *user = session_state_user(state);
	const char *path = session_state_search_path_text(state);
	size_t shapes_bytes = rewrite->statement_count * sizeof(struct statement_shape *);
	size_t bytes = sizeof(struct sighting) + sql.len + strlen(database) + strlen(user) + strlen(path) + 3;
	struct sighting *sighting = memory_zalloc(bytes);
	char *at = sighting->texts;
	sighting->database = place(&at, database);
	sighting->user = place(&at, user);
	sighting->path = place(&at, path);
	sighting->sql = slice_of(memcpy(at, sql.data, sql.len), sql.len);
	sighting->encoding = session_state_encoding(state);
	sighting->standard_strings = session_state_standard_strings(state);
	sighting->shapes = memory_zalloc(shapes_bytes);
	sighting->shape_count = rewrite->statement_count;
	sighting->bytes = bytes + shapes_bytes;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		struct statement_shape *shape = rewrite->statements[i].shape;
		sighting->shapes[i] = statement_shape_ref(shape);
		sighting->bytes += shape ? shape->bytes : 0;
	}
	sighting->ruleset = ruleset_ref(ruleset);
	return sighting;
}

static void push(struct forecaster *forecaster, struct sighting *sighting)
{
	sighting->next = atomic_load_explicit(&forecaster->waiting, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&forecaster->waiting, &sighting->next, sighting,
						      memory_order_release, memory_order_relaxed))
		;
}

void forecast_desk_show(struct forecast_desk *desk, struct slice sql, enum rewrite_protocol protocol,
			const struct session_state *state, struct ruleset *ruleset, struct rewrite *rewrite)
{
	struct forecaster *forecaster = desk->forecaster;
	if (rewrite->outcome > REWRITE_REFUSED || !sql.len || sql.len > TEXT_MAX_BYTES ||
	    atomic_load_explicit(&forecaster->waiting_bytes, memory_order_relaxed) > WAITING_MAX_BYTES ||
	    atomic_load_explicit(&forecaster->waiting_count, memory_order_relaxed) >= WAITING_MAX)
		return;
	if (!is_typical(state) || ruleset->part_count)
		return;
	rewrite_set_foretold(rewrite);
	if (!has_news(desk, rewrite, ruleset))
		return;
	struct sighting *sighting = sighting_new(sql, state, ruleset, rewrite);
	sighting->protocol = protocol;
	atomic_fetch_add_explicit(&forecaster->waiting_bytes, sighting->bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&forecaster->waiting_count, 1, memory_order_relaxed);
	push(forecaster, sighting);
	desk->showed = true;
}

/* ---- the thread's side ---- */

static void sighting_free(struct sighting *sighting)
{
	for (size_t i = 0; i < sighting->shape_count; i++)
		statement_shape_unref(sighting->shapes[i]);
	free(sighting->shapes);
	ruleset_unref(sighting->ruleset);
	free(sighting);
}

/* NULL: the entry has no next stage, or the rules do not allow it. */
static struct ruleset *supposed_ruleset(struct forecaster *forecaster, const struct ruleset *ruleset, uint32_t entry)
{
	struct error error;
	for (size_t i = 0; i < SUPPOSED_MAX; i++) {
		const struct supposed *known = &forecaster->supposed[i];
		if (known->map == ruleset->map && known->version == ruleset->version && known->entry == entry)
			return known->ruleset;
	}
	struct supposed *place = &forecaster->supposed[forecaster->next_supposed++ % SUPPOSED_MAX];
	enum stage stage;
	ruleset_unref(place->ruleset);
	*place = (struct supposed){ .version = ruleset->version, .map = ruleset->map, .entry = entry };
	if (ruleset_next_stage(&ruleset->entries[entry], &stage) &&
	    !ruleset_suppose(ruleset, entry, stage, ++forecaster->versions, &place->ruleset, &error))
		place->ruleset = NULL;
	return place->ruleset;
}

/* Named where nothing is rewritten, by a name under which the rows will not be. */
static const struct use *opaque_use(const struct statement_shape *shape, const struct ruleset_entry *entry,
				    enum side side)
{
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		const struct use *use = &shape->uses[i];
		bool unseen = use->kind == USE_OPAQUE || (use->flags & USE_UNPARSED);
		if (use->entry == entry->id && use->side == side && unseen && side != entry->physical)
			return use;
	}
	return NULL;
}

static void foretell(struct forecaster *forecaster, struct statement_shape *shape, const struct ruleset_entry *entry,
		     enum side side, const struct rewrite *rewrite, size_t index)
{
	const struct use *opaque = opaque_use(rewrite->statements[index].shape, entry, side);
	enum usage_forecast forecast = USAGE_FORECAST_FINE;
	const char *reason = NULL;
	if (rewrite->outcome == REWRITE_REFUSED && index == rewrite->refused_index) {
		forecast = USAGE_FORECAST_REFUSED;
		reason = rewrite->refusal->message;
	} else if (opaque) {
		forecast = USAGE_FORECAST_OPAQUE;
		reason = opaque->kind == USE_OPAQUE ? "named in a function body or a string, which is not changed" :
						      "the parser cannot take the statement";
	}
	usage_foretell(forecaster->usage, shape, entry->key, side, entry->stage, forecast, reason);
}

static bool uses_side(const struct statement_shape *shape, uint32_t entry, enum side side)
{
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		if (shape->uses[i].entry == entry && shape->uses[i].side == side)
			return true;
	}
	return false;
}

static bool uses_entry(const struct statement_shape *shape, uint32_t entry)
{
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		if (shape->uses[i].entry == entry)
			return true;
	}
	return false;
}

/* Everything in the text that uses the entry, with the entry at its next stage. */
static void try_entry(struct forecaster *forecaster, const struct sighting *sighting,
		      const struct session_state *state, uint32_t entry)
{
	struct ruleset *ruleset = supposed_ruleset(forecaster, sighting->ruleset, entry);
	if (!ruleset)
		return;
	struct rewrite *rewrite = rewriter_run(forecaster->rewriter, sighting->sql, sighting->protocol, state,
					       ruleset);
	size_t count = rewrite->outcome <= REWRITE_REFUSED ? rewrite->statement_count : 0;
	for (size_t i = 0; i < count && i < sighting->shape_count; i++) {
		for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
			if (uses_side(sighting->shapes[i], entry, (enum side)side))
				foretell(forecaster, sighting->shapes[i], &ruleset->entries[entry], (enum side)side,
					 rewrite, i);
		}
	}
	rewrite_unref(rewrite);
}

/* An earlier statement of the text uses the entry as well, so it was tried with that. */
static bool was_tried(const struct sighting *sighting, size_t shape, size_t use)
{
	uint32_t entry = sighting->shapes[shape]->uses[use].entry;
	for (size_t i = 0; i < shape; i++) {
		if (uses_entry(sighting->shapes[i], entry))
			return true;
	}
	for (size_t i = 0; i < use; i++) {
		if (sighting->shapes[shape]->uses[i].entry == entry)
			return true;
	}
	return false;
}

static struct session_state *state_of(const struct sighting *sighting)
{
	static const char *const encodings[] = { [ENCODING_UTF8] = "UTF8", [ENCODING_SINGLE_BYTE] = "LATIN1",
						 [ENCODING_AS_STORED] = "SQL_ASCII",
						 [ENCODING_SAFE_MULTI] = "EUC_JP", [ENCODING_UNSAFE] = "SJIS" };
	struct session_state *state = session_state_new(sighting->database, sighting->user, sighting->path);
	session_state_reported(state, "client_encoding", encodings[sighting->encoding]);
	session_state_reported(state, "standard_conforming_strings", sighting->standard_strings ? "on" : "off");
	return state;
}

static void try_all(struct forecaster *forecaster, const struct sighting *sighting)
{
	struct session_state *state = state_of(sighting);
	for (size_t i = 0; i < sighting->shape_count; i++) {
		const struct statement_shape *shape = sighting->shapes[i];
		for (size_t k = 0; shape && k < shape->use_count; k++) {
			if (shape->uses[k].entry < sighting->ruleset->entry_count && !was_tried(sighting, i, k))
				try_entry(forecaster, sighting, state, shape->uses[k].entry);
		}
	}
	session_state_free(state);
}

static struct sighting *take_all(struct forecaster *forecaster)
{
	return atomic_exchange_explicit(&forecaster->waiting, NULL, memory_order_acquire);
}

static bool is_stopping(struct forecaster *forecaster)
{
	pthread_mutex_lock(&forecaster->lock);
	bool stopping = forecaster->stopping;
	pthread_mutex_unlock(&forecaster->lock);
	return stopping;
}

static void work_off(struct forecaster *forecaster)
{
	struct sighting *sighting = take_all(forecaster);
	while (sighting) {
		struct sighting *next = sighting->next;
		if (!is_stopping(forecaster))
			try_all(forecaster, sighting);
		atomic_fetch_sub_explicit(&forecaster->waiting_bytes, sighting->bytes, memory_order_relaxed);
		atomic_fetch_sub_explicit(&forecaster->waiting_count, 1, memory_order_relaxed);
		sighting_free(sighting);
		sighting = next;
	}
}

static void *run(void *context)
{
	struct forecaster *forecaster = context;
	bool stopping = false;
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread alone: sessions come first */
	while (!stopping) {
		pthread_mutex_lock(&forecaster->lock);
		while (!forecaster->woken && !forecaster->stopping)
			pthread_cond_wait(&forecaster->wake, &forecaster->lock);
		forecaster->woken = false;
		stopping = forecaster->stopping;
		pthread_mutex_unlock(&forecaster->lock);
		work_off(forecaster);
	}
	return NULL;
}

/* ---- both ---- */

static void destroy(struct forecaster *forecaster)
{
	for (size_t i = 0; i < SUPPOSED_MAX; i++)
		ruleset_unref(forecaster->supposed[i].ruleset);
	rewriter_free(forecaster->rewriter);
	pthread_cond_destroy(&forecaster->wake);
	pthread_mutex_destroy(&forecaster->lock);
	free(forecaster);
}

struct forecaster *forecaster_new(struct usage *usage, struct rewriter_settings settings)
{
	struct forecaster *forecaster = memory_zalloc(sizeof(*forecaster));
	settings.cache_bytes = 0;
	settings.parse_times = NULL;
	forecaster->usage = usage;
	forecaster->rewriter = rewriter_new(settings);
	pthread_mutex_init(&forecaster->lock, NULL);
	pthread_cond_init(&forecaster->wake, NULL);
	if (thread_start(&forecaster->thread, "forecaster", REWRITE_PARSE_STACK_BYTES, run, forecaster))
		return forecaster;
	destroy(forecaster);
	return NULL;
}

void forecaster_free(struct forecaster *forecaster)
{
	if (!forecaster)
		return;
	pthread_mutex_lock(&forecaster->lock);
	forecaster->stopping = true;
	pthread_cond_signal(&forecaster->wake);
	pthread_mutex_unlock(&forecaster->lock);
	pthread_join(forecaster->thread, NULL);
	work_off(forecaster);
	destroy(forecaster);
}
