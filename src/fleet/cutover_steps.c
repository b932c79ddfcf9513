/* From the check to the outcome: attempts, and the waits between them. */
#include "fleet/cutover_parts.h"

#include "base/clock.h"
#include "check/blockers.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { AGAIN_FIRST_MS = 100, AGAIN_LAST_MS = 5000, OLD_POLL_MS = 100, SAY_EVERY_MS = 2000, FINDINGS_SAID = 20,
       LOCK_OUT_MS = 1000, LOCK_OUT_AGAIN_MS = 20 };

/* Nobody else moves tables of this database. */
#define LOCK_OUT_OTHERS "SELECT pg_try_advisory_lock(" STATE_MOVER_LOCK ")"

/* ---- the connection ---- */

static bool ask_text(struct cutover *cutover, const char *sql, char *out, size_t size, struct error *error_out)
{
	PGresult *result = NULL;
	if (!catalog_query(cutover->connection, sql, QUERY_MS, &result, 1, error_out))
		return false;
	snprintf(out, size, "%s", PQntuples(result) && !PQgetisnull(result, 0, 0) ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return true;
}

/* A role that only observes, or a standby, cannot keep anything. One proxy alone can still change its own flags. */
static bool stay_alone(struct cutover *cutover, const struct error *why)
{
	const struct move_wish *wish = &cutover->request.wish;
	cutover->alone = wish->flip && !wish->shared;
	if (cutover->alone)
		cutover_say(cutover, CUTOVER_LINE_WARNING, "only this proxy knows of it, and no fence is set: %s", why->message);
	return cutover->alone;
}

static bool check_server(struct cutover *cutover, struct error *error_out)
{
	char standby[8], timeout[16];
	if (!ask_text(cutover, "SELECT pg_is_in_recovery()", standby, sizeof(standby), error_out) ||
	    !ask_text(cutover, "SELECT setting FROM pg_settings WHERE name = 'deadlock_timeout'", timeout, sizeof(timeout),
		      error_out))
		return false;
	cutover->deadlock_timeout_ms = (uint32_t)strtoul(timeout, NULL, 10);
	if (standby[0] != 't')
		return true;
	error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "this server is a standby");
	error_hint(error_out, "Tables are moved on the primary; its standbys follow by themselves.");
	return stay_alone(cutover, error_out);
}

bool cutover_connect(struct cutover *cutover, struct error *error_out)
{
	if (cutover->connection && catalog_connection_is_alive(cutover->connection))
		return true;
	catalog_connection_free(cutover->connection);
	cutover->connection = NULL;
	return catalog_connect(cutover->request.dsn, cutover->stop_fd, CONNECT_MS, &cutover->connection, error_out) &&
	       catalog_execute(cutover->connection, "SET search_path = pg_catalog; SET application_name = 'crossfade cutover'",
			       QUERY_MS, error_out);
}

/* One that has just ended may have left a process of the server's that is still on its way out. */
static bool lock_out_others(struct cutover *cutover, struct error *error_out)
{
	char got[8];
	uint64_t until_us = clock_monotonic_us() + LOCK_OUT_MS * UINT64_C(1000);
	do {
		if (!ask_text(cutover, LOCK_OUT_OTHERS, got, sizeof(got), error_out))
			return false;
		if (got[0] == 't')
			return true;
	} while (clock_monotonic_us() < until_us && cutover_sleep(cutover, LOCK_OUT_AGAIN_MS));
	error_set(error_out, "55006", "another cutover is under way in this database");
	error_hint(error_out, "Wait for its end, or cancel it with CANCEL CUTOVER.");
	return false;
}

/* The end of the connection would do it too, some moments after whoever waits for our end has heard of it. */
static void let_others_in(struct cutover *cutover)
{
	struct error ignored;
	if (cutover->connection && catalog_connection_is_alive(cutover->connection))
		catalog_execute(cutover->connection, "SELECT pg_advisory_unlock_all()", QUERY_MS, &ignored);
}

/* ---- check ---- */

static bool open_state(struct cutover *cutover, struct error *error_out)
{
	if (cutover->request.dry_run)
		return true;
	return lock_out_others(cutover, error_out) &&
	       (cutover->alone || state_ensure(cutover->connection, QUERY_MS, error_out) || stay_alone(cutover, error_out));
}

static bool check_alone(const struct cutover *cutover, struct error *error_out)
{
	if (!cutover->alone || !cutover->plan->fenced)
		return true;
	error_set(error_out, "42501", "the role of `admin` may not take off the fence of the table that gets the rows");
	error_hint(error_out, "Let it be the mover that `crossfade check --grants` prints, on the primary.");
	return false;
}

static bool prepare(struct cutover *cutover, struct error *error_out)
{
	const struct cutover_request *request = &cutover->request;
	return cutover_connect(cutover, error_out) && check_server(cutover, error_out) && open_state(cutover, error_out) &&
	       move_plan_make(cutover->connection, request->ruleset, &request->wish, QUERY_MS, &cutover->plan, error_out) &&
	       check_alone(cutover, error_out);
}

/* What the move would break or leave behind. It does not forbid it: with a view left, most of it goes on. */
static void say_findings(struct cutover *cutover)
{
	struct move_plan *plan = cutover->plan;
	struct findings findings;
	struct error error;
	size_t said = 0;
	findings_init(&findings);
	if (!blockers_find(cutover->connection, cutover->request.ruleset, plan->keys, plan->key_count, QUERY_MS, &findings,
			   &error))
		cutover_say(cutover, CUTOVER_LINE_WARNING, "what else names the tables is not known: %s", error.message);
	for (size_t i = 0; i < findings.count; i++) {
		const struct finding *finding = &findings.items[i];
		bool note = finding->severity == FINDING_NOTE;
		if ((note && !cutover->request.dry_run) || !finding->entry)
			continue;
		if (said++ < FINDINGS_SAID)
			cutover_say(cutover, note ? CUTOVER_LINE_NOTE : CUTOVER_LINE_WARNING, "%s: %s%s%s", finding->entry,
				    finding->text, finding->hint ? "\nHINT: " : "", finding->hint ? finding->hint : "");
	}
	if (said > FINDINGS_SAID)
		cutover_say(cutover, CUTOVER_LINE_WARNING, "and %zu more; `crossfade check` lists them",
			    said - FINDINGS_SAID);
	findings_deinit(&findings);
}

/* Of others' sessions it must see who waits for whom, or one that waits at the gate and blocks another is not let through. */
static void check_role(struct cutover *cutover)
{
	struct error error;
	char sees[8];
	if (cutover->request.dry_run && !state_check(cutover->connection, QUERY_MS, &error))
		move_plan_problem(cutover->plan, &error);
	if (ask_text(cutover, "SELECT pg_has_role('pg_read_all_stats', 'USAGE')", sees, sizeof(sees), &error) && sees[0] != 't')
		cutover_say(cutover, CUTOVER_LINE_WARNING,
			    "the role of `admin` does not see what sessions of others do: who is in the way has no name, and "
			    "sessions that wait for each other are not noticed\nHINT: GRANT pg_read_all_stats TO it.");
}

static enum cutover_outcome refuse(struct cutover *cutover, struct error *error_out)
{
	const struct move_plan *plan = cutover->plan;
	*error_out = plan->problems[0];
	if (plan->problem_count > 1)
		error_detail(error_out, "%zu more %s in the way.", plan->problem_count - 1,
			     plan->problem_count == 2 ? "thing is" : "things are");
	return CUTOVER_REFUSED;
}

/* ---- old transactions ---- */

static bool is_too_old(const struct cutover *cutover, const struct holder *holder)
{
	return !holder->pid || holder->age_ms > cutover->request.max_stall_ms;
}

static bool look_for_old(struct cutover *cutover, bool *found_out, struct error *error_out)
{
	struct holders holders;
	bool found = false;
	if (!holders_read(cutover->connection, cutover->plan->watched, cutover->plan->watched_count, 0, QUERY_MS,
			  &holders, error_out))
		return false;
	size_t kept = 0;
	for (size_t i = 0; i < holders.count; i++) {
		if (is_too_old(cutover, &holders.items[i]))
			holders.items[kept++] = holders.items[i];
	}
	holders.count = kept;
	found = kept > 0;
	cutover_set_holders(cutover, &holders);
	*found_out = found;
	return true;
}

static void say_holders(struct cutover *cutover)
{
	struct holders holders;
	cutover_blockers(cutover, &holders);
	cutover_say_holders(cutover, &holders);
	holders_free(&holders);
}

static bool time_is_over(const struct cutover *cutover)
{
	return clock_monotonic_us() >= cutover->deadline_us;
}

/* They would use up the whole stall: nobody is held up for them. False: cancelled, over or failed. */
static bool wait_for_old(struct cutover *cutover, struct error *error_out)
{
	uint64_t said_us = 0;
	bool found = true;
	cutover_set_step(cutover, CUTOVER_WAIT);
	while (look_for_old(cutover, &found, error_out) && found) {
		uint64_t now_us = clock_monotonic_us();
		if (now_us - said_us > (uint64_t)SAY_EVERY_MS * 1000) {
			cutover_say(cutover, CUTOVER_LINE_STEP, "waiting: transactions older than %u ms hold the tables",
				    cutover->request.max_stall_ms);
			say_holders(cutover);
			cutover_end_lost(cutover);
			said_us = now_us;
		}
		if (time_is_over(cutover) || !cutover_sleep(cutover, OLD_POLL_MS))
			return false;
	}
	return !found;
}

/* Nobody waits in a dry run: what a cutover would wait for, if it began now. */
static void say_old(struct cutover *cutover)
{
	struct error error;
	bool found = false;
	if (!look_for_old(cutover, &found, &error))
		cutover_say(cutover, CUTOVER_LINE_WARNING, "who holds the tables now is not known: %s", error.message);
	if (!found)
		return;
	cutover_say(cutover, CUTOVER_LINE_WARNING,
		    "transactions older than %u ms hold the tables now; a cutover would wait for their end",
		    cutover->request.max_stall_ms);
	say_holders(cutover);
}

/* ---- attempts ---- */

static void back_off(struct cutover *cutover)
{
	uint32_t next = cutover->pause_ms ? cutover->pause_ms * 2 : AGAIN_FIRST_MS;
	cutover->pause_ms = next < AGAIN_LAST_MS ? next : AGAIN_LAST_MS;
	uint32_t left = cutover_left_ms(cutover->deadline_us);
	cutover_sleep(cutover, cutover->pause_ms < left ? cutover->pause_ms : left);
}

static void count_attempt(struct cutover *cutover)
{
	pthread_mutex_lock(&cutover->lock);
	cutover->status.attempt++;
	pthread_mutex_unlock(&cutover->lock);
}

static void name_first(const struct holders *holders, struct error *error_out)
{
	const struct holder *first = &holders->items[0];
	const char *more = holders->count > 1 ? ", and others" : "";
	double age_s = (double)first->age_ms / 1000;
	if (!first->pid)
		error_detail(error_out, "In its way: prepared transaction '%s' of %s, %.1f s old%s.", first->gid, first->user, age_s,
			     more);
	else
		error_detail(error_out, "In its way: pid %u, user %s, application %s, transaction %.1f s old%s.", first->pid,
			     first->user[0] ? first->user : first->kind,
			     first->application[0] ? first->application : "none given", age_s, more);
}

static enum cutover_outcome give_up(struct cutover *cutover, const struct error *last, struct error *error_out)
{
	struct holders holders;
	if (cutover_is_stopped(cutover)) {
		error_set(error_out, SQLSTATE_QUERY_CANCELED, "the cutover was cancelled; nothing has changed");
		return CUTOVER_CANCELLED;
	}
	cutover_blockers(cutover, &holders);
	error_set(error_out, "55P03", "gave up after %u ms; nothing has changed", cutover->request.timeout_ms);
	if (holders.count && !holders.items[0].proxy[0])
		name_first(&holders, error_out);
	else if (last->message[0])
		error_detail(error_out, "%s", last->message);
	error_hint(error_out, "%s", last->hint[0] ? last->hint :
				    "End what is in its way, or try again with a longer --timeout or --max-stall.");
	say_holders(cutover);
	holders_free(&holders);
	return CUTOVER_GAVE_UP;
}

/* A lost connection is no reason to give up before the time is over. */
static bool reconnect(struct cutover *cutover, struct error *last)
{
	struct error error;
	while (!cutover_connect(cutover, &error) || !lock_out_others(cutover, &error)) {
		*last = error;
		if (time_is_over(cutover) || !cutover_sleep(cutover, 200))
			return false;
	}
	return true;
}

/* What has come between two attempts, such as a new partition, belongs to the next one. */
static bool plan_again(struct cutover *cutover, struct error *error_out)
{
	struct move_plan *plan;
	if (!cutover->status.attempt)
		return true;
	if (!move_plan_make(cutover->connection, cutover->request.ruleset, &cutover->request.wish, QUERY_MS, &plan,
			    error_out))
		return false;
	if (plan->problem_count)
		*error_out = plan->problems[0];
	bool good = !plan->problem_count;
	move_plan_free(good ? cutover->plan : plan);
	if (good)
		cutover->plan = plan;
	return good;
}

static enum cutover_outcome try_until_over(struct cutover *cutover, struct error *error_out)
{
	struct error last = { .sqlstate = "" };
	while (!time_is_over(cutover) && !cutover_is_stopped(cutover)) {
		if (!reconnect(cutover, &last))
			break;
		if (!wait_for_old(cutover, &last) || !plan_again(cutover, &last)) {
			cutover_sleep(cutover, OLD_POLL_MS);
			continue;
		}
		enum gathered gathered = cutover_gather(cutover, &last);
		if (gathered == GATHER_AGAIN) {
			cutover_sleep(cutover, OLD_POLL_MS);
			continue;
		}
		if (gathered == GATHER_REFUSED) {
			*error_out = last;
			return CUTOVER_REFUSED;
		}
		count_attempt(cutover);
		switch (cutover_attempt(cutover, &last)) {
		case ATTEMPT_DONE:
			return CUTOVER_DONE;
		case ATTEMPT_FAILED:
			*error_out = last;
			return CUTOVER_FAILED;
		case ATTEMPT_IN_DOUBT:
			*error_out = last;
			return CUTOVER_IN_DOUBT;
		case ATTEMPT_AGAIN:
			cutover_say(cutover, CUTOVER_LINE_STEP, "attempt %u: %s", cutover->status.attempt, last.message);
			say_holders(cutover);
			back_off(cutover);
		}
	}
	return give_up(cutover, &last, error_out);
}

/* ---- the journal of what did not happen ---- */

static void note_outcome(struct cutover *cutover, enum cutover_outcome outcome, const struct error *error)
{
	const struct move_plan *plan = cutover->plan;
	struct state_change change = { cutover->status.id,	 cutover_kind(cutover),
				       plan->stages,		 plan->stage_count,
				       cutover->request.who,	 cutover->request.reason,
				       cutover_outcome_name(outcome), error->message, cutover->request.wish.force };
	struct error ignored;
	struct buf sql;
	if (cutover->alone || !cutover_connect(cutover, &ignored))
		return;
	buf_init(&sql);
	state_append_journal(cutover->connection, &sql, &change);
	catalog_execute(cutover->connection, buf_cstr(&sql), QUERY_MS, &ignored);
	buf_deinit(&sql);
}

enum cutover_outcome cutover_run(struct cutover *cutover, struct error *error_out)
{
	if (!prepare(cutover, error_out))
		return CUTOVER_FAILED;
	if (cutover->plan->stage_count && !cutover->request.wish.reverse && !cutover->plan->flips)
		say_findings(cutover);
	if (cutover->plan->stage_count && cutover->callbacks.check)
		cutover->callbacks.check(cutover->callbacks.context, cutover->plan);
	if (cutover->plan->stage_count)
		check_role(cutover);
	cutover_say_plan(cutover);
	cutover_say_others(cutover);
	if (cutover->request.dry_run)
		say_old(cutover);
	if (cutover->plan->problem_count)
		return refuse(cutover, error_out);
	if (cutover->request.dry_run)
		return CUTOVER_DRY;
	if (!cutover->plan->stage_count)
		return CUTOVER_NOTHING;
	enum cutover_outcome outcome = try_until_over(cutover, error_out);
	cutover_dismiss(cutover);
	if (outcome != CUTOVER_DONE && outcome != CUTOVER_IN_DOUBT)
		note_outcome(cutover, outcome, error_out);
	let_others_in(cutover);
	return outcome;
}
