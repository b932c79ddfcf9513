#include "proxy/gate.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct pause {
	struct ref ref;
	uint64_t id, began_us;
	char *database; /* NULL: every one */
	char *owner;
	char *tables; /* for those who look: "public.prices, public.stocks" */
	uint64_t *hashes;
	size_t table_count; /* 0: all */
	_Atomic uint64_t expires_us;
	_Atomic bool expired; /* workers open as soon as they see it */
	_Atomic uint32_t parked;
	_Atomic uint64_t parked_bytes, parked_total, longest_us;

	/* under the gate's lock */
	struct pause *next;
	size_t unacknowledged; /* workers that have not paused, or later: not opened */
	bool drained, ended;
	enum proxy_pause_end end;
};

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t workers;
	uint32_t parked_max;
	size_t parked_max_bytes;
	uint64_t last_id;
	struct pause *active;			  /* with references */
	struct pause *remembered[GATE_REMEMBERED]; /* ended, with references; a ring */
	size_t next_remembered;
	_Atomic uint64_t parked, parked_bytes, over_limit;
};

/* ---- life ---- */

struct gate *gate_new(size_t workers, uint32_t parked_max, size_t parked_max_bytes)
{
	struct gate *gate = memory_zalloc(sizeof(*gate));
	pthread_condattr_t attributes;
	gate->workers = workers;
	gate->parked_max = parked_max;
	gate->parked_max_bytes = parked_max_bytes;
	pthread_mutex_init(&gate->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&gate->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return gate;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	while (gate->active) {
		struct pause *next = gate->active->next;
		pause_unref(gate->active);
		gate->active = next;
	}
	for (size_t i = 0; i < GATE_REMEMBERED; i++)
		pause_unref(gate->remembered[i]);
	pthread_mutex_destroy(&gate->lock);
	pthread_cond_destroy(&gate->changed);
	free(gate);
}

struct pause *pause_ref(struct pause *pause)
{
	ref_take(&pause->ref);
	return pause;
}

void pause_unref(struct pause *pause)
{
	if (!pause || !ref_drop(&pause->ref))
		return;
	free(pause->database);
	free(pause->owner);
	free(pause->tables);
	free(pause->hashes);
	free(pause);
}

uint64_t pause_id(const struct pause *pause)
{
	return pause->id;
}

uint64_t gate_hash(const char *table)
{
	return hash_of_bytes(table, strlen(table), 0);
}

/* ---- stages, under the lock ---- */

static uint64_t from_now(uint32_t ms)
{
	return clock_monotonic_us() + (uint64_t)ms * 1000;
}

static struct pause **find_active(struct gate *gate, uint64_t id)
{
	struct pause **at = &gate->active;
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static struct pause *find_remembered(struct gate *gate, uint64_t id)
{
	for (size_t i = 0; i < GATE_REMEMBERED; i++) {
		if (gate->remembered[i] && gate->remembered[i]->id == id)
			return gate->remembered[i];
	}
	return NULL;
}

/* The list's reference goes over to the memory. */
static void end(struct gate *gate, struct pause *pause, enum proxy_pause_end why)
{
	*find_active(gate, pause->id) = pause->next;
	pause->next = NULL;
	pause->ended = true;
	pause->end = why;
	pause->unacknowledged = gate->workers;
	pause_unref(gate->remembered[gate->next_remembered]);
	gate->remembered[gate->next_remembered] = pause;
	gate->next_remembered = (gate->next_remembered + 1) % GATE_REMEMBERED;
	if (why != PAUSE_RESUMED)
		atomic_store(&pause->expired, true);
	pthread_cond_broadcast(&gate->changed);
}

static enum proxy_pause_stage stage_of(const struct pause *pause)
{
	if (pause->ended)
		return pause->unacknowledged ? PAUSE_OPENING : PAUSE_OPEN;
	if (pause->unacknowledged)
		return PAUSE_PAUSING;
	return pause->drained ? PAUSE_DRAINED : PAUSE_PAUSED;
}

static void acknowledge(struct gate *gate, struct pause *pause)
{
	if (pause->unacknowledged && --pause->unacknowledged == 0)
		pthread_cond_broadcast(&gate->changed);
}

/* ---- for whoever pauses ---- */

static char *join_tables(const struct proxy_pause *wanted)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < wanted->table_count; i++)
		buf_printf(&text, "%s%s", i ? ", " : "", wanted->tables[i]);
	char *joined = memory_copy(buf_cstr(&text), text.len);
	buf_deinit(&text);
	return joined;
}

static struct pause *make_pause(const struct gate *gate, const struct proxy_pause *wanted)
{
	struct pause *pause = memory_zalloc(sizeof(*pause));
	ref_init(&pause->ref);
	pause->began_us = clock_monotonic_us();
	pause->database = memory_strdup(wanted->database);
	pause->owner = memory_strdup(wanted->owner ? wanted->owner : "");
	pause->tables = join_tables(wanted);
	pause->hashes = memory_zalloc((wanted->table_count + 1) * sizeof(*pause->hashes));
	pause->table_count = wanted->table_count;
	for (size_t i = 0; i < wanted->table_count; i++)
		pause->hashes[i] = gate_hash(wanted->tables[i]);
	pause->unacknowledged = gate->workers;
	atomic_store(&pause->expires_us, from_now(wanted->ttl_ms));
	return pause;
}

struct pause *gate_pause(struct gate *gate, const struct proxy_pause *wanted, struct error *error_out)
{
	struct pause *pause = make_pause(gate, wanted);
	size_t count = 0;
	pthread_mutex_lock(&gate->lock);
	for (struct pause *other = gate->active; other; other = other->next)
		count++;
	bool room = count < GATE_PAUSES_MAX;
	if (room) {
		pause->id = ++gate->last_id;
		pause->next = gate->active;
		gate->active = pause_ref(pause);
	}
	pthread_mutex_unlock(&gate->lock);
	if (room)
		return pause;
	pause_unref(pause);
	error_set(error_out, SQLSTATE_LIMIT_EXCEEDED, "there are %d pauses already", GATE_PAUSES_MAX);
	error_hint(error_out, "End some of them with RESUME.");
	return NULL;
}

struct pause *gate_find(struct gate *gate, uint64_t id)
{
	pthread_mutex_lock(&gate->lock);
	struct pause *pause = *find_active(gate, id);
	if (pause)
		pause_ref(pause);
	pthread_mutex_unlock(&gate->lock);
	return pause;
}

bool gate_renew(struct gate *gate, uint64_t id, uint32_t ttl_ms)
{
	pthread_mutex_lock(&gate->lock);
	struct pause *pause = *find_active(gate, id);
	if (pause)
		atomic_store(&pause->expires_us, from_now(ttl_ms));
	pthread_mutex_unlock(&gate->lock);
	return pause != NULL;
}

bool gate_drained(struct gate *gate, uint64_t id)
{
	pthread_mutex_lock(&gate->lock);
	struct pause *pause = *find_active(gate, id);
	if (pause)
		pause->drained = true;
	pthread_mutex_unlock(&gate->lock);
	return pause != NULL;
}

struct pause *gate_resume(struct gate *gate, uint64_t id)
{
	pthread_mutex_lock(&gate->lock);
	struct pause *pause = *find_active(gate, id);
	if (pause) {
		pause_ref(pause);
		end(gate, pause, PAUSE_RESUMED);
	}
	pthread_mutex_unlock(&gate->lock);
	return pause;
}

static void describe(const struct pause *pause, struct proxy_pause_info *info)
{
	uint64_t now_us = clock_monotonic_us(), expires_us = atomic_load(&pause->expires_us);
	*info = (struct proxy_pause_info){ .id = pause->id, .stage = stage_of(pause), .end = pause->end };
	info->age_ms = (now_us - pause->began_us) / 1000;
	info->left_ms = pause->ended || expires_us < now_us ? 0 : (expires_us - now_us) / 1000;
	info->parked = atomic_load(&pause->parked);
	info->parked_bytes = atomic_load(&pause->parked_bytes);
	info->parked_total = atomic_load(&pause->parked_total);
	info->longest_us = atomic_load(&pause->longest_us);
	snprintf(info->owner, sizeof(info->owner), "%s", pause->owner);
	snprintf(info->database, sizeof(info->database), "%s", pause->database ? pause->database : "");
	snprintf(info->tables, sizeof(info->tables), "%s", pause->tables);
}

bool gate_look(struct gate *gate, uint64_t id, struct proxy_pause_info *info_out)
{
	pthread_mutex_lock(&gate->lock);
	struct pause *pause = *find_active(gate, id);
	if (!pause)
		pause = find_remembered(gate, id);
	if (pause)
		describe(pause, info_out);
	pthread_mutex_unlock(&gate->lock);
	return pause != NULL;
}

size_t gate_list(struct gate *gate, struct proxy_pause_info *infos_out, size_t max)
{
	size_t count = 0;
	pthread_mutex_lock(&gate->lock);
	for (struct pause *pause = gate->active; pause && count < max; pause = pause->next)
		describe(pause, &infos_out[count++]);
	pthread_mutex_unlock(&gate->lock);
	return count;
}

static struct timespec timespec_at(uint64_t monotonic_us)
{
	return (struct timespec){ .tv_sec = (time_t)(monotonic_us / 1000000),
				  .tv_nsec = (long)(monotonic_us % 1000000) * 1000 };
}

bool gate_await(struct gate *gate, uint64_t id, enum proxy_pause_stage stage, uint32_t timeout_ms)
{
	struct timespec until = timespec_at(from_now(timeout_ms));
	bool left = false;
	pthread_mutex_lock(&gate->lock);
	for (;;) {
		struct pause *pause = *find_active(gate, id);
		if (!pause)
			pause = find_remembered(gate, id);
		left = !pause || stage_of(pause) > stage;
		if (left || pthread_cond_timedwait(&gate->changed, &gate->lock, &until) != 0)
			break;
	}
	pthread_mutex_unlock(&gate->lock);
	return left;
}

/* ---- for workers ---- */

bool gate_view_add(struct gate_view *view, struct pause *pause)
{
	struct gate *gate = view->gate;
	pthread_mutex_lock(&gate->lock);
	bool wanted = !pause->ended && view->count < GATE_PAUSES_MAX;
	acknowledge(gate, pause);
	pthread_mutex_unlock(&gate->lock);
	if (wanted)
		view->pauses[view->count++] = pause;
	else
		pause_unref(pause);
	return wanted;
}

static struct pause *take_at(struct gate_view *view, size_t index)
{
	struct pause *pause = view->pauses[index];
	view->pauses[index] = view->pauses[--view->count];
	return pause;
}

void gate_view_opened(struct gate_view *view, struct pause *pause)
{
	pthread_mutex_lock(&view->gate->lock);
	acknowledge(view->gate, pause);
	pthread_mutex_unlock(&view->gate->lock);
	pause_unref(pause);
}

struct pause *gate_view_remove(struct gate_view *view, const struct pause *pause)
{
	for (size_t i = 0; i < view->count; i++) {
		if (view->pauses[i] == pause)
			return take_at(view, i);
	}
	return NULL;
}

/* Decided under the lock, so that it cannot be renewed at the same moment. */
static bool is_expired(struct gate *gate, struct pause *pause, uint64_t now_us)
{
	if (atomic_load(&pause->expired))
		return true;
	if (atomic_load(&pause->expires_us) > now_us)
		return false;
	pthread_mutex_lock(&gate->lock);
	bool due = !pause->ended && atomic_load(&pause->expires_us) <= now_us;
	if (due)
		end(gate, pause, PAUSE_EXPIRED);
	pthread_mutex_unlock(&gate->lock);
	if (due)
		LOG(LOG_WARNING, "pause_expired", LOG_UINT("pause", pause->id), LOG_STR("owner", pause->owner),
		    LOG_STR("tables", pause->tables));
	return due;
}

struct pause *gate_view_expired(struct gate_view *view)
{
	uint64_t now_us = clock_monotonic_us();
	for (size_t i = 0; i < view->count; i++) {
		if (is_expired(view->gate, view->pauses[i], now_us))
			return take_at(view, i);
	}
	return NULL;
}

void gate_view_deinit(struct gate_view *view)
{
	while (view->count)
		gate_view_opened(view, take_at(view, view->count - 1));
}

static bool concerns(const struct pause *pause, const char *database)
{
	return !pause->database || (database && strcmp(pause->database, database) == 0);
}

bool pause_covers(const struct pause *pause, const char *database, uint64_t table)
{
	if (!concerns(pause, database))
		return false;
	for (size_t i = 0; i < pause->table_count; i++) {
		if (pause->hashes[i] == table)
			return true;
	}
	return !pause->table_count;
}

struct pause *gate_view_find(const struct gate_view *view, const char *database, uint64_t table)
{
	for (size_t i = 0; i < view->count; i++) {
		if (pause_covers(view->pauses[i], database, table))
			return view->pauses[i];
	}
	return NULL;
}

void pause_park(struct gate *gate, struct pause *pause, size_t bytes)
{
	uint64_t all = atomic_fetch_add(&gate->parked, 1) + 1;
	uint64_t all_bytes = atomic_fetch_add(&gate->parked_bytes, bytes) + bytes;
	atomic_fetch_add(&pause->parked, 1);
	atomic_fetch_add(&pause->parked_bytes, bytes);
	atomic_fetch_add(&pause->parked_total, 1);
	if (all <= gate->parked_max && all_bytes <= gate->parked_max_bytes)
		return;
	pthread_mutex_lock(&gate->lock);
	bool first = !pause->ended;
	if (first)
		end(gate, pause, PAUSE_LIMIT);
	pthread_mutex_unlock(&gate->lock);
	if (!first)
		return;
	atomic_fetch_add(&gate->over_limit, 1);
	LOG(LOG_WARNING, "pause_over_limit", LOG_UINT("pause", pause->id), LOG_STR("owner", pause->owner),
	    LOG_STR("tables", pause->tables), LOG_UINT("parked", all), LOG_UINT("parked_bytes", all_bytes));
}

void pause_unpark(struct gate *gate, struct pause *pause, size_t bytes, uint64_t waited_us)
{
	uint64_t longest_us = atomic_load(&pause->longest_us);
	atomic_fetch_sub(&gate->parked, 1);
	atomic_fetch_sub(&gate->parked_bytes, bytes);
	atomic_fetch_sub(&pause->parked, 1);
	atomic_fetch_sub(&pause->parked_bytes, bytes);
	while (waited_us > longest_us && !atomic_compare_exchange_weak(&pause->longest_us, &longest_us, waited_us))
		;
}

uint64_t gate_over_limit(const struct gate *gate)
{
	return atomic_load(&gate->over_limit);
}

bool gate_has_parked(const struct gate *gate)
{
	return atomic_load(&gate->parked) > 0;
}

/* ---- a question to all workers ---- */

struct gate_census {
	struct ref ref;
	struct gate *gate;
	size_t unanswered, in_flight;
	struct buf parked; /* uint32_t each */
};

struct gate_census *gate_census_new(struct gate *gate)
{
	struct gate_census *census = memory_zalloc(sizeof(*census));
	ref_init(&census->ref);
	census->gate = gate;
	census->unanswered = gate->workers;
	return census;
}

struct gate_census *gate_census_ref(struct gate_census *census)
{
	ref_take(&census->ref);
	return census;
}

void gate_census_unref(struct gate_census *census)
{
	if (!ref_drop(&census->ref))
		return;
	buf_deinit(&census->parked);
	free(census);
}

void gate_census_answer(struct gate_census *census, size_t in_flight, const uint32_t *parked, size_t parked_count)
{
	pthread_mutex_lock(&census->gate->lock);
	census->in_flight += in_flight;
	if (parked_count)
		buf_append(&census->parked, parked, parked_count * sizeof(*parked));
	census->unanswered--;
	pthread_cond_broadcast(&census->gate->changed);
	pthread_mutex_unlock(&census->gate->lock);
}

bool gate_census_await(struct gate_census *census, uint32_t timeout_ms, struct proxy_census *out)
{
	struct timespec until = timespec_at(from_now(timeout_ms));
	struct gate *gate = census->gate;
	pthread_mutex_lock(&gate->lock);
	while (census->unanswered && pthread_cond_timedwait(&gate->changed, &gate->lock, &until) == 0)
		;
	bool complete = !census->unanswered;
	if (complete) {
		size_t count = census->parked.len / sizeof(uint32_t);
		*out = (struct proxy_census){ .in_flight = census->in_flight, .parked_count = count };
		out->parked = memory_alloc(census->parked.len + 1);
		if (count)
			memcpy(out->parked, census->parked.data, census->parked.len);
	}
	pthread_mutex_unlock(&gate->lock);
	return complete;
}
