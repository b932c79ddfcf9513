/* What the files of the proxy (proxy*.c) share; nobody else includes this. */
#ifndef CROSSFADE_PROXY_PROXY_PARTS_H
#define CROSSFADE_PROXY_PROXY_PARTS_H

#include "net/listener.h"
#include "proxy/gate.h"
#include "proxy/worker.h"

struct proxy_door {
	struct proxy_door *next;
	struct proxy *proxy;
	struct listener *listener;
	char *app;
	bool proxy_protocol;
};

struct proxy {
	uv_loop_t *loop;
	struct parse_times parse_times;
	struct proxy_settings settings;
	struct proxy_callbacks callbacks;
	struct worker_owner owner;
	struct worker *workers;
	size_t worker_count;
	struct gate *gate;
	struct proxy_door *doors;
	struct inbox inbox; /* of the owner's loop: workers report here */
	uv_timer_t drain;  /* its delay, then its timeout */
	uv_timer_t upkeep; /* looks at the memory, where that has a limit */
	size_t workers_left;
	unsigned open_handles;
	bool started, doors_closed, waits_to_drain, ending, ended;
};

#endif
