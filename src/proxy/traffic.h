/*
 * Counters of one worker: written by its thread alone, read by others at any
 * time.
 */
#ifndef CROSSFADE_PROXY_TRAFFIC_H
#define CROSSFADE_PROXY_TRAFFIC_H

#include "proxy/close_reason.h"

#include <stdint.h>

/* Why a client got an ErrorResponse. */
enum traffic_error {
	TRAFFIC_ERROR_SERVER,	 /* the server's own */
	TRAFFIC_ERROR_REFUSED,	 /* the rewriter's */
	TRAFFIC_ERROR_TOO_LARGE, /* over limits.message_bytes */
	TRAFFIC_ERROR_UNKNOWN,	 /* search_path or catalog could not be read */
	TRAFFIC_ERROR_CANCELLED, /* while it waited for a pause to end */
	TRAFFIC_ERROR_COUNT
};

struct traffic {
	uint64_t sessions_total, sessions_ended;
	uint64_t bytes_from_client, bytes_from_server;
	uint64_t messages_from_client, messages_from_server;
	uint64_t statements_unchanged, statements_rewritten, statements_refused;
	uint64_t hidden_exchanges, cancels;
	uint64_t reprepared, retried;
	uint64_t parked_total, unparked_total;
	uint64_t transactions;
	uint64_t errors[TRAFFIC_ERROR_COUNT];
	struct traffic_cache { uint64_t hits, recipe_hits, misses, bytes, entries; } cache; /* as of the last flush */
	uint64_t closed[CLOSE_REASON_COUNT];
};

static inline uint64_t traffic_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void traffic_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void traffic_add(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

#endif
