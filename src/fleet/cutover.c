#include "fleet/cutover_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "rewrite/rewriter.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *cutover_step_name(enum cutover_step step)
{
	static const char *const names[] = {
		[CUTOVER_CHECK] = "check",   [CUTOVER_WAIT] = "wait",	[CUTOVER_PAUSE] = "pause",
		[CUTOVER_DRAIN] = "drain",   [CUTOVER_LOCK] = "lock",	[CUTOVER_MOVE] = "move",
		[CUTOVER_COMMIT] = "commit", [CUTOVER_SETTLE] = "settle", [CUTOVER_PUBLISH] = "publish",
		[CUTOVER_OPEN] = "open",
	};
	return names[step];
}

const char *cutover_outcome_name(enum cutover_outcome outcome)
{
	static const char *const names[] = {
		[CUTOVER_RUNNING] = "running",	   [CUTOVER_DONE] = "done",
		[CUTOVER_NOTHING] = "nothing to do", [CUTOVER_DRY] = "dry run",
		[CUTOVER_REFUSED] = "refused",	   [CUTOVER_GAVE_UP] = "gave up",
		[CUTOVER_CANCELLED] = "cancelled", [CUTOVER_FAILED] = "failed",
		[CUTOVER_IN_DOUBT] = "in doubt",
	};
	return names[outcome];
}

/* ---- for the thread's files ---- */

void cutover_set_step(struct cutover *cutover, enum cutover_step step)
{
	uint64_t now_us = clock_monotonic_us();
	pthread_mutex_lock(&cutover->lock);
	if (step == CUTOVER_PAUSE)
		memset(cutover->status.step_us, 0, sizeof(cutover->status.step_us));
	cutover->status.step_us[cutover->status.step] = now_us - cutover->step_at_us;
	cutover->status.step = step;
	pthread_mutex_unlock(&cutover->lock);
	cutover->step_at_us = now_us;
	LOG(LOG_DEBUG, "cutover_step", LOG_STR("step", cutover_step_name(step)),
	    LOG_UINT("us", now_us - cutover->began_us));
}

void cutover_set_holders(struct cutover *cutover, struct holders *holders)
{
	pthread_mutex_lock(&cutover->lock);
	holders_free(&cutover->holders);
	cutover->holders = *holders;
	pthread_mutex_unlock(&cutover->lock);
	*holders = (struct holders){ 0 };
}

const char *cutover_kind(const struct cutover *cutover)
{
	const struct move_wish *wish = &cutover->request.wish;
	return wish->flip ? "flag" : wish->reverse ? "reverse" : "cutover";
}

bool cutover_is_stopped(const struct cutover *cutover)
{
	return atomic_load(&cutover->cancelled);
}

bool cutover_must_end(const struct cutover *cutover)
{
	struct pollfd fd = { .fd = cutover->stop_fd, .events = POLLIN };
	return poll(&fd, 1, 0) > 0;
}

uint32_t cutover_left_ms(uint64_t deadline_us)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t left = deadline_us > now_us ? (deadline_us - now_us) / 1000 : 0;
	return left < 1 ? 1 : left > 3600000 ? 3600000 : (uint32_t)left;
}

bool cutover_sleep(struct cutover *cutover, uint32_t ms)
{
	struct pollfd fd = { .fd = cutover->stop_fd, .events = POLLIN };
	uint64_t until_us = clock_monotonic_us() + (uint64_t)ms * 1000;
	while (!cutover_is_stopped(cutover) && clock_monotonic_us() < until_us) {
		uint32_t left = cutover_left_ms(until_us);
		poll(&fd, 1, left > 20 ? 20 : (int)left);
	}
	return !cutover_is_stopped(cutover);
}

/* ---- the thread ---- */

static void finish(struct cutover *cutover, enum cutover_outcome outcome, const struct error *error)
{
	struct cutover_status status;
	catalog_connection_free(cutover->connection);
	cutover->connection = NULL;
	pthread_mutex_lock(&cutover->lock);
	cutover->status.outcome = outcome;
	if (outcome >= CUTOVER_REFUSED)
		cutover->status.error = *error;
	pthread_mutex_unlock(&cutover->lock);
	cutover_look(cutover, &status);
	cutover->callbacks.done(cutover->callbacks.context, &status);
}

static void *run(void *context)
{
	struct cutover *cutover = context;
	struct error error = { .sqlstate = "" };
	enum cutover_outcome outcome = cutover_run(cutover, &error);
	finish(cutover, outcome, &error);
	return NULL;
}

static void copy_request(struct cutover *cutover, const struct cutover_request *request)
{
	struct arena *arena = &cutover->arena;
	struct move_wish *wish = &cutover->request.wish;
	cutover->request = *request;
	cutover->request.dsn = arena_strdup(arena, request->dsn);
	cutover->request.database = arena_strdup(arena, request->database);
	cutover->request.who = arena_strdup(arena, request->who);
	cutover->request.reason = arena_strdup(arena, request->reason);
	ruleset_ref(cutover->request.ruleset);
	wish->group = arena_strdup(arena, request->wish.group);
	const char **tables = ARENA_ARRAY(arena, request->wish.table_count + 1, const char *);
	for (size_t i = 0; i < request->wish.table_count; i++)
		tables[i] = arena_strdup(arena, request->wish.tables[i]);
	wish->tables = tables;
	if (!cutover->request.timeout_ms)
		cutover->request.timeout_ms = CUTOVER_TIMEOUT_MS;
	if (!cutover->request.max_stall_ms)
		cutover->request.max_stall_ms = CUTOVER_MAX_STALL_MS;
}

static void describe_request(struct cutover *cutover)
{
	struct buf tables;
	buf_init(&tables);
	if (cutover->request.wish.group)
		buf_printf(&tables, "group %s", cutover->request.wish.group);
	for (size_t i = 0; i < cutover->request.wish.table_count; i++)
		buf_printf(&tables, "%s%s", tables.len ? ", " : "", cutover->request.wish.tables[i]);
	snprintf(cutover->status.tables, sizeof(cutover->status.tables), "%s", buf_cstr(&tables));
	buf_deinit(&tables);
	cutover->status.reverse = cutover->request.wish.reverse;
	state_make_id(cutover->status.id);
}

/* ---- interface ---- */

struct cutover *cutover_start(const struct cutover_request *request, struct cutover_callbacks callbacks)
{
	struct cutover *cutover = memory_zalloc(sizeof(*cutover));
	arena_init(&cutover->arena);
	copy_request(cutover, request);
	describe_request(cutover);
	cutover->callbacks = callbacks;
	cutover->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cutover->began_us = cutover->step_at_us = clock_monotonic_us();
	cutover->deadline_us = cutover->began_us + (uint64_t)cutover->request.timeout_ms * 1000;
	pthread_mutex_init(&cutover->lock, NULL);
	/* Bodies of functions are parsed there. */
	if (!thread_start(&cutover->thread, "cutover", REWRITE_PARSE_STACK_BYTES, run, cutover))
		memory_exhausted(0);
	return cutover;
}

void cutover_cancel(struct cutover *cutover)
{
	atomic_store(&cutover->cancelled, true);
}

void cutover_look(struct cutover *cutover, struct cutover_status *status_out)
{
	pthread_mutex_lock(&cutover->lock);
	*status_out = cutover->status;
	pthread_mutex_unlock(&cutover->lock);
	status_out->age_ms = (clock_monotonic_us() - cutover->began_us) / 1000;
}

void cutover_blockers(struct cutover *cutover, struct holders *holders_out)
{
	struct holders copy = { 0 };
	pthread_mutex_lock(&cutover->lock);
	copy.items = memory_zalloc((cutover->holders.count + 1) * sizeof(*copy.items));
	copy.count = cutover->holders.count;
	copy.cut = cutover->holders.cut;
	if (copy.count)
		memcpy(copy.items, cutover->holders.items, copy.count * sizeof(*copy.items));
	pthread_mutex_unlock(&cutover->lock);
	*holders_out = copy;
}

void cutover_free(struct cutover *cutover)
{
	if (!cutover)
		return;
	cutover_cancel(cutover);
	eventfd_write(cutover->stop_fd, 1);
	pthread_join(cutover->thread, NULL);
	close(cutover->stop_fd);
	move_plan_free(cutover->plan);
	facts_unref(cutover->fresh);
	holders_free(&cutover->holders);
	ruleset_unref(cutover->request.ruleset);
	pthread_mutex_destroy(&cutover->lock);
	arena_deinit(&cutover->arena);
	free(cutover);
}
