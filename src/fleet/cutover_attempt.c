/*
 * One attempt: pause, drain, lock, move, commit, publish, open. Whatever goes
 * wrong before COMMIT opens the gate again and leaves everything as it was.
 */
#include "fleet/cutover_parts.h"

#include "base/clock.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum {
	TTL_SPARE_MS = 1500,
	MOVE_MS = 5000,	 /* for the statements after the locks */
	DRAIN_LAST_MS = 10,
	DRAIN_SHARE = 8, /* of the time that the drain has taken so far, between two looks */
	GONE_ON_MS = 200,
	LOCK_SHARE = 8, /* tenths of deadlock_timeout that a lock may be waited for */
};

/* ---- the pause ---- */

/*
 * What is asked while statements wait is asked once before: a process of the
 * server's reads the catalog slowly the first time.
 */
static void warm_up(struct cutover *cutover)
{
	const struct move_plan *plan = cutover->plan;
	struct pid_list holders = { 0 }, blockers = { 0 };
	struct error ignored;
	struct buf sql;
	buf_init(&sql);
	changes_append(cutover->connection, &plan->changed, &sql);
	catalog_execute(cutover->connection, buf_cstr(&sql), QUERY_MS, &ignored);
	buf_deinit(&sql);
	if (holders_poll(cutover->connection, plan->watched, plan->watched_count, QUERY_MS, &holders, &blockers, &ignored)) {
		free(holders.pids);
		free(blockers.pids);
	}
}

static bool begin_pause(struct cutover *cutover, struct error *error_out)
{
	const struct cutover_request *request = &cutover->request;
	struct proxy_pause wanted = { request->database, cutover->plan->keys, cutover->plan->key_count,
				      request->wish.reverse ? "reverse" : "cutover",
				      request->max_stall_ms + TTL_SPARE_MS };
	cutover_set_step(cutover, CUTOVER_PAUSE);
	cutover->paused_at_us = clock_monotonic_us();
	cutover->stall_deadline_us = cutover->paused_at_us + (uint64_t)request->max_stall_ms * 1000;
	if (!request->proxy)
		return cutover_announce(cutover, error_out);
	cutover->pause = proxy_pause(request->proxy, &wanted, error_out);
	if (!cutover->pause)
		return false;
	if (proxy_pause_await(request->proxy, cutover->pause, PAUSE_PAUSING, cutover_left_ms(cutover->stall_deadline_us)))
		return cutover_announce(cutover, error_out);
	error_set(error_out, SQLSTATE_INTERNAL_ERROR, "not every worker has paused within %u ms", request->max_stall_ms);
	return false;
}

static bool renew_pause(struct cutover *cutover, uint32_t ttl_ms, struct error *error_out)
{
	if (!cutover->pause || proxy_pause_renew(cutover->request.proxy, cutover->pause, ttl_ms))
		return true;
	error_set(error_out, "55P03", "the pause ended before the tables were moved");
	return false;
}

/* What is prepared anew first goes on a moment after the gate has opened. */
static bool look_when_gone_on(struct cutover *cutover, struct proxy_pause_info *info_out)
{
	struct timespec pause = { .tv_nsec = 1000000L };
	for (int left = GONE_ON_MS; left > 0; left--) {
		if (!proxy_pause_look(cutover->request.proxy, cutover->pause, info_out))
			return false;
		if (!info_out->parked)
			break;
		nanosleep(&pause, NULL);
	}
	return true;
}

static void note_pause(struct cutover *cutover)
{
	struct proxy_pause_info info;
	if (!look_when_gone_on(cutover, &info))
		return;
	pthread_mutex_lock(&cutover->lock);
	cutover->status.parked_total += info.parked_total;
	cutover->status.last_us = info.longest_us;
	if (info.longest_us > cutover->status.longest_us)
		cutover->status.longest_us = info.longest_us;
	pthread_mutex_unlock(&cutover->lock);
}

static void end_pause(struct cutover *cutover)
{
	pthread_mutex_lock(&cutover->lock);
	cutover->status.paused_us = clock_monotonic_us() - cutover->paused_at_us;
	pthread_mutex_unlock(&cutover->lock);
	if (!cutover->pause)
		return;
	proxy_resume(cutover->request.proxy, cutover->pause);
	proxy_pause_await(cutover->request.proxy, cutover->pause, PAUSE_OPENING, ACKNOWLEDGE_MS);
	note_pause(cutover);
	cutover->pause = 0;
}

/* ---- drain ---- */

static bool is_in(const struct pid_list *list, uint32_t pid)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->pids[i] == pid)
			return true;
	}
	return false;
}

/* A session that waits at the gate and holds what we wait for, or keeps one that does waiting, must go on. */
static void release_blockers(struct cutover *cutover, struct proxy_census *census, const struct pid_list *holders,
			     const struct pid_list *blockers)
{
	size_t count = 0;
	for (size_t i = 0; i < census->parked_count; i++) {
		uint32_t pid = census->parked[i];
		if (pid && (is_in(holders, pid) || is_in(blockers, pid)))
			census->parked[count++] = pid;
	}
	if (count)
		proxy_pause_release(cutover->request.proxy, cutover->pause, census->parked, count);
}

enum look { LOOK_FREE, LOOK_HELD, LOOK_FAILED };

static enum look look_once(struct cutover *cutover, struct error *error_out)
{
	struct pid_list holders = { 0 }, blockers = { 0 };
	struct proxy_census census = { 0 };
	uint32_t left_ms = cutover_left_ms(cutover->stall_deadline_us);
	if (cutover->pause && !proxy_pause_census(cutover->request.proxy, cutover->pause, left_ms, &census)) {
		error_set(error_out, "55P03", "the pause ended, or not every worker answered in time");
		return LOOK_FAILED;
	}
	bool ok = holders_poll(cutover->connection, cutover->plan->watched, cutover->plan->watched_count, POLL_MS,
			       &holders, &blockers, error_out);
	bool held = census.in_flight || holders.count;
	if (ok && held && cutover->pause)
		release_blockers(cutover, &census, &holders, &blockers);
	if (ok && !held)
		ok = cutover_others_are_busy(cutover, &held, error_out);
	free(census.parked);
	free(holders.pids);
	free(blockers.pids);
	return !ok ? LOOK_FAILED : held ? LOOK_HELD : LOOK_FREE;
}

static void remember_holders(struct cutover *cutover)
{
	struct holders holders;
	struct error ignored;
	if (holders_read(cutover->connection, cutover->plan->watched, cutover->plan->watched_count, 0, POLL_MS, &holders,
			 &ignored))
		cutover_set_holders(cutover, &holders);
}

static uint32_t until_next_look_ms(const struct cutover *cutover)
{
	uint64_t passed_ms = (clock_monotonic_us() - cutover->step_at_us) / 1000, pause_ms = passed_ms / DRAIN_SHARE;
	return pause_ms < 1 ? 1 : pause_ms > DRAIN_LAST_MS ? DRAIN_LAST_MS : (uint32_t)pause_ms;
}

static enum attempt drain(struct cutover *cutover, struct error *error_out)
{
	enum look look;
	cutover_set_step(cutover, CUTOVER_DRAIN);
	while ((look = look_once(cutover, error_out)) == LOOK_HELD) {
		uint32_t pause_ms = until_next_look_ms(cutover);
		if (clock_monotonic_us() + pause_ms * 1000 >= cutover->stall_deadline_us)
			break;
		if (!cutover_sleep(cutover, pause_ms))
			break;
	}
	if (look == LOOK_FREE) {
		if (cutover->pause)
			proxy_pause_drained(cutover->request.proxy, cutover->pause);
		return ATTEMPT_DONE;
	}
	if (look == LOOK_HELD)
		error_set(error_out, "55P03", "the tables were still in use %u ms after the pause began%s%s",
			  cutover->request.max_stall_ms, cutover->busy_proxy[0] ? ", through proxy " : "",
			  cutover->busy_proxy);
	return ATTEMPT_AGAIN;
}

/* ---- the transaction ---- */

/* What is worth another attempt: locks not had in time, a clash with somebody else's DDL, a lost connection. */
static enum attempt judge(const struct cutover *cutover, const struct error *error)
{
	static const char *const passing[] = { "55P03", "57014", "40P01", "40001", "55006", "57P01", "57P02", "57P03",
					       "25P03", "25P04", "08006", "08003", "53300", "22012" };
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		if (strcmp(error->sqlstate, passing[i]) == 0)
			return ATTEMPT_AGAIN;
	}
	return strstr(error->message, "concurrently") || !catalog_connection_is_alive(cutover->connection) ?
		       ATTEMPT_AGAIN :
		       ATTEMPT_FAILED;
}

/* Below deadlock_timeout, so that a deadlock ends with us and not with an application. */
static uint32_t lock_timeout_ms(const struct cutover *cutover)
{
	uint32_t left = cutover_left_ms(cutover->stall_deadline_us);
	uint32_t most = cutover->deadlock_timeout_ms / 10 * LOCK_SHARE + cutover->deadlock_timeout_ms % 10 * LOCK_SHARE / 10;
	return most && most < left ? most : left;
}

static enum attempt lock(struct cutover *cutover, struct error *error_out)
{
	uint32_t timeout_ms = lock_timeout_ms(cutover);
	struct buf sql;
	cutover_set_step(cutover, CUTOVER_LOCK);
	buf_init(&sql);
	/* Should we stop answering, the server ends the transaction, and with it the locks. */
	buf_printf(&sql,
		   "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = %u;"
		   " SET LOCAL statement_timeout = %u; SET LOCAL idle_in_transaction_session_timeout = %u;",
		   timeout_ms, timeout_ms, cutover->request.max_stall_ms + TTL_SPARE_MS);
	cutover_append_fence(cutover, &sql);
	for (size_t i = 0; i < cutover->plan->lock_count; i++)
		buf_printf(&sql, "%s;", cutover->plan->statements[i].sql);
	bool ok = catalog_execute(cutover->connection, buf_cstr(&sql), timeout_ms + TTL_SPARE_MS, error_out);
	buf_deinit(&sql);
	if (!ok)
		cutover_explain_fence(error_out);
	return ok ? ATTEMPT_DONE : judge(cutover, error_out);
}

static void append_change(struct cutover *cutover, struct buf *sql)
{
	struct state_change change = { cutover->status.id,   cutover_kind(cutover),
				       cutover->plan->stages, cutover->plan->stage_count,
				       cutover->request.who,  cutover->request.reason,
				       "done",		      NULL,
				       cutover->request.wish.force };
	state_append_journal(cutover->connection, sql, &change);
	state_append_stages(cutover->connection, sql, &change);
}

/* The transaction's number, and what has become of the tables, of the last results of it. */
static void take_outcome(struct cutover *cutover, PGresult *const *results)
{
	snprintf(cutover->xid, sizeof(cutover->xid), "%s", PQgetvalue(results[0], 0, 0));
	cutover->commit_pid = (uint32_t)catalog_connection_pid(cutover->connection);
	facts_unref(cutover->fresh);
	cutover->fresh = changes_take(results + 1);
}

/* All in one: each way to the server and back is time that statements wait. */
static enum attempt move(struct cutover *cutover, struct error *error_out)
{
	PGresult *results[1 + CHANGES_RESULTS] = { NULL };
	struct buf sql;
	cutover_set_step(cutover, CUTOVER_MOVE);
	if (!renew_pause(cutover, MOVE_MS + 2 * TTL_SPARE_MS, error_out))
		return ATTEMPT_AGAIN;
	buf_init(&sql);
	buf_printf(&sql, "SET LOCAL statement_timeout = %d;", MOVE_MS);
	for (size_t i = cutover->plan->lock_count; i < cutover->plan->statement_count; i++)
		buf_printf(&sql, "%s;", cutover->plan->statements[i].sql);
	append_change(cutover, &sql);
	cutover_append_end(cutover, &sql);
	buf_append_str(&sql, "SELECT txid_current();");
	changes_append(cutover->connection, &cutover->plan->changed, &sql);
	bool ok = catalog_query_last(cutover->connection, buf_cstr(&sql), MOVE_MS + TTL_SPARE_MS, results,
				     1 + CHANGES_RESULTS, error_out);
	buf_deinit(&sql);
	if (!ok)
		return judge(cutover, error_out);
	take_outcome(cutover, results);
	for (size_t i = 0; i < 1 + CHANGES_RESULTS; i++)
		PQclear(results[i]);
	return ATTEMPT_DONE;
}

static void roll_back(struct cutover *cutover)
{
	struct error ignored;
	if (!catalog_connection_is_alive(cutover->connection))
		catalog_execute(cutover->connection, "ROLLBACK", POLL_MS, &ignored);
}

/* From here on only the server knows. */
static enum attempt commit(struct cutover *cutover, struct error *error_out)
{
	if (cutover_is_stopped(cutover) || !renew_pause(cutover, SETTLE_TTL_MS, error_out))
		return ATTEMPT_AGAIN;
	cutover_set_step(cutover, CUTOVER_COMMIT);
	if (catalog_execute(cutover->connection, "COMMIT", COMMIT_MS, error_out))
		return ATTEMPT_DONE;
	cutover_set_step(cutover, CUTOVER_SETTLE);
	cutover_say(cutover, CUTOVER_LINE_STEP, "COMMIT was not answered: %s; asking the server what became of it",
		    error_out->message);
	switch (cutover_settle(cutover)) {
	case SETTLED_COMMITTED:
		return ATTEMPT_DONE;
	case SETTLED_ABORTED:
		return ATTEMPT_AGAIN;
	default:
		error_set(error_out, "08007", "the server could not be asked whether the tables have moved");
		error_hint(error_out, "The proxy follows the catalog as soon as it can be read; SHOW TABLES says where "
				      "the rows are.");
		return ATTEMPT_IN_DOUBT;
	}
}

/* ---- all of it ---- */

static enum attempt transact(struct cutover *cutover, struct error *error_out)
{
	if (cutover->alone)
		return ATTEMPT_DONE; /* nothing is written to the database: what holds is what is published now */
	enum attempt outcome = lock(cutover, error_out);
	if (outcome == ATTEMPT_DONE)
		outcome = move(cutover, error_out);
	if (outcome == ATTEMPT_DONE)
		outcome = commit(cutover, error_out);
	if (outcome == ATTEMPT_AGAIN || outcome == ATTEMPT_FAILED)
		roll_back(cutover);
	return outcome;
}

static void publish(struct cutover *cutover, bool certain)
{
	const struct cutover_callbacks *callbacks = &cutover->callbacks;
	const struct move_plan *plan = cutover->plan;
	struct facts_change change = { plan->changed.oids, plan->changed.oid_count, plan->changed.schemas,
				       plan->changed.schema_count, cutover->fresh };
	cutover_set_step(cutover, CUTOVER_PUBLISH);
	if (callbacks->publish && !callbacks->publish(callbacks->context, plan->stages, certain ? plan->stage_count : 0,
						      certain && cutover->fresh ? &change : NULL, PUBLISH_MS))
		cutover_say(cutover, CUTOVER_LINE_WARNING,
			    "the catalog could not be read again; the proxy follows as soon as it can");
}

enum attempt cutover_attempt(struct cutover *cutover, struct error *error_out)
{
	enum attempt outcome = ATTEMPT_AGAIN;
	warm_up(cutover);
	if (begin_pause(cutover, error_out))
		outcome = drain(cutover, error_out);
	if (outcome == ATTEMPT_DONE)
		outcome = transact(cutover, error_out);
	if (outcome == ATTEMPT_DONE || outcome == ATTEMPT_IN_DOUBT)
		publish(cutover, outcome == ATTEMPT_DONE);
	cutover_set_step(cutover, CUTOVER_OPEN);
	if (outcome == ATTEMPT_AGAIN || outcome == ATTEMPT_FAILED)
		cutover_withdraw(cutover);
	end_pause(cutover);
	cutover_set_step(cutover, CUTOVER_OPEN); /* for its time */
	if (outcome == ATTEMPT_AGAIN)
		remember_holders(cutover);
	return outcome;
}
