/*
 * Cutovers that the console asks for. A cutover runs on a thread of its own (fleet/cutover.h); the console's thread waits for its end, passes on
 * what it says, and cancels it when its client gives up. What belongs to the
 * main thread is called over.
 */
#include "app/server_parts.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

enum { WAIT_US = 5000, LOOK_US = 1000, REMEMBERED = 50, GRACE_MS = 3000, LINE_BYTES = 450 };

#define SQLSTATE_NOT_IN_STATE "55000"

/* One that runs, or ran. */
struct record {
	struct record *next;
	struct cutover *cutover; /* NULL: it has ended */
	struct cutover_status status; /* then */
	int64_t at_ms;
	char database[64], who[64];
};

struct server_cutovers {
	pthread_mutex_t lock;
	struct record *records; /* newest first */
	size_t orders;		/* CUTOVER and REVERSE that have come and not ended */
};

struct server_cutovers *server_cutovers_new(void)
{
	struct server_cutovers *cutovers = memory_zalloc(sizeof(*cutovers));
	pthread_mutex_init(&cutovers->lock, NULL);
	return cutovers;
}

void server_cutovers_free(struct server_cutovers *cutovers)
{
	if (!cutovers)
		return;
	while (cutovers->records) {
		struct record *next = cutovers->records->next;
		free(cutovers->records);
		cutovers->records = next;
	}
	pthread_mutex_destroy(&cutovers->lock);
	free(cutovers);
}

/* ---- one order ---- */

struct order {
	struct server *server;
	const struct console_caller *caller;
	const struct console_request *request;
	struct error *error;
	struct arena arena;
	bool ok, rewriting_off;
	struct server_database *database;
	const char *key, *dsn;
	enum stage stage; /* of that entry */
	struct evidence_sources ledger;
	struct ruleset *ruleset;
	/* of the cutover's end */
	_Atomic bool ended;
	struct cutover_status status;
	/* of publishing */
	const struct state_stage *stages;
	size_t stage_count;
	const struct facts_change *change;
	uint64_t ticket;
};

static bool fail_ending(struct error *error_out)
{
	error_set(error_out, SQLSTATE_ADMIN_SHUTDOWN, "crossfade is ending");
	return false;
}

static bool call_over(struct order *order, void (*run)(void *context))
{
	return main_calls_run(order->server->calls, run, order) ? order->ok : fail_ending(order->error);
}

static bool has_group(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; ruleset && i < ruleset->map->group_count; i++) {
		if (strcmp(ruleset->map->groups[i].name, name) == 0)
			return true;
	}
	return false;
}

static struct server_database *find_group(struct order *order)
{
	const struct console_request *request = order->request;
	for (size_t i = 0; i < order->server->database_count; i++) {
		struct server_database *database = &order->server->databases[i];
		const char *name = rules_database(database->rules);
		bool named = !request->database || !name || strcmp(name, request->database) == 0;
		if (named && has_group(rules_current(database->rules), request->group))
			return database;
	}
	error_set(order->error, "42704", "the map has no group %s", request->group);
	error_hint(order->error, "SHOW TABLES shows the group of every table.");
	return NULL;
}

/* On the main thread: what the request is about, as it is now. */
static void run_find(void *context)
{
	struct order *order = context;
	const struct ruleset_entry *entry = NULL;
	const struct settings *settings = &order->server->settings;
	order->database = order->request->group ?
				  find_group(order) :
				  server_find_entry(order->server, order->request, &entry, order->error);
	order->ok = order->database != NULL;
	order->rewriting_off = order->server->rewriting_off;
	if (!order->ok)
		return;
	order->key = entry ? arena_strdup(&order->arena, entry->key) : NULL;
	order->stage = entry ? entry->stage : STAGE_OLD;
	order->ruleset = ruleset_ref((struct ruleset *)rules_current(order->database->rules));
	size_t index = (size_t)(order->database - order->server->databases);
	order->dsn = arena_strdup(&order->arena, settings->databases.items[index].admin_dsn);
	order->ledger = (struct evidence_sources){ arena_strdup(&order->arena, settings->usage.path), settings->idle_days,
						   order->server->database_count == 1 };
}

/* ---- what the cutover's thread calls ---- */

/* A long statement goes on in a line of its own, after a comma if there is one. */
static size_t good_break(const char *text)
{
	for (size_t at = LINE_BYTES; at > LINE_BYTES / 2; at--) {
		if (text[at - 1] == ' ' && text[at - 2] == ',')
			return at;
	}
	for (size_t at = LINE_BYTES; at > 0; at--) {
		if (text[at - 1] == ' ')
			return at;
	}
	return LINE_BYTES;
}

static void on_line(void *context, enum cutover_line kind, const char *text)
{
	static const char *const heads[] = { [CUTOVER_LINE_STEP] = "",
					     [CUTOVER_LINE_PLAN] = "",
					     [CUTOVER_LINE_NOTE] = "note: ",
					     [CUTOVER_LINE_WARNING] = "warning: ",
					     [CUTOVER_LINE_PROBLEM] = "in the way: ",
					     [CUTOVER_LINE_BLOCKER] = "  held by " };
	const struct order *order = context;
	while (strlen(text) > LINE_BYTES) {
		size_t len = good_break(text);
		console_progress(order->caller, "%s%.*s", heads[kind], (int)len, text);
		text += len;
	}
	console_progress(order->caller, "%s%s", heads[kind], text);
}

static void say_warning(void *context, const char *text)
{
	on_line(context, CUTOVER_LINE_WARNING, text);
}

static void on_check(void *context, const struct move_plan *plan)
{
	struct order *order = context;
	struct server_check check = { order->server, order->ruleset, order->dsn, order->ledger,
				      !order->request->no_view, say_warning, order };
	server_check_move(&check, plan);
}

/* ok: published already. */
static void run_expect(void *context)
{
	struct order *order = context;
	for (size_t i = 0; i < order->stage_count; i++)
		rules_expect_stage(order->database->rules, order->stages[i].table, order->stages[i].to);
	order->ok = order->change && server_take_change(order->database, order->change);
	order->ticket = order->ok ? 0 : catalog_watcher_poke(order->database->watcher);
}

static void run_looked(void *context)
{
	struct order *order = context;
	struct server *server = order->server;
	pthread_mutex_lock(&server->lock);
	order->ok = order->database->fresh >= order->ticket && order->database->looked >= order->ticket;
	if (!order->ok && order->database->looked >= order->ticket)
		order->ticket = catalog_watcher_poke(order->database->watcher); /* could not be read: again */
	pthread_mutex_unlock(&server->lock);
}

static bool on_publish(void *context, const struct state_stage *stages, size_t count,
		       const struct facts_change *change, uint32_t timeout_ms)
{
	struct order *order = context;
	uint64_t until_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
	order->stages = stages;
	order->stage_count = count;
	order->change = change;
	if (!main_calls_run(order->server->calls, run_expect, order))
		return false;
	if (order->ok)
		return true;
	do {
		if (!main_calls_run(order->server->calls, run_looked, order))
			return false;
		if (order->ok)
			return true;
		usleep(LOOK_US);
	} while (clock_monotonic_us() < until_us);
	return false;
}

static void on_done(void *context, const struct cutover_status *status)
{
	struct order *order = context;
	order->status = *status;
	atomic_store(&order->ended, true);
}

/* ---- its end ---- */

static bool is_flip(const struct order *order)
{
	return order->request->verb == CONSOLE_SET_FLAG;
}

static void note(struct order *order, const struct state_stage *stage, const char *outcome)
{
	struct journal_entry entry = {
		.who = order->caller->who,
		.action = is_flip(order) ? "set flag" : order->status.reverse ? "reverse" : "cutover",
		.database = rules_database(order->database->rules),
		.table = stage ? stage->table : order->status.tables,
		.from = stage ? stage_name(stage->from) : NULL,
		.to = stage ? stage_name(stage->to) : NULL,
		.outcome = outcome,
		.reason = order->request->reason,
		.forced = order->request->force,
	};
	server_note(order->server, &entry);
}

/* On the main thread. The stages are in force and in the database; now the files say so too. */
static void run_note(void *context)
{
	struct order *order = context;
	char outcome[700];
	struct state_stage flip = { order->key, order->stage, order->request->stage };
	order->ok = true;
	if (order->status.outcome == CUTOVER_DONE) {
		for (size_t i = 0; i < order->stage_count; i++)
			note(order, &order->stages[i], "done");
		order->ok = server_write_flags(order->database, order->stages, order->stage_count, order->error);
		server_rules_changed(order->server);
	} else if (order->status.outcome != CUTOVER_DRY && order->status.outcome != CUTOVER_NOTHING) {
		snprintf(outcome, sizeof(outcome), "%s: %s", cutover_outcome_name(order->status.outcome),
			 order->status.error.message);
		note(order, is_flip(order) ? &flip : NULL, outcome);
	}
}

static void log_end(const struct order *order)
{
	const struct cutover_status *status = &order->status;
	bool good = status->outcome <= CUTOVER_DRY;
	LOG(good ? LOG_INFO : LOG_WARNING, "cutover", LOG_STR("tables", status->tables),
	    LOG_STR("direction", status->reverse ? "reverse" : "forward"),
	    LOG_STR("outcome", cutover_outcome_name(status->outcome)), LOG_STR("who", order->caller->who),
	    LOG_UINT("attempts", status->attempt), LOG_UINT("longest_stall_ms", status->longest_us / 1000),
	    LOG_UINT("parked", status->parked_total), LOG_UINT("duration_ms", status->age_ms),
	    LOG_STR("error", good ? NULL : status->error.message));
}

/* Where the time of the pause went. */
static void say_steps(const struct order *order)
{
	struct buf text;
	buf_init(&text);
	for (int step = CUTOVER_PAUSE; step < CUTOVER_STEP_COUNT; step++) {
		if (order->status.step_us[step])
			buf_printf(&text, "%s%s %.1f", text.len ? ", " : "", cutover_step_name(step),
				   (double)order->status.step_us[step] / 1000);
	}
	console_progress(order->caller, "Milliseconds of the pause: %s.", buf_cstr(&text));
	buf_deinit(&text);
}

static void say_end(const struct order *order)
{
	const struct cutover_status *status = &order->status;
	char stage[64];
	snprintf(stage, sizeof(stage), "at stage %s", stage_name(order->request->stage));
	if (status->outcome == CUTOVER_NOTHING)
		console_progress(order->caller, "%s: there already, nothing to do", status->tables);
	if (status->outcome == CUTOVER_DONE)
		console_progress(order->caller,
				 "%s: %s. Longest stall %.1f ms, %llu statements waited, attempt %u, tables paused for %.1f ms.",
				 status->tables, is_flip(order) ? stage : status->reverse ? "moved back" : "moved", (double)status->longest_us / 1000,
				 (unsigned long long)status->parked_total, status->attempt,
				 (double)status->paused_us / 1000);
	if (status->outcome == CUTOVER_DONE)
		say_steps(order);
}

static bool finish(struct order *order)
{
	struct error error = { .sqlstate = "" }, *asked = order->error;
	log_end(order);
	order->error = &error;
	if (!call_over(order, run_note) && error.message[0]) {
		error_hint(&error, "The tables have moved and are served. Write the stages into the flags file by hand; "
				   "until then reloads are refused, and change nothing.");
		console_warn(order->caller, &error);
	}
	order->error = asked;
	say_end(order);
	if (order->status.outcome <= CUTOVER_DRY)
		return true;
	*order->error = order->status.error;
	return false;
}

/* ---- while it runs ---- */

static struct record *enter(struct order *order, struct cutover *cutover)
{
	struct server_cutovers *cutovers = order->server->cutovers;
	struct record *record = memory_zalloc(sizeof(*record));
	const char *database = rules_database(order->database->rules);
	record->cutover = cutover;
	record->at_ms = clock_wall_ms();
	snprintf(record->database, sizeof(record->database), "%s", database ? database : "");
	snprintf(record->who, sizeof(record->who), "%s", order->caller->who);
	pthread_mutex_lock(&cutovers->lock);
	record->next = cutovers->records;
	cutovers->records = record;
	struct record **at = &cutovers->records;
	for (size_t i = 0; *at && i < REMEMBERED; i++)
		at = &(*at)->next;
	if (*at && !(*at)->cutover && !(*at)->next) {
		free(*at);
		*at = NULL;
	}
	pthread_mutex_unlock(&cutovers->lock);
	return record;
}

static void leave(struct order *order, struct record *record)
{
	pthread_mutex_lock(&order->server->cutovers->lock);
	record->status = order->status;
	record->cutover = NULL;
	pthread_mutex_unlock(&order->server->cutovers->lock);
}

static void run_nothing(void *context)
{
}

/* The client may give up, and so may the process; a COMMIT that was sent is followed to its end unless that ends. */
static void wait_for_end(struct order *order, struct cutover *cutover)
{
	uint64_t cancelled_us = 0;
	while (!atomic_load(&order->ended)) {
		uint64_t now_us = clock_monotonic_us();
		if (!cancelled_us && console_cancelled(order->caller)) {
			cutover_cancel(cutover);
			cancelled_us = now_us;
		}
		if (cancelled_us && now_us - cancelled_us > GRACE_MS * UINT64_C(1000) &&
		    !main_calls_run(order->server->calls, run_nothing, NULL))
			return;
		usleep(WAIT_US);
	}
}

static bool check_order(struct order *order)
{
	if (order->rewriting_off) {
		error_set(order->error, SQLSTATE_NOT_IN_STATE, "rewriting is off, so no statement can be held up or follow");
		error_hint(order->error, "REWRITE ON first.");
		return false;
	}
	if (order->dsn)
		return true;
	error_set(order->error, SQLSTATE_NOT_IN_STATE, "the configuration has no `admin` connection for this database");
	error_hint(order->error, "A cutover needs one whose role may move the tables; `crossfade check --grants` prints "
				 "what it needs.");
	return false;
}

static struct move_wish wish_of(const struct order *order)
{
	const struct console_request *request = order->request;
	struct move_wish wish = { .tables = &order->key, .table_count = request->group ? 0 : 1, .group = request->group,
				  .reverse = request->verb == CONSOLE_REVERSE, .view = !request->no_view,
				  .force = request->force };
	if (is_flip(order)) {
		wish.flip = true;
		wish.to = request->stage;
		wish.reverse = stage_side(request->stage) == SIDE_OLD;
		wish.shared = order->database->member != NULL;
	}
	return wish;
}

static bool run_cutover(struct order *order)
{
	const struct console_request *request = order->request;
	struct cutover_request wanted = {
		.dsn = order->dsn,
		.database = rules_database(order->database->rules),
		.ruleset = order->ruleset,
		.proxy = order->server->proxy,
		.member = order->database->member ? member_id(order->database->member) : NULL,
		.wish = wish_of(order),
		.dry_run = request->dry_run,
		.timeout_ms = request->timeout_ms,
		.max_stall_ms = request->max_stall_ms,
		.who = order->caller->who,
		.reason = request->reason,
	};
	struct cutover_callbacks callbacks = { order, on_line, is_flip(order) ? NULL : on_check, on_publish, on_done };
	struct cutover *cutover = cutover_start(&wanted, callbacks);
	struct record *record = enter(order, cutover);
	wait_for_end(order, cutover);
	if (atomic_load(&order->ended)) {
		leave(order, record);
		bool ok = finish(order);
		cutover_free(cutover);
		return ok;
	}
	leave(order, record);
	cutover_free(cutover); /* the process is ending: its thread gives up at once */
	return fail_ending(order->error);
}

static void count_order(struct server_cutovers *cutovers, int change)
{
	pthread_mutex_lock(&cutovers->lock);
	cutovers->orders += (size_t)change;
	pthread_mutex_unlock(&cutovers->lock);
}

bool server_cutover(struct server *server, const struct console_caller *caller, const struct console_request *request,
		    struct error *error_out)
{
	struct order order = { .server = server, .caller = caller, .request = request, .error = error_out };
	arena_init(&order.arena);
	count_order(server->cutovers, 1); /* from here on rewriting stays as it is */
	bool ok = call_over(&order, run_find) && check_order(&order) && run_cutover(&order);
	count_order(server->cutovers, -1);
	ruleset_unref(order.ruleset);
	arena_deinit(&order.arena);
	return ok;
}

bool server_is_moving(struct server *server)
{
	pthread_mutex_lock(&server->cutovers->lock);
	bool moving = server->cutovers->orders > 0;
	pthread_mutex_unlock(&server->cutovers->lock);
	return moving;
}

/* ---- looking, cancelling ---- */

bool server_cancel_cutover(struct server *server, struct error *error_out)
{
	bool found = false;
	pthread_mutex_lock(&server->cutovers->lock);
	for (struct record *record = server->cutovers->records; record; record = record->next) {
		if (!record->cutover)
			continue;
		cutover_cancel(record->cutover);
		found = true;
	}
	pthread_mutex_unlock(&server->cutovers->lock);
	if (!found) {
		error_set(error_out, SQLSTATE_NOT_IN_STATE, "no cutover is under way");
		error_hint(error_out, "SHOW CUTOVERS lists those of this process.");
	}
	return found;
}

static void put_record(struct console_result *result, struct record *record)
{
	struct cutover_status status = record->status;
	if (record->cutover)
		cutover_look(record->cutover, &status);
	console_put_time(result, record->at_ms);
	console_put_text(result, record->database[0] ? record->database : NULL);
	console_put_text(result, status.tables);
	console_put_text(result, status.reverse ? "reverse" : "forward");
	console_put_text(result, cutover_outcome_name(status.outcome));
	console_put_text(result, cutover_step_name(status.step));
	console_put_text(result, record->who);
	console_put_number(result, status.attempt);
	console_put_number(result, (int64_t)(status.longest_us / 1000));
	console_put_text(result, status.error.message[0] ? status.error.message : NULL);
}

void server_show_cutovers(struct server *server, struct console_result *result)
{
	pthread_mutex_lock(&server->cutovers->lock);
	for (struct record *record = server->cutovers->records; record; record = record->next)
		put_record(result, record);
	pthread_mutex_unlock(&server->cutovers->lock);
}

static void put_holder(struct console_result *result, const struct record *record, const struct holder *holder)
{
	console_put_text(result, record->database[0] ? record->database : NULL);
	console_put_text(result, holder->relation[0] ? holder->relation : NULL);
	if (holder->pid)
		console_put_number(result, holder->pid);
	else
		console_put_null(result);
	console_put_text(result, holder->user);
	console_put_text(result, holder->pid ? holder->application : holder->gid);
	console_put_text(result, holder->address[0] ? holder->address : NULL);
	console_put_text(result, holder->pid ? holder->state : "prepared transaction");
	console_put_number(result, (int64_t)holder->age_ms);
	console_put_text(result, holder->mode[0] ? holder->mode : "none: its proxy is out of reach");
	console_put_text(result, holder->statement[0] ? holder->statement : NULL);
	console_put_null(result);
}

void server_show_blockers(struct server *server, struct console_result *result)
{
	pthread_mutex_lock(&server->cutovers->lock);
	for (struct record *record = server->cutovers->records; record; record = record->next) {
		struct holders holders;
		if (!record->cutover)
			continue;
		cutover_blockers(record->cutover, &holders);
		for (size_t i = 0; i < holders.count; i++)
			put_holder(result, record, &holders.items[i]);
		holders_free(&holders);
	}
	pthread_mutex_unlock(&server->cutovers->lock);
}
