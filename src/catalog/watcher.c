/*
 * The thread owns all its state, but for what others touch, under one mutex,
 * and takes the connection for each look (link.h). Two eventfds wake it:
 * stop_fd stays readable from then on and ends every wait, poke_fd only ends
 * the pause between two looks.
 *
 * A thread that hangs where we cannot reach it (in a resolver, say) is left
 * behind at the end: it holds a reference and frees what remains.
 */
#include "catalog/watcher.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "catalog/link.h"
#include "catalog/loader.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LAST_MS = 5000,
	JOIN_MS = 1500,
	SHARE_OF_POLL = 20, /* pause at least so many times what a look took */
};

struct catalog_watcher {
	struct ref ref; /* the owner's and the thread's */
	struct catalog_watcher_settings settings;
	char *id, *name;
	struct catalog_watcher_callbacks callbacks;
	pthread_t thread;
	int stop_fd, poke_fd;
	_Atomic uint64_t requested;
	_Atomic uint64_t looked_us; /* the last look that succeeded; 0: none yet */
	_Atomic uint64_t discards;  /* grows under the lock */

	pthread_mutex_t lock;
	bool stopped;	    /* no callback from now on */
	struct map *map;
	uint64_t map_number; /* grows with each set_map */

	/* the thread's own */
	struct catalog_link *link;
	struct catalog_connection *connection; /* while it looks; else NULL */
	struct buf fingerprint;
	uint64_t loaded_map; /* map_number of the facts; 0: none loaded */
	uint64_t version;
	uint64_t answered;
	uint64_t discards_seen; /* before the present look */
	uint32_t backoff_ms;
	uint64_t look_ms; /* how long the last look took … */
	uint64_t compare_ms; /* … and the last fingerprint */
	uint64_t activity_us; /* when it was last asked who is connected; 0: never */
	bool in_trouble;
	struct error trouble;
};

struct catalog_watcher_settings catalog_watcher_settings_default(void)
{
	return (struct catalog_watcher_settings){
		.poll_ms = 1000,
		.connect_timeout_ms = 10000,
		.query_timeout_ms = 15000,
	};
}

/* ---- life ---- */

static void unref(struct catalog_watcher *watcher)
{
	if (!ref_drop(&watcher->ref))
		return;
	catalog_link_give(watcher->link, watcher->connection);
	catalog_link_unref(watcher->link);
	buf_deinit(&watcher->fingerprint);
	map_unref(watcher->map);
	close(watcher->stop_fd);
	close(watcher->poke_fd);
	pthread_mutex_destroy(&watcher->lock);
	free(watcher->id);
	free(watcher->name);
	free(watcher);
}

static bool is_stopped(struct catalog_watcher *watcher)
{
	pthread_mutex_lock(&watcher->lock);
	bool stopped = watcher->stopped;
	pthread_mutex_unlock(&watcher->lock);
	return stopped;
}

/* ---- telling ---- */

/* Callbacks run under the lock, so that none runs once the owner has stopped us. */
static void give_facts(struct catalog_watcher *watcher, struct facts *facts)
{
	pthread_mutex_lock(&watcher->lock);
	if (watcher->stopped || atomic_load(&watcher->discards) != watcher->discards_seen)
		facts_unref(facts);
	else
		watcher->callbacks.facts(watcher->callbacks.context, facts);
	pthread_mutex_unlock(&watcher->lock);
}

static void answer(struct catalog_watcher *watcher, uint64_t ticket, bool fresh)
{
	pthread_mutex_lock(&watcher->lock);
	if (ticket > watcher->answered && !watcher->stopped && watcher->callbacks.checked)
		watcher->callbacks.checked(watcher->callbacks.context, ticket, fresh);
	pthread_mutex_unlock(&watcher->lock);
	watcher->answered = ticket;
}

static void report_trouble(struct catalog_watcher *watcher, const struct error *error)
{
	bool known = watcher->in_trouble && strcmp(watcher->trouble.message, error->message) == 0;
	watcher->in_trouble = true;
	watcher->trouble = *error;
	if (known || is_stopped(watcher))
		return;
	LOG(LOG_WARNING, "catalog_unreachable", LOG_STR("sqlstate", error->sqlstate),
	    LOG_STR("error", error->message),
	    LOG_STR("consequence", watcher->loaded_map ? "facts may be out of date" : "no facts yet"));
}

static void report_recovery(struct catalog_watcher *watcher)
{
	watcher->backoff_ms = 0;
	if (!watcher->in_trouble)
		return;
	watcher->in_trouble = false;
	LOG(LOG_INFO, "catalog_reachable");
}

/* ---- looking ---- */

static struct map *take_map(struct catalog_watcher *watcher, uint64_t *number_out)
{
	pthread_mutex_lock(&watcher->lock);
	struct map *map = map_ref(watcher->map);
	*number_out = watcher->map_number;
	pthread_mutex_unlock(&watcher->lock);
	return map;
}

static bool load(struct catalog_watcher *watcher, const struct map *map, uint64_t map_number,
		 struct error *error_out)
{
	struct facts *facts;
	if (!catalog_load(watcher->connection, map, watcher->version + 1, watcher->settings.query_timeout_ms, &facts,
			  &watcher->fingerprint, error_out))
		return false;
	watcher->version++;
	watcher->loaded_map = map_number;
	LOG(LOG_DEBUG, "catalog_loaded", LOG_UINT("version", watcher->version),
	    LOG_UINT("relations", facts->relation_count));
	give_facts(watcher, facts);
	return true;
}

static bool compare(struct catalog_watcher *watcher, const struct map *map, bool *same_out,
		    struct error *error_out)
{
	struct buf now;
	uint64_t started_us = clock_monotonic_us();
	buf_init(&now);
	bool ok = catalog_fingerprint(watcher->connection, map, watcher->settings.query_timeout_ms, &now, error_out);
	if (ok)
		*same_out = slice_eq(buf_slice(&now), buf_slice(&watcher->fingerprint));
	buf_deinit(&now);
	watcher->compare_ms = (clock_monotonic_us() - started_us) / 1000;
	return ok;
}

static bool look_with(struct catalog_watcher *watcher, const struct map *map, uint64_t map_number,
		      struct error *error_out)
{
	bool same = false;
	if (watcher->loaded_map == map_number && !compare(watcher, map, &same, error_out))
		return false;
	return same || load(watcher, map, map_number, error_out);
}

static bool look(struct catalog_watcher *watcher, struct error *error_out)
{
	uint64_t map_number;
	struct map *map = take_map(watcher, &map_number);
	bool ok = look_with(watcher, map, map_number, error_out);
	map_unref(map);
	return ok;
}

static void give_back(struct catalog_watcher *watcher)
{
	catalog_link_give(watcher->link, watcher->connection);
	watcher->connection = NULL;
}

/* ---- who is connected ---- */

static bool activity_is_due(const struct catalog_watcher *watcher)
{
	uint64_t every_us = (uint64_t)watcher->settings.activity_ms * 1000;
	return every_us && watcher->callbacks.activity &&
	       (!watcher->activity_us || clock_monotonic_us() - watcher->activity_us >= every_us);
}

static uint32_t *own_pids(struct catalog_watcher *watcher, size_t *count_out)
{
	uint32_t *pids = NULL;
	pthread_mutex_lock(&watcher->lock);
	if (!watcher->stopped && watcher->callbacks.pids)
		pids = watcher->callbacks.pids(watcher->callbacks.context, count_out);
	pthread_mutex_unlock(&watcher->lock);
	return pids;
}

static void tell_pids(struct catalog_watcher *watcher)
{
	struct error error;
	struct activity_presence presence = { .id = watcher->id, .name = watcher->name,
					      .every_ms = watcher->settings.activity_ms };
	uint32_t *pids = watcher->id ? own_pids(watcher, &presence.count) : NULL;
	presence.pids = pids;
	if (pids && !activity_tell(watcher->connection, &presence, watcher->settings.query_timeout_ms, &error))
		LOG(LOG_DEBUG, "presence_not_told", LOG_STR("error", error.message));
	free(pids);
}

/* Trouble here is that of the next look at the catalog, which says so. */
static void look_at_activity(struct catalog_watcher *watcher)
{
	struct activity activity;
	struct error ignored;
	if (!activity_is_due(watcher))
		return;
	watcher->activity_us = clock_monotonic_us();
	tell_pids(watcher);
	if (!activity_load(watcher->connection, watcher->id, watcher->settings.query_timeout_ms, &activity, &ignored))
		return;
	pthread_mutex_lock(&watcher->lock);
	if (!watcher->stopped)
		watcher->callbacks.activity(watcher->callbacks.context, &activity);
	pthread_mutex_unlock(&watcher->lock);
	activity_deinit(&activity);
}

static void back_off(struct catalog_watcher *watcher)
{
	uint32_t next = watcher->backoff_ms ? watcher->backoff_ms * 2 : BACKOFF_FIRST_MS;
	watcher->backoff_ms = next < BACKOFF_LAST_MS ? next : BACKOFF_LAST_MS;
}

/* What was loaded before, or thrown away, is not what others go by now. */
static void see_discards(struct catalog_watcher *watcher)
{
	uint64_t discards = atomic_load(&watcher->discards);
	if (discards != watcher->discards_seen)
		watcher->loaded_map = 0;
	watcher->discards_seen = discards;
}

static void look_and_tell(struct catalog_watcher *watcher)
{
	struct error error;
	eventfd_read(watcher->poke_fd, &(eventfd_t){ 0 });
	see_discards(watcher);
	uint64_t ticket = atomic_load(&watcher->requested); /* before looking: later pokes want a later look */
	bool ok = catalog_link_take(watcher->link, watcher->stop_fd, watcher->settings.connect_timeout_ms,
				    &watcher->connection, &error);
	uint64_t started_us = clock_monotonic_us();
	ok = ok && look(watcher, &error);
	watcher->look_ms = (clock_monotonic_us() - started_us) / 1000;
	if (ok && atomic_load(&watcher->discards) == watcher->discards_seen) {
		atomic_store(&watcher->looked_us, clock_monotonic_us());
		report_recovery(watcher);
		look_at_activity(watcher);
		answer(watcher, ticket, true);
	} else if (!ok) {
		back_off(watcher);
		report_trouble(watcher, &error);
		answer(watcher, ticket, false);
	} /* else the next look answers the tickets too */
	give_back(watcher);
}

/* ---- pausing ---- */

static uint64_t pause_ms(const struct catalog_watcher *watcher)
{
	uint64_t pause = watcher->compare_ms * SHARE_OF_POLL;
	if (watcher->backoff_ms)
		return watcher->backoff_ms;
	if (pause < watcher->look_ms)
		pause = watcher->look_ms;
	uint32_t poll = watcher->settings.poll_ms;
	if (watcher->callbacks.activity && watcher->settings.activity_ms && watcher->settings.activity_ms < poll)
		poll = watcher->settings.activity_ms;
	return pause > poll ? pause : poll;
}

/* A poke ends a pause, but not before as long has passed as the last look
 * took, nor a pause after trouble: a session that does nothing but DDL must
 * not keep the server busy with us. */
static bool may_look_early(const struct catalog_watcher *watcher, uint64_t passed_ms)
{
	return !watcher->backoff_ms && passed_ms >= watcher->look_ms;
}

/* False once it is time to look again. */
static bool pause_step(struct catalog_watcher *watcher, uint64_t passed_ms, bool *poked)
{
	uint64_t whole = pause_ms(watcher);
	if (passed_ms >= whole || (*poked && may_look_early(watcher, passed_ms)))
		return false;
	uint64_t left = (*poked && !watcher->backoff_ms ? watcher->look_ms : whole) - passed_ms;
	struct pollfd fds[] = {
		{ .fd = watcher->stop_fd, .events = POLLIN },
		{ .fd = *poked ? -1 : watcher->poke_fd, .events = POLLIN },
		{ .fd = catalog_link_fd(watcher->link), .events = POLLIN },
	};
	if (poll(fds, 3, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
		return false;
	if (fds[0].revents)
		return false;
	if (fds[1].revents) {
		eventfd_read(watcher->poke_fd, &(eventfd_t){ 0 });
		*poked = true;
	}
	return !fds[2].revents || catalog_link_listen(watcher->link); /* it went away: see at once whether it is back */
}

static void pause_until_due(struct catalog_watcher *watcher)
{
	bool poked = false;
	uint64_t started_us = clock_monotonic_us();
	while (pause_step(watcher, (clock_monotonic_us() - started_us) / 1000, &poked)) {
		if (poked && watcher->backoff_ms)
			answer(watcher, atomic_load(&watcher->requested), false);
		if (watcher->backoff_ms)
			poked = false;
	}
}

static void *run(void *context)
{
	struct catalog_watcher *watcher = context;
	while (!is_stopped(watcher)) {
		look_and_tell(watcher);
		pause_until_due(watcher);
	}
	unref(watcher);
	return NULL;
}

/* ---- interface ---- */

struct catalog_watcher *catalog_watcher_new(const struct catalog_watcher_settings *settings, struct map *map,
					    struct catalog_watcher_callbacks callbacks)
{
	struct catalog_watcher *watcher = memory_zalloc(sizeof(*watcher));
	ref_init(&watcher->ref);
	ref_take(&watcher->ref);
	watcher->settings = *settings;
	watcher->link = catalog_link_for(settings->dsn);
	catalog_link_hold(watcher->link, settings->poll_ms < CATALOG_LINK_HOLD_MS);
	watcher->id = memory_strdup(settings->id);
	watcher->name = memory_strdup(settings->name);
	watcher->callbacks = callbacks;
	watcher->map = map_ref(map);
	watcher->map_number = 1;
	watcher->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watcher->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	buf_init(&watcher->fingerprint);
	pthread_mutex_init(&watcher->lock, NULL);
	if (!thread_start(&watcher->thread, "catalog", 0, run, watcher))
		memory_exhausted(0);
	return watcher;
}

static struct timespec after_ms(uint32_t ms)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	time.tv_sec += ms / 1000;
	time.tv_nsec += (long)(ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}

void catalog_watcher_free(struct catalog_watcher *watcher)
{
	if (!watcher)
		return;
	pthread_mutex_lock(&watcher->lock);
	watcher->stopped = true;
	pthread_mutex_unlock(&watcher->lock);
	eventfd_write(watcher->stop_fd, 1);
	struct timespec deadline = after_ms(JOIN_MS);
	if (pthread_timedjoin_np(watcher->thread, NULL, &deadline) != 0)
		pthread_detach(watcher->thread);
	unref(watcher);
}

uint64_t catalog_watcher_poke(struct catalog_watcher *watcher)
{
	uint64_t ticket = atomic_fetch_add(&watcher->requested, 1) + 1;
	eventfd_write(watcher->poke_fd, 1);
	return ticket;
}

void catalog_watcher_discard(struct catalog_watcher *watcher)
{
	pthread_mutex_lock(&watcher->lock);
	atomic_fetch_add(&watcher->discards, 1);
	pthread_mutex_unlock(&watcher->lock);
	eventfd_write(watcher->poke_fd, 1);
}

int64_t catalog_watcher_age_ms(const struct catalog_watcher *watcher)
{
	uint64_t looked_us = atomic_load(&watcher->looked_us), now_us = clock_monotonic_us();
	if (!looked_us)
		return -1;
	return now_us > looked_us ? (int64_t)((now_us - looked_us) / 1000) : 0;
}

void catalog_watcher_set_map(struct catalog_watcher *watcher, struct map *map)
{
	pthread_mutex_lock(&watcher->lock);
	map_unref(watcher->map);
	watcher->map = map_ref(map);
	watcher->map_number++;
	pthread_mutex_unlock(&watcher->lock);
	eventfd_write(watcher->poke_fd, 1);
}
