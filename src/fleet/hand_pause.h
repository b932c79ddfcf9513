/*
 * Pauses that a person asks for, of all proxies of a database at once: rows
 * in crossfade.pauses, which each proxy takes up (member.h) and which end by
 * RESUME through any of them, or when their time is over.
 */
#ifndef CROSSFADE_FLEET_HAND_PAUSE_H
#define CROSSFADE_FLEET_HAND_PAUSE_H

#include "fleet/state.h"

struct hand_pause {
	const char *table; /* the entry's key; NULL: every entry */
	const char *who;
	uint32_t ttl_ms;
};

bool hand_pause_begin(struct catalog_connection *connection, const struct hand_pause *wanted, uint32_t timeout_ms,
		      char id_out[STATE_ID_BYTES], struct error *error_out);
/* How many live proxies hold it up by now, and one of those that do not (empty: all do). */
struct hand_pause_count {
	size_t ready;
	char missing[256];
};
bool hand_pause_count(struct catalog_connection *connection, const char *id, uint32_t timeout_ms,
		      struct hand_pause_count *count_out, struct error *error_out);
/* Ends one of them; that are there of a table (NULL: all). Never that of a cutover. */
bool hand_pause_withdraw(struct catalog_connection *connection, const char *id, uint32_t timeout_ms,
			 struct error *error_out);
bool hand_pause_end(struct catalog_connection *connection, const char *table, uint32_t timeout_ms, size_t *ended_out,
		    struct error *error_out);

struct pg_result;
/* Those that have not ended, also of cutovers, the oldest first: tables (one a line; empty: all), owner, milliseconds
 * since 1970 of its beginning and its end, how many live proxies hold it up, which do not (NULL: all do). */
bool hand_pause_list(struct catalog_connection *connection, uint32_t timeout_ms, struct pg_result **result_out,
		     struct error *error_out);

#endif
