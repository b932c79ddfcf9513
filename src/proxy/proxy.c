#include "proxy/proxy_parts.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum {
	OVERFLOW_CLIENTS = 64, /* connections above the limit that still get a proper answer */
	UPKEEP_MS = 250,
};

struct proxy_settings proxy_settings_default(void)
{
	return (struct proxy_settings){
		.workers = 1,
		.clients = 10000,
		.unfinished_logins = 1000,
		.unknown_cancels = 100,
		.connect_backoff_ms = 1000,
		.message_bytes = 16u << 20,
		.inline_bytes = 8u << 10,
		.prepared_bytes = 4u << 20,
		.retry_bytes = 64u << 10,
		.pipeline = 8192,
		.startup_timeout_ms = 60000,
		.connect_timeout_ms = 10000,
		.facts_timeout_ms = 2000,
		.drain_timeout_ms = 30000,
		.read_buffer_bytes = 64u << 10,
		.queue_high_bytes = 64u << 10,
		.queue_low_bytes = 16u << 10,
		.tcp_keepalive_s = 60,
		.tcp_user_timeout_ms = 0,
		.parked_clients = 10000,
		.parked_bytes = 256u << 20,
		.listen_backlog = 1024,
		.usage_flush_ms = 1000,
		.stack_bytes = 64u << 20,
		.rewriter = rewriter_settings_default(),
	};
}

static void on_worker_done(void *context);

static void add_workers(struct proxy *proxy)
{
	proxy->workers = memory_zalloc(proxy->settings.workers * sizeof(*proxy->workers));
	for (uint32_t i = 0; i < proxy->settings.workers; i++) {
		if (worker_init(&proxy->workers[i], &proxy->owner, i) < 0)
			memory_exhausted(sizeof(struct worker)); /* no descriptors for a loop: nothing works */
		proxy->worker_count++;
	}
}

struct proxy *proxy_new(struct uv_loop_s *loop, const struct proxy_settings *settings, struct usage *usage,
			struct proxy_callbacks callbacks)
{
	struct proxy *proxy = memory_zalloc(sizeof(*proxy));
	proxy->loop = loop;
	proxy->settings = *settings;
	if (!proxy->settings.workers)
		proxy->settings.workers = 1;
	proxy->settings.rewriter.parse_times = &proxy->parse_times;
	proxy->callbacks = callbacks;
	proxy->gate = gate_new(proxy->settings.workers, proxy->settings.parked_clients, proxy->settings.parked_bytes);
	proxy->owner = (struct worker_owner){ .settings = &proxy->settings, .usage = usage, .callbacks = callbacks,
					      .cancels = cancel_registry_new(), .gate = proxy->gate,
					      .parse_pool = parse_pool_new(&settings->rewriter, settings->stack_bytes),
					      .worker_done = on_worker_done, .context = proxy };
	proxy->owner.addresses = quota_new(settings->clients_per_address);
	proxy->owner.users = quota_new(settings->clients_per_user);
	proxy->owner.forecaster = usage ? forecaster_new(usage, proxy->settings.rewriter) : NULL;
	inbox_init(&proxy->inbox, loop);
	uv_timer_init(loop, &proxy->drain);
	uv_timer_init(loop, &proxy->upkeep);
	proxy->drain.data = proxy->upkeep.data = proxy;
	proxy->open_handles = 3;
	add_workers(proxy);
	return proxy;
}

void proxy_set_server(struct proxy *proxy, struct proxy_address server)
{
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_server(&proxy->workers[i], server);
}

void proxy_set_security(struct proxy *proxy, struct security *security)
{
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_security(&proxy->workers[i], security);
}

void proxy_publish(struct proxy *proxy, const char *database, struct ruleset *ruleset, uint64_t looked)
{
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_rules(&proxy->workers[i], database, ruleset, looked);
}

/* ---- listeners ---- */

static struct worker *least_busy(struct proxy *proxy)
{
	struct worker *best = &proxy->workers[0];
	for (size_t i = 1; i < proxy->worker_count; i++) {
		struct worker *worker = &proxy->workers[i];
		if (worker->assigned - traffic_read(&worker->traffic.sessions_ended) <
		    best->assigned - traffic_read(&best->traffic.sessions_ended))
			best = worker;
	}
	return best;
}

static void on_accept(void *context, int fd, const struct address *peer)
{
	struct proxy_door *door = context;
	struct proxy *proxy = door->proxy;
	if (proxy->ending || atomic_load(&proxy->owner.clients) >= (uint64_t)proxy->settings.clients + OVERFLOW_CLIENTS) {
		close(fd);
		return;
	}
	atomic_fetch_add(&proxy->owner.clients, 1);
	struct worker *worker = least_busy(proxy);
	worker->assigned++;
	worker_post_client(worker, fd, peer, (struct proxy_listener){ door->app, door->proxy_protocol });
}

static void on_door_made(void *context, struct listener *listener)
{
	struct proxy_door *door = context;
	if (door->listener) { /* a name with several addresses */
		struct proxy_door *more = memory_zalloc(sizeof(*more));
		*more = (struct proxy_door){ .next = door->next, .proxy = door->proxy, .listener = listener };
		door->next = more;
		return;
	}
	door->listener = listener;
}

bool proxy_listen(struct proxy *proxy, struct proxy_address address, struct proxy_listener listener,
		  struct error *error_out)
{
	struct proxy_door *door = memory_zalloc(sizeof(*door));
	door->proxy = proxy;
	door->app = memory_strdup(listener.app);
	door->proxy_protocol = listener.proxy_protocol;
	if (!listener_bind(proxy->loop, address.host, address.port, on_accept, door, on_door_made, error_out)) {
		free(door->app);
		free(door);
		return false;
	}
	struct proxy_door **last = &proxy->doors;
	while (*last)
		last = &(*last)->next;
	*last = door;
	return true;
}

uint16_t proxy_port(const struct proxy *proxy)
{
	return proxy->doors ? listener_port(proxy->doors->listener) : 0;
}

static void close_doors(struct proxy *proxy)
{
	if (proxy->doors_closed)
		return;
	proxy->doors_closed = true;
	for (struct proxy_door *door = proxy->doors; door; door = door->next)
		listener_close(door->listener);
}

/* What the kernel has given us; 0: it does not tell. */
static uint64_t resident_bytes(void)
{
	unsigned long total = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void on_upkeep(uv_timer_t *timer)
{
	struct proxy *proxy = timer->data;
	uint64_t used = resident_bytes();
	bool full = used > proxy->settings.memory_bytes;
	if (full != atomic_load(&proxy->owner.memory_full))
		LOG(full ? LOG_ERROR : LOG_INFO, full ? "memory_full" : "memory_free", LOG_UINT("bytes", used),
		    LOG_UINT("limit", proxy->settings.memory_bytes));
	atomic_store(&proxy->owner.memory_full, full);
}

bool proxy_start(struct proxy *proxy, struct error *error_out)
{
	for (size_t i = 0; i < proxy->worker_count; i++) {
		int status = worker_start(&proxy->workers[i]);
		if (status < 0) {
			error_set(error_out, SQLSTATE_INTERNAL_ERROR, "cannot start a worker thread: %s",
				  uv_strerror(status));
			return false;
		}
	}
	proxy->started = true;
	if (proxy->settings.memory_bytes)
		uv_timer_start(&proxy->upkeep, on_upkeep, 0, UPKEEP_MS);
	for (struct proxy_door *door = proxy->doors; door; door = door->next) {
		if (!listener_start(door->listener, proxy->settings.listen_backlog, error_out))
			return false;
	}
	return true;
}

/* ---- the end ---- */

struct done_task {
	struct inbox_task task;
	struct proxy *proxy;
};

static void on_handle_closed(struct proxy *proxy)
{
	if (--proxy->open_handles)
		return;
	proxy->ended = true;
	if (proxy->callbacks.stopped)
		proxy->callbacks.stopped(proxy->callbacks.context);
}

static void on_inbox_closed(void *context)
{
	on_handle_closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_handle_closed(handle->data);
}

static void close_handles(struct proxy *proxy)
{
	inbox_close(&proxy->inbox, on_inbox_closed, proxy);
	uv_close((uv_handle_t *)&proxy->drain, on_timer_closed);
	uv_close((uv_handle_t *)&proxy->upkeep, on_timer_closed);
}

static void run_done(struct inbox_task *task)
{
	struct proxy *proxy = ((struct done_task *)task)->proxy;
	free(task);
	if (--proxy->workers_left)
		return;
	for (size_t i = 0; i < proxy->worker_count; i++)
		loop_join(&proxy->workers[i].loop);
	close_handles(proxy);
}

static void on_worker_done(void *context)
{
	struct proxy *proxy = context;
	struct done_task *done = memory_zalloc(sizeof(*done));
	done->task.run = run_done;
	done->proxy = proxy;
	inbox_post(&proxy->inbox, &done->task);
}

static void begin_end(struct proxy *proxy)
{
	uv_timer_stop(&proxy->drain);
	uv_timer_stop(&proxy->upkeep);
	close_doors(proxy);
	if (!proxy->ending)
		proxy->workers_left = proxy->worker_count;
	proxy->ending = true;
}

void proxy_stop(struct proxy *proxy)
{
	if (proxy->ended)
		return;
	begin_end(proxy);
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_stop(&proxy->workers[i]);
}

static void on_drain_timeout(uv_timer_t *timer)
{
	proxy_stop(timer->data);
}

static void drain_now(struct proxy *proxy)
{
	proxy->waits_to_drain = false;
	begin_end(proxy);
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_drain(&proxy->workers[i]);
	uv_timer_start(&proxy->drain, on_drain_timeout, proxy->settings.drain_timeout_ms, 0);
}

static void on_drain_delay(uv_timer_t *timer)
{
	drain_now(timer->data);
}

void proxy_drain(struct proxy *proxy)
{
	if (proxy->ending || proxy->waits_to_drain)
		return;
	proxy->waits_to_drain = true;
	if (proxy->settings.drain_delay_ms)
		uv_timer_start(&proxy->drain, on_drain_delay, proxy->settings.drain_delay_ms, 0);
	else
		drain_now(proxy);
}

static void free_doors(struct proxy *proxy)
{
	while (proxy->doors) {
		struct proxy_door *next = proxy->doors->next;
		free(proxy->doors->app);
		free(proxy->doors);
		proxy->doors = next;
	}
}

/* Never started, or not to the end: runs the owner's loop until all is closed. */
static void end_now(struct proxy *proxy)
{
	proxy->callbacks.stopped = NULL;
	proxy_stop(proxy);
	for (size_t i = 0; i < proxy->worker_count; i++) {
		if (!proxy->workers[i].loop.running)
			loop_join(&proxy->workers[i].loop);
	}
	while (!proxy->ended)
		uv_run(proxy->loop, UV_RUN_ONCE);
}

void proxy_free(struct proxy *proxy)
{
	if (!proxy)
		return;
	if (!proxy->ended)
		end_now(proxy);
	parse_pool_free(proxy->owner.parse_pool); /* posts to workers */
	inbox_deinit(&proxy->inbox);
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_deinit(&proxy->workers[i]);
	free(proxy->workers);
	forecaster_free(proxy->owner.forecaster);
	free_doors(proxy);
	cancel_registry_free(proxy->owner.cancels);
	quota_free(proxy->owner.addresses);
	quota_free(proxy->owner.users);
	gate_free(proxy->gate);
	free(proxy);
}

/* ---- statistics ---- */

size_t proxy_worker_count(const struct proxy *proxy)
{
	return proxy->worker_count;
}

struct worker *proxy_worker(struct proxy *proxy, size_t index)
{
	return &proxy->workers[index];
}

static void add_traffic(struct proxy_stats *stats, const struct traffic *traffic)
{
	uint64_t total = traffic_read(&traffic->sessions_total), parked = traffic_read(&traffic->parked_total);
	stats->sessions_total += total;
	stats->sessions += total - traffic_read(&traffic->sessions_ended);
	stats->bytes_from_client += traffic_read(&traffic->bytes_from_client);
	stats->bytes_from_server += traffic_read(&traffic->bytes_from_server);
	stats->messages_from_client += traffic_read(&traffic->messages_from_client);
	stats->messages_from_server += traffic_read(&traffic->messages_from_server);
	stats->statements_unchanged += traffic_read(&traffic->statements_unchanged);
	stats->statements_rewritten += traffic_read(&traffic->statements_rewritten);
	stats->statements_refused += traffic_read(&traffic->statements_refused);
	stats->hidden_exchanges += traffic_read(&traffic->hidden_exchanges);
	stats->reprepared += traffic_read(&traffic->reprepared);
	stats->retried += traffic_read(&traffic->retried);
	stats->cancels += traffic_read(&traffic->cancels);
	stats->transactions += traffic_read(&traffic->transactions);
	for (size_t i = 0; i < TRAFFIC_ERROR_COUNT; i++)
		stats->errors[i] += traffic_read(&traffic->errors[i]);
	stats->cache.hits += traffic_read(&traffic->cache.hits);
	stats->cache.recipe_hits += traffic_read(&traffic->cache.recipe_hits);
	stats->cache.misses += traffic_read(&traffic->cache.misses);
	stats->cache.bytes += traffic_read(&traffic->cache.bytes);
	stats->cache.entries += traffic_read(&traffic->cache.entries);
	stats->parked_total += parked;
	stats->parked += parked - traffic_read(&traffic->unparked_total);
	for (size_t i = 0; i < CLOSE_REASON_COUNT; i++)
		stats->closed[i] += traffic_read(&traffic->closed[i]);
}

uint32_t *proxy_server_pids(const struct proxy *proxy, size_t *count_out)
{
	return cancel_registry_pids(proxy->owner.cancels, count_out);
}

void proxy_stats(const struct proxy *proxy, struct proxy_stats *stats_out)
{
	struct proxy_stats stats = { 0 };
	for (size_t i = 0; i < proxy->worker_count; i++)
		add_traffic(&stats, &proxy->workers[i].traffic);
	stats.pauses_over_limit = gate_over_limit(proxy->gate);
	stats.parse_times = parse_times_read(proxy->settings.rewriter.parse_times);
	*stats_out = stats;
}
