/*
 * Counters of one worker: written by its thread alone, read by others at any
 * time.
 */
#ifndef CROSSFADE_PROXY_TRAFFIC_H
#define CROSSFADE_PROXY_TRAFFIC_H

#include "proxy/close_reason.h"

#include <stdint.h>

struct traffic {
	uint64_t sessions_total, sessions_ended;
	uint64_t bytes_from_client, bytes_from_server;
	uint64_t messages_from_client, messages_from_server;
	uint64_t statements_unchanged, statements_rewritten, statements_refused;
	uint64_t hidden_exchanges, cancels;
	uint64_t parked_total, unparked_total;
	uint64_t closed[CLOSE_REASON_COUNT];
};

static inline uint64_t traffic_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void traffic_add(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

#endif
