#include "proxy/worker.h"

#include "base/clock.h"
#include "base/memory.h"
#include "proxy/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 50, SCRATCH_KEPT_BYTES = 256 * 1024 };

static uint64_t on_facts_stale(void *context, const char *database)
{
	struct worker *worker = context;
	struct proxy_callbacks *callbacks = &worker->owner->callbacks;
	return callbacks->facts_stale ? callbacks->facts_stale(callbacks->context, database) : 0;
}

static void on_parsed(void *context, struct rewrite *rewrite)
{
	session_on_parsed(context, rewrite);
}

static struct parse_job *on_parse(void *context, struct conversation *conversation,
				  const struct parse_request *request)
{
	struct worker *worker = context;
	return parse_pool_submit(worker->owner->parse_pool, request, &worker->loop.inbox, on_parsed,
				 LIST_ENTRY(conversation, struct session, conversation));
}

static struct conversation_env make_env(struct worker *worker)
{
	const struct proxy_settings *settings = worker->owner->settings;
	return (struct conversation_env){
		.rewriter = rewriter_new(settings->rewriter),
		.counter = worker->owner->usage ? usage_counter_new(worker->owner->usage) : NULL,
		.forecasts = forecast_desk_new(worker->owner->forecaster),
		.refusals = &worker->refusals,
		.traffic = &worker->traffic,
		.message_bytes = settings->message_bytes,
		.pipeline = settings->pipeline,
		.gate = &worker->gate,
		.texts = texts_new(),
		.prepared_bytes = settings->prepared_bytes,
		.retry_bytes = settings->retry_bytes,
		.facts_stale = worker->owner->callbacks.facts_stale ? on_facts_stale : NULL,
		.inline_bytes = settings->inline_bytes,
		.parse = on_parse,
		.context = worker,
	};
}

int worker_init(struct worker *worker, struct worker_owner *owner, unsigned index)
{
	*worker = (struct worker){ .owner = owner };
	snprintf(worker->name, sizeof(worker->name), "worker-%u", index);
	int status = loop_init(&worker->loop, worker->name);
	if (status < 0)
		return status;
	link_init(&worker->sessions);
	link_init(&worker->starting);
	link_init(&worker->lingering);
	link_init(&worker->waiting);
	link_init(&worker->idle);
	link_init(&worker->idle_transaction);
	link_init(&worker->flowing);
	worker->read_buffer = memory_alloc(owner->settings->read_buffer_bytes);
	worker->gate.gate = owner->gate;
	worker->env = make_env(worker);
	refusal_log_init(&worker->refusals);
	worker->next_session_id = (uint64_t)index + 1;
	uv_timer_init(&worker->loop.uv, &worker->tick);
	uv_timer_init(&worker->loop.uv, &worker->flush);
	uv_timer_init(&worker->loop.uv, &worker->fetch);
	worker->tick.data = worker->flush.data = worker->fetch.data = worker;
	return 0;
}

void worker_deinit(struct worker *worker)
{
	struct inbox_task *rest = loop_deinit(&worker->loop);
	while (rest) {
		struct inbox_task *next = rest->next;
		rest->run(rest); /* after the end they only free what they carry */
		rest = next;
	}
	gate_view_deinit(&worker->gate);
	while (worker->rules) {
		struct worker_rules *next = worker->rules->next;
		if (worker->rules->ruleset)
			ruleset_unref(worker->rules->ruleset);
		free(worker->rules);
		worker->rules = next;
	}
	security_unref(worker->security);
	usage_counter_free(worker->env.counter);
	forecast_desk_free(worker->env.forecasts);
	rewriter_free(worker->env.rewriter);
	texts_free(worker->env.texts);
	buf_deinit(&worker->to_server);
	buf_deinit(&worker->to_client);
	free(worker->read_buffer);
}

static void publish_cache(struct worker *worker)
{
	struct rewrite_cache_stats stats = rewriter_cache_stats(worker->env.rewriter);
	struct traffic_cache *cache = &worker->traffic.cache;
	traffic_set(&cache->hits, stats.hits);
	traffic_set(&cache->recipe_hits, stats.recipe_hits);
	traffic_set(&cache->misses, stats.misses);
	traffic_set(&cache->bytes, stats.bytes);
	traffic_set(&cache->entries, stats.entries);
}

static void on_flush(uv_timer_t *timer)
{
	struct worker *worker = timer->data;
	publish_cache(worker);
	if (worker->env.counter)
		usage_counter_flush(worker->env.counter);
	forecast_desk_flush(worker->env.forecasts);
	if (worker->to_server.capacity > SCRATCH_KEPT_BYTES)
		buf_deinit(&worker->to_server);
	if (worker->to_client.capacity > SCRATCH_KEPT_BYTES)
		buf_deinit(&worker->to_client);
}

int worker_start(struct worker *worker)
{
	const struct proxy_settings *settings = worker->owner->settings;
	uv_timer_start(&worker->flush, on_flush, settings->usage_flush_ms, settings->usage_flush_ms);
	return loop_start(&worker->loop, settings->stack_bytes);
}

/* ---- time ---- */

/* Members are in the order of their deadlines, since all of a list wait equally long. */
static void expire(struct list_link *list, uint64_t now_us)
{
	while (!link_is_empty(list)) {
		struct session *session = LIST_ENTRY(list->next, struct session, timed);
		if (session->deadline_us > now_us)
			return;
		link_remove(&session->timed);
		session_on_deadline(session);
	}
}

static void expire_idle(struct list_link *list, uint64_t now_us)
{
	while (!link_is_empty(list)) {
		struct session *session = LIST_ENTRY(list->next, struct session, idle);
		if (session->idle_until_us > now_us)
			return;
		link_remove(&session->idle);
		session_on_idle(session);
	}
}

static bool nobody_waits(const struct worker *worker)
{
	return link_is_empty(&worker->starting) && link_is_empty(&worker->lingering) && link_is_empty(&worker->waiting) &&
	       link_is_empty(&worker->idle) && link_is_empty(&worker->idle_transaction) && !worker->gate.count;
}

static void on_tick(uv_timer_t *timer)
{
	struct worker *worker = timer->data;
	uint64_t now_us = clock_monotonic_us();
	expire(&worker->starting, now_us);
	expire(&worker->lingering, now_us);
	expire(&worker->waiting, now_us);
	worker_expire_pauses(worker);
	expire_idle(&worker->idle, now_us);
	expire_idle(&worker->idle_transaction, now_us);
	if (nobody_waits(worker))
		uv_timer_stop(timer);
}

void worker_watch_time(struct worker *worker)
{
	if (!worker->ended && !uv_is_active((uv_handle_t *)&worker->tick))
		uv_timer_start(&worker->tick, on_tick, TICK_MS, TICK_MS);
}

void worker_server_failed(struct worker *worker)
{
	enum { BACKOFF_FIRST_MS = 20 };
	uint32_t max = worker->owner->settings->connect_backoff_ms;
	uint32_t next = worker->backoff_ms ? worker->backoff_ms * 2 : BACKOFF_FIRST_MS;
	worker->backoff_ms = next < max ? next : max;
}

/* ---- end ---- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct worker *worker = handle->data;
	if (--worker->open_timers)
		return;
	loop_quit(&worker->loop);
	worker->owner->worker_done(worker->owner->context);
}

static void end_if_empty(struct worker *worker)
{
	if (worker->ended || !link_is_empty(&worker->sessions) || !(worker->draining || worker->stopping))
		return;
	worker->ended = true;
	worker->open_timers = 3;
	on_flush(&worker->flush);
	uv_close((uv_handle_t *)&worker->fetch, on_timer_closed);
	uv_close((uv_handle_t *)&worker->tick, on_timer_closed);
	uv_close((uv_handle_t *)&worker->flush, on_timer_closed);
}

void worker_session_gone(struct worker *worker)
{
	atomic_fetch_sub(&worker->owner->clients, 1);
	end_if_empty(worker);
}

/* ---- tasks ---- */

struct client_task {
	struct inbox_task task;
	struct worker *worker;
	int fd;
	struct address peer;
	struct proxy_listener listener;
};

static void run_client(struct inbox_task *task)
{
	struct client_task *client = (struct client_task *)task;
	struct worker *worker = client->worker;
	if (worker->draining || worker->stopping || worker->ended) {
		close(client->fd);
		traffic_add(&worker->traffic.sessions_total, 1);
		traffic_add(&worker->traffic.sessions_ended, 1);
		atomic_fetch_sub(&worker->owner->clients, 1);
	} else {
		session_begin(worker, client->fd, &client->peer, client->listener);
	}
	free(client);
}

void worker_post_client(struct worker *worker, int fd, const struct address *peer, struct proxy_listener listener)
{
	struct client_task *client = memory_zalloc(sizeof(*client));
	client->task.run = run_client;
	client->worker = worker;
	client->fd = fd;
	client->peer = *peer;
	client->listener = listener;
	inbox_post(&worker->loop.inbox, &client->task);
}

struct server_task {
	struct inbox_task task;
	struct worker *worker;
	uint16_t port;
	char host[];
};

static void run_server(struct inbox_task *task)
{
	struct server_task *server = (struct server_task *)task;
	snprintf(server->worker->server_host, sizeof(server->worker->server_host), "%s", server->host);
	server->worker->server_port = server->port;
	free(server);
}

void worker_post_server(struct worker *worker, struct proxy_address server)
{
	size_t len = strlen(server.host);
	struct server_task *task = memory_zalloc(sizeof(*task) + len + 1);
	task->task.run = run_server;
	task->worker = worker;
	task->port = server.port;
	memcpy(task->host, server.host, len);
	inbox_post(&worker->loop.inbox, &task->task);
}

struct security_task {
	struct inbox_task task;
	struct worker *worker;
	struct security *security;
};

static void run_security(struct inbox_task *task)
{
	struct security_task *change = (struct security_task *)task;
	security_unref(change->worker->security);
	change->worker->security = change->security;
	free(change);
}

void worker_post_security(struct worker *worker, struct security *security)
{
	struct security_task *task = memory_zalloc(sizeof(*task));
	task->task.run = run_security;
	task->worker = worker;
	task->security = security_ref(security);
	inbox_post(&worker->loop.inbox, &task->task);
}

/* No database has this name, so it can stand for those without rules of their own. */
#define EVERY_DATABASE ""

struct rules_task {
	struct inbox_task task;
	struct worker *worker;
	struct ruleset *ruleset;
	uint64_t looked;
	char database[];
};

static struct worker_rules *rules_of(struct worker *worker, struct slice database)
{
	struct worker_rules *rules = worker->rules;
	while (rules && !slice_is(database, rules->database))
		rules = rules->next;
	return rules;
}

struct worker_rules *worker_find_rules(struct worker *worker, struct slice database)
{
	struct worker_rules *rules = rules_of(worker, database);
	return rules ? rules : rules_of(worker, slice_str(EVERY_DATABASE));
}

static struct worker_rules *add_rules(struct worker *worker, const char *database)
{
	struct worker_rules *rules = memory_zalloc(sizeof(*rules) + strlen(database) + 1);
	memcpy(rules->database, database, strlen(database));
	rules->next = worker->rules;
	worker->rules = rules;
	return rules;
}

static void run_rules(struct inbox_task *task)
{
	struct rules_task *change = (struct rules_task *)task;
	struct worker *worker = change->worker;
	struct worker_rules *rules = rules_of(worker, slice_str(change->database));
	if (!rules)
		rules = add_rules(worker, change->database);
	struct ruleset *before = rules->ruleset;
	rules->ruleset = change->ruleset;
	rules->looked = change->looked;
	LIST_FOR_EACH_SAFE(link, &worker->sessions)
	session_on_rules(LIST_ENTRY(link, struct session, link), rules);
	if (before)
		ruleset_unref(before);
	free(change);
}

void worker_post_rules(struct worker *worker, const char *database, struct ruleset *ruleset, uint64_t looked)
{
	if (!database)
		database = EVERY_DATABASE;
	struct rules_task *task = memory_zalloc(sizeof(*task) + strlen(database) + 1);
	task->task.run = run_rules;
	task->worker = worker;
	task->ruleset = ruleset ? ruleset_ref(ruleset) : NULL;
	task->looked = looked;
	memcpy(task->database, database, strlen(database));
	inbox_post(&worker->loop.inbox, &task->task);
}

struct plain_task {
	struct inbox_task task;
	struct worker *worker;
};

static void post_plain(struct worker *worker, void (*run)(struct inbox_task *task))
{
	struct plain_task *task = memory_zalloc(sizeof(*task));
	task->task.run = run;
	task->worker = worker;
	inbox_post(&worker->loop.inbox, &task->task);
}

static void end_sessions(struct worker *worker, void (*end)(struct session *session))
{
	LIST_FOR_EACH_SAFE(link, &worker->sessions)
	end(LIST_ENTRY(link, struct session, link));
	end_if_empty(worker);
}

static void run_drain(struct inbox_task *task)
{
	struct worker *worker = ((struct plain_task *)task)->worker;
	worker->draining = true;
	end_sessions(worker, session_drain);
	free(task);
}

static void run_stop(struct inbox_task *task)
{
	struct worker *worker = ((struct plain_task *)task)->worker;
	worker->stopping = true;
	end_sessions(worker, session_stop);
	free(task);
}

void worker_post_drain(struct worker *worker)
{
	post_plain(worker, run_drain);
}

void worker_post_stop(struct worker *worker)
{
	post_plain(worker, run_stop);
}
