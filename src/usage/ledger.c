/*
 * The store thread's side: waits for tables of counts, writes them, tries
 * again when the file refuses. All work on the file is done here, with every
 * signal blocked, so that a file-size limit is an error and not the end of
 * the process.
 */
#include "usage/ledger.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#include <inttypes.h>
#include <time.h>

enum {
	HEARTBEAT_MS = 5000,
	RETRY_FIRST_MS = 500,
	RETRY_MAX_MS = 30000,
	MAINTAIN_MS = 600000,
	CLOSE_TRIES = 3,
	FORETOLD_MAX = 4096,
	FORETOLD_MAX_BYTES = 2 << 20, /* each holds its statement */
};

/* What the store thread knows between two rounds. */
struct writer {
	struct usage *usage;
	struct usage_store *store; /* NULL: must be opened anew */
	struct usage_observation observation;
	struct usage_table **tables;
	size_t count, capacity;
	struct usage_declaration *declaration; /* the latest; kept for a file that is made anew */
	bool declared;				/* it is in the file */
	struct usage_shared *shared; /* where the file is but memory; NULL: it is a file */
	uint64_t unsent;	     /* statements in that memory */
	struct list_link foretold;
	struct usage_sightings sightings;
	int64_t blind_since_ms; /* as usage has it; 0: it counts */
	bool ended;		/* the observation was, for that */
	uint32_t retry_ms;	/* 0: all is well */
	uint64_t failing_since_us;
	uint64_t maintained_us;
};

struct usage_settings usage_settings_default(void)
{
	return (struct usage_settings){
		.flush_ms = 2000,
		.memory_bytes = 32u << 20,
		.shapes_max = 20000,
		.identities_max = 5000,
		.uses_max = 200000,
		.series_max = 1000000,
		.hours_days = 8,
		.keep_days = 400,
	};
}

static void take_foretold(struct writer *writer)
{
	LIST_FOR_EACH_SAFE(link, &writer->usage->foretold) {
		link_remove(link);
		link_append(&writer->foretold, link);
	}
}

/* Under the lock. */
static void collect(struct writer *writer)
{
	writer->blind_since_ms = writer->usage->blind_since_ms;
	take_foretold(writer);
	usage_sightings_take(&writer->sightings, &writer->usage->sightings);
	writer->count = 0;
	LIST_FOR_EACH(link, &writer->usage->pending) {
		if (writer->count == writer->capacity) {
			writer->capacity = writer->capacity ? writer->capacity * 2 : 16;
			writer->tables = memory_realloc(writer->tables,
							writer->capacity * sizeof(struct usage_table *));
		}
		writer->tables[writer->count++] = LIST_ENTRY(link, struct usage_table, pending);
	}
	if (writer->usage->declared) {
		usage_declaration_free(writer->declaration);
		writer->declaration = writer->usage->declared;
		writer->declared = false;
		writer->usage->declared = NULL;
	}
}

/* Written: back to the worker, if it is still there. */
static void give_back(struct writer *writer)
{
	for (size_t i = 0; i < writer->count; i++) {
		struct usage_table *table = writer->tables[i];
		usage_table_reset(table, 0);
		pthread_mutex_lock(&writer->usage->lock);
		link_remove(&table->pending);
		struct usage_counter *owner = table->owner;
		if (owner) {
			owner->waiting = false;
			owner->spare = table;
		}
		pthread_mutex_unlock(&writer->usage->lock);
		if (!owner)
			usage_table_free(table);
	}
	writer->count = 0;
}

/* Written, or given up. */
static void free_foretold(struct writer *writer)
{
	size_t count = 0, bytes = 0;
	LIST_FOR_EACH_SAFE(link, &writer->foretold) {
		struct usage_foretold *foretold = LIST_ENTRY(link, struct usage_foretold, link);
		link_remove(link);
		bytes += foretold->shape->bytes;
		statement_shape_unref(foretold->shape);
		free(foretold);
		count++;
	}
	pthread_mutex_lock(&writer->usage->lock);
	writer->usage->foretold_count -= count;
	writer->usage->foretold_bytes -= bytes;
	pthread_mutex_unlock(&writer->usage->lock);
}

static void note_failure(struct writer *writer, const struct error *error)
{
	atomic_fetch_add(&writer->usage->failures, 1);
	if (!writer->retry_ms) {
		writer->failing_since_us = clock_monotonic_us();
		LOG(LOG_ERROR, "usage_store_failed", LOG_STR("path", writer->usage->place),
		    LOG_STR("error", error->message), LOG_STR("detail", *error->detail ? error->detail : NULL),
		    LOG_STR("hint", "counts are kept in memory and written once the file can be written again"));
	}
	writer->retry_ms = writer->retry_ms ? writer->retry_ms * 2 : RETRY_FIRST_MS;
	if (writer->retry_ms > RETRY_MAX_MS)
		writer->retry_ms = RETRY_MAX_MS;
}

static void note_success(struct writer *writer)
{
	if (writer->retry_ms)
		LOG(LOG_INFO, "usage_store_recovered", LOG_STR("path", writer->usage->place),
		    LOG_UINT("failed_ms", (clock_monotonic_us() - writer->failing_since_us) / 1000));
	writer->retry_ms = 0;
}

static bool reopen(struct writer *writer, struct error *error_out)
{
	if (writer->store && usage_store_is_stale(writer->store)) {
		LOG(LOG_DEBUG, "usage_store_reopened", LOG_STR("path", writer->usage->place));
		usage_store_abandon(writer->store);
		writer->store = NULL;
	}
	if (writer->store)
		return true;
	writer->declared = writer->ended = false;
	return usage_store_open(&writer->usage->settings, &writer->observation, &writer->store, error_out);
}

/* ---- a ledger that is shared: memory first, then the server ---- */

static bool settle(struct writer *writer, struct error *error_out)
{
	return !writer->shared || usage_shared_get()->settle(writer->shared, writer->store, error_out);
}

static void note_unsent(struct writer *writer)
{
	for (size_t i = 0; writer->shared && i < writer->count; i++) {
		int64_t none = 0;
		writer->unsent += writer->tables[i]->statements;
		atomic_compare_exchange_strong(&writer->usage->unsent_since_ms, &none, writer->tables[i]->since_ms);
	}
}

/* What a server has of a blind time's heartbeat would say that it was watched. */
static bool send(struct writer *writer, struct error *error_out)
{
	if (!writer->shared || (writer->ended && !writer->unsent))
		return true;
	if (!usage_shared_get()->ship(writer->shared, writer->store, error_out))
		return false;
	writer->unsent = 0;
	atomic_store(&writer->usage->unsent_since_ms, 0);
	return true;
}

static bool end_observation(struct writer *writer, struct error *error_out)
{
	return writer->shared ? usage_shared_get()->stop(writer->shared, writer->blind_since_ms, 0, error_out) :
				usage_store_end_observation(writer->store, writer->blind_since_ms, error_out);
}

static bool follow_blindness(struct writer *writer, struct error *error_out)
{
	bool blind = writer->blind_since_ms != 0;
	if (blind == writer->ended)
		return true;
	if (!(blind ? end_observation(writer, error_out) : usage_store_observe_again(writer->store, error_out)))
		return false;
	writer->ended = blind;
	return true;
}

static bool write_round(struct writer *writer)
{
	struct error error;
	bool opened = reopen(writer, &error) && settle(writer, &error) &&
		      (writer->blind_since_ms || follow_blindness(writer, &error));
	struct usage_batch batch = { writer->tables, writer->count, writer->declared ? NULL : writer->declaration,
				     &writer->foretold, &writer->sightings };
	if (!opened || !usage_store_write(writer->store, &batch, &error)) {
		note_failure(writer, &error);
		return false;
	}
	if (writer->count)
		atomic_fetch_add(&writer->usage->batches, 1);
	for (size_t i = 0; i < writer->count; i++)
		usage_tally_add(&writer->usage->tally, writer->tables[i]);
	writer->declared = true;
	free_foretold(writer);
	usage_sightings_deinit(&writer->sightings);
	note_unsent(writer);
	give_back(writer);
	if (!send(writer, &error) || !follow_blindness(writer, &error)) {
		note_failure(writer, &error);
		return false;
	}
	note_success(writer);
	return true;
}

static void maintain_if_due(struct writer *writer)
{
	struct error error;
	uint64_t now_us = clock_monotonic_us();
	if (writer->maintained_us && now_us - writer->maintained_us < MAINTAIN_MS * UINT64_C(1000))
		return;
	if (!settle(writer, &error))
		return;
	writer->maintained_us = now_us;
	if (!usage_store_maintain(writer->store, &error) ||
	    (writer->shared && !writer->retry_ms && !usage_shared_get()->maintain(writer->shared, &error)))
		LOG(LOG_WARNING, "usage_store_maintenance_failed", LOG_STR("error", error.message));
}

static void deadline_in(uint32_t ms, struct timespec *deadline_out)
{
	clock_gettime(CLOCK_MONOTONIC, deadline_out);
	deadline_out->tv_sec += ms / 1000;
	deadline_out->tv_nsec += (long)(ms % 1000) * 1000000;
	if (deadline_out->tv_nsec >= 1000000000) {
		deadline_out->tv_nsec -= 1000000000;
		deadline_out->tv_sec++;
	}
}

/* Forecasts alone wait for the next counts or heartbeat: there may be more of them. */
static bool has_work(const struct writer *writer)
{
	const struct usage *usage = writer->usage;
	return usage->declared || usage->blind_since_ms != writer->blind_since_ms || !link_is_empty(&usage->pending) ||
	       usage->foretold_count >= FORETOLD_MAX / 2 || usage->foretold_bytes >= FORETOLD_MAX_BYTES / 2;
}

/* Until there is work, the heartbeat is due, or the retry time has passed. False: stop. */
static bool wait_for_work(struct writer *writer)
{
	struct usage *usage = writer->usage;
	struct timespec deadline;
	deadline_in(writer->retry_ms ? writer->retry_ms : HEARTBEAT_MS, &deadline);
	pthread_mutex_lock(&usage->lock);
	while (!usage->stopping) {
		if (!writer->retry_ms && has_work(writer))
			break;
		if (pthread_cond_timedwait(&usage->wake, &usage->lock, &deadline) != 0)
			break;
	}
	collect(writer);
	bool go_on = !usage->stopping;
	pthread_mutex_unlock(&usage->lock);
	return go_on;
}

static uint64_t drop_unwritten(struct writer *writer)
{
	uint64_t lost = 0;
	for (size_t i = 0; i < writer->count; i++)
		lost += writer->tables[i]->statements;
	give_back(writer);
	return lost;
}

static void finish(struct writer *writer)
{
	bool written = false;
	for (int i = 0; i < CLOSE_TRIES && !written; i++)
		written = write_round(writer);
	uint64_t lost = written ? 0 : drop_unwritten(writer) + writer->unsent;
	if (lost) {
		atomic_fetch_add(&writer->usage->lost, lost);
		LOG(LOG_ERROR, "usage_lost", LOG_STR("path", writer->usage->place),
		    LOG_UINT("statements", lost));
	}
	struct error ignored;
	if (writer->shared) {
		if (!writer->ended)
			usage_shared_get()->stop(writer->shared, clock_wall_ms(), lost, &ignored);
		usage_shared_get()->close(writer->shared);
		usage_store_abandon(writer->store);
	} else if (writer->ended) {
		usage_store_abandon(writer->store);
	} else {
		usage_store_close(writer->store, lost);
	}
	free_foretold(writer);
	usage_sightings_deinit(&writer->sightings);
	usage_declaration_free(writer->declaration);
	free(writer->tables);
}

static bool open_and_tell(struct writer *writer)
{
	struct usage *usage = writer->usage;
	struct error error;
	bool usable = usage_store_open(&usage->settings, &writer->observation, &writer->store, &error);
	if (usable && usage_is_shared(usage->settings.path))
		writer->shared = usage_shared_get()->open(usage->settings.path, &usage->settings);
	pthread_mutex_lock(&usage->lock);
	usage->started = true;
	usage->usable = usable;
	if (!usable)
		usage->open_error = error;
	pthread_cond_signal(&usage->opened);
	pthread_mutex_unlock(&usage->lock);
	return usable;
}

static void *run(void *context)
{
	struct writer writer = { .usage = context };
	link_init(&writer.foretold);
	usage_sightings_init(&writer.sightings);
	if (!open_and_tell(&writer))
		return NULL;
	while (wait_for_work(&writer)) {
		if (write_round(&writer) || writer.shared)
			maintain_if_due(&writer);
	}
	finish(&writer);
	return NULL;
}

static void usage_free(struct usage *usage)
{
	pthread_cond_destroy(&usage->wake);
	pthread_cond_destroy(&usage->opened);
	pthread_mutex_destroy(&usage->lock);
	usage_tally_deinit(&usage->tally);
	usage_sightings_deinit(&usage->sightings);
	usage_declaration_free(usage->declared);
	free((char *)usage->settings.path);
	free(usage);
}

static struct usage *usage_new(const struct usage_settings *settings)
{
	struct usage *usage = memory_zalloc(sizeof(*usage));
	pthread_condattr_t attr;
	usage->settings = *settings;
	usage->settings.path = memory_strdup(settings->path);
	usage_place_name(settings->path, usage->place);
	usage_tally_init(&usage->tally);
	link_init(&usage->counters);
	link_init(&usage->pending);
	link_init(&usage->foretold);
	usage_sightings_init(&usage->sightings);
	pthread_mutex_init(&usage->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&usage->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_cond_init(&usage->opened, NULL);
	return usage;
}

bool usage_open(const struct usage_settings *settings, struct usage **usage_out, struct error *error_out)
{
	if (!settings->path) {
		*usage_out = NULL;
		return true;
	}
	struct usage *usage = usage_new(settings);
	if (!thread_start(&usage->thread, "usage", 0, run, usage)) {
		error_set(error_out, SQLSTATE_INTERNAL_ERROR, "cannot start the thread that writes the usage ledger");
		usage_free(usage);
		return false;
	}
	pthread_mutex_lock(&usage->lock);
	while (!usage->started)
		pthread_cond_wait(&usage->opened, &usage->lock);
	bool usable = usage->usable;
	pthread_mutex_unlock(&usage->lock);
	if (!usable) {
		pthread_join(usage->thread, NULL);
		*error_out = usage->open_error;
		usage_free(usage);
		return false;
	}
	*usage_out = usage;
	return true;
}

void usage_close(struct usage *usage)
{
	if (!usage)
		return;
	pthread_mutex_lock(&usage->lock);
	usage->stopping = true;
	pthread_cond_signal(&usage->wake);
	pthread_mutex_unlock(&usage->lock);
	pthread_join(usage->thread, NULL);
	usage_free(usage);
}

void usage_declare(struct usage *usage, const struct usage_entry *entries, size_t count)
{
	if (!usage)
		return;
	struct usage_declaration *declaration = usage_declaration_new(entries, count);
	pthread_mutex_lock(&usage->lock);
	struct usage_declaration *before = usage->declared;
	usage->declared = declaration;
	pthread_cond_signal(&usage->wake);
	pthread_mutex_unlock(&usage->lock);
	usage_declaration_free(before);
}

void usage_watch(struct usage *usage, bool watching)
{
	if (!usage)
		return;
	pthread_mutex_lock(&usage->lock);
	usage->blind_since_ms = watching ? 0 : clock_wall_ms();
	pthread_cond_signal(&usage->wake);
	pthread_mutex_unlock(&usage->lock);
}

static struct usage_foretold *foretold_new(struct statement_shape *shape, const char *table, const char *reason)
{
	size_t table_bytes = strlen(table) + 1, reason_bytes = reason ? strlen(reason) + 1 : 0;
	struct usage_foretold *foretold = memory_zalloc(sizeof(*foretold) + table_bytes + reason_bytes);
	memcpy(foretold->table, table, table_bytes);
	if (reason)
		foretold->reason = memcpy(foretold->table + table_bytes, reason, reason_bytes);
	foretold->shape = statement_shape_ref(shape);
	return foretold;
}

void usage_foretell(struct usage *usage, struct statement_shape *shape, const char *table, enum side side,
		    enum stage stage, enum usage_forecast forecast, const char *reason)
{
	if (!usage)
		return;
	pthread_mutex_lock(&usage->lock);
	if (usage->foretold_count < FORETOLD_MAX && usage->foretold_bytes < FORETOLD_MAX_BYTES) {
		struct usage_foretold *foretold = foretold_new(shape, table, reason);
		foretold->side = side;
		foretold->stage = stage;
		foretold->forecast = forecast;
		link_append(&usage->foretold, &foretold->link);
		usage->foretold_count++;
		usage->foretold_bytes += shape->bytes;
		pthread_cond_signal(&usage->wake);
	}
	pthread_mutex_unlock(&usage->lock);
}

void usage_looked(struct usage *usage, const char *database, const struct usage_bypass *items, size_t count)
{
	if (!usage)
		return;
	struct usage_sighting *sighting = usage_sighting_new(database, items, count, clock_wall_ms());
	pthread_mutex_lock(&usage->lock);
	usage_sightings_add(&usage->sightings, sighting);
	pthread_mutex_unlock(&usage->lock);
}

static void older(int64_t since_ms, int64_t *oldest_ms)
{
	if (since_ms && (!*oldest_ms || since_ms < *oldest_ms))
		*oldest_ms = since_ms;
}

void usage_stats(struct usage *usage, struct usage_stats *stats_out)
{
	*stats_out = (struct usage_stats){ 0 };
	if (!usage)
		return;
	int64_t oldest_ms = 0;
	pthread_mutex_lock(&usage->lock);
	LIST_FOR_EACH(link, &usage->counters) {
		struct usage_counter *counter = LIST_ENTRY(link, struct usage_counter, link);
		stats_out->statements += atomic_load_explicit(&counter->statements, memory_order_relaxed);
		stats_out->folded += atomic_load_explicit(&counter->folded, memory_order_relaxed);
		older(atomic_load_explicit(&counter->since_ms, memory_order_relaxed), &oldest_ms);
	}
	LIST_FOR_EACH(link, &usage->pending)
		older(LIST_ENTRY(link, struct usage_table, pending)->since_ms, &oldest_ms);
	stats_out->statements += atomic_load(&usage->gone_statements);
	stats_out->folded += atomic_load(&usage->gone_folded);
	older(atomic_load(&usage->unsent_since_ms), &oldest_ms);
	pthread_mutex_unlock(&usage->lock);
	stats_out->lost = atomic_load(&usage->lost);
	stats_out->batches = atomic_load(&usage->batches);
	stats_out->failures = atomic_load(&usage->failures);
	int64_t now_ms = clock_wall_ms();
	stats_out->lag_ms = oldest_ms && now_ms > oldest_ms ? (uint64_t)(now_ms - oldest_ms) : 0;
}
