/* Pauses: the gate decides, the workers are told. */
#include "proxy/proxy_parts.h"

const char *proxy_pause_stage_name(enum proxy_pause_stage stage)
{
	static const char *const names[] = { [PAUSE_PAUSING] = "pausing", [PAUSE_PAUSED] = "paused",
					     [PAUSE_DRAINED] = "drained", [PAUSE_OPENING] = "opening",
					     [PAUSE_OPEN] = "open" };
	return names[stage];
}

uint64_t proxy_pause(struct proxy *proxy, const struct proxy_pause *wanted, struct error *error_out)
{
	struct pause *pause = gate_pause(proxy->gate, wanted, error_out);
	if (!pause)
		return 0;
	uint64_t id = pause_id(pause);
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_pause(&proxy->workers[i], pause);
	pause_unref(pause);
	return id;
}

bool proxy_pause_renew(struct proxy *proxy, uint64_t id, uint32_t ttl_ms)
{
	return gate_renew(proxy->gate, id, ttl_ms);
}

bool proxy_pause_drained(struct proxy *proxy, uint64_t id)
{
	return gate_drained(proxy->gate, id);
}

bool proxy_resume(struct proxy *proxy, uint64_t id)
{
	struct pause *pause = gate_resume(proxy->gate, id);
	if (!pause)
		return false;
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_open(&proxy->workers[i], pause);
	pause_unref(pause);
	return true;
}

bool proxy_pause_look(struct proxy *proxy, uint64_t id, struct proxy_pause_info *info_out)
{
	return gate_look(proxy->gate, id, info_out);
}

size_t proxy_pause_list(struct proxy *proxy, struct proxy_pause_info *infos_out, size_t max)
{
	return gate_list(proxy->gate, infos_out, max);
}

bool proxy_pause_await(struct proxy *proxy, uint64_t id, enum proxy_pause_stage stage, uint32_t timeout_ms)
{
	return gate_await(proxy->gate, id, stage, timeout_ms);
}

bool proxy_pause_census(struct proxy *proxy, uint64_t id, uint32_t timeout_ms, struct proxy_census *census_out)
{
	struct pause *pause = gate_find(proxy->gate, id);
	if (!pause)
		return false;
	struct gate_census *census = gate_census_new(proxy->gate);
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_census(&proxy->workers[i], pause, census);
	bool complete = gate_census_await(census, timeout_ms, census_out);
	gate_census_unref(census);
	pause_unref(pause);
	return complete;
}

void proxy_pause_release(struct proxy *proxy, uint64_t id, const uint32_t *pids, size_t count)
{
	struct pause *pause = gate_find(proxy->gate, id);
	if (!pause)
		return;
	for (size_t i = 0; i < proxy->worker_count; i++)
		worker_post_release(&proxy->workers[i], pause, pids, count);
	pause_unref(pause);
}
