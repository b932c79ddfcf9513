/*
 * The gate: which tables are paused now. A pause belongs to somebody, who has
 * to renew it; otherwise it ends by itself. While it lasts, statements that
 * would be the first of their transaction to touch one of its tables wait in
 * their sessions (parking.h).
 *
 *   gate_pause: PAUSING ─ every worker has acknowledged ─► PAUSED ─ gate_drained ─► DRAINED
 *   gate_resume, or nobody renewed it: OPENING ─ every worker has opened ─► OPEN
 *
 * The gate is shared by all threads. What counts for sessions is only what
 * their worker has been told (its gate_view), in the order of its inbox: rules
 * that were published before gate_resume are there before the gate opens.
 */
#ifndef CROSSFADE_PROXY_GATE_H
#define CROSSFADE_PROXY_GATE_H

#include "base/error.h"
#include "proxy/proxy.h"

enum { GATE_PAUSES_MAX = 32, GATE_REMEMBERED = 16 };

struct gate;
struct pause;

struct gate *gate_new(size_t workers, uint32_t parked_max, size_t parked_max_bytes);
void gate_free(struct gate *gate);

/* ---- for whoever pauses: any thread ---- */

/* NULL with an error when it cannot be; else a reference of the caller's, to tell the workers. */
struct pause *gate_pause(struct gate *gate, const struct proxy_pause *wanted, struct error *error_out);
uint64_t pause_id(const struct pause *pause);
/* A reference of the caller's; NULL: it is over, or never was. */
struct pause *gate_find(struct gate *gate, uint64_t id);
/* False: it has ended before. From now on it does not end by itself for so long. */
bool gate_renew(struct gate *gate, uint64_t id, uint32_t ttl_ms);
bool gate_drained(struct gate *gate, uint64_t id);
/* A reference of the caller's, who tells the workers; NULL: it has ended before. */
struct pause *gate_resume(struct gate *gate, uint64_t id);
/* Also of those that ended not long ago; false: forgotten. */
bool gate_look(struct gate *gate, uint64_t id, struct proxy_pause_info *info_out);
size_t gate_list(struct gate *gate, struct proxy_pause_info *infos_out, size_t max);
/* Waits until the pause has left that stage behind, or has ended; false: the time is over first. */
bool gate_await(struct gate *gate, uint64_t id, enum proxy_pause_stage stage, uint32_t timeout_ms);

struct pause *pause_ref(struct pause *pause);
void pause_unref(struct pause *pause);

/* Whether any statement waits now. */
bool gate_has_parked(const struct gate *gate);
/* Pauses that ended because too much waited for them, ever. */
uint64_t gate_over_limit(const struct gate *gate);

/* ---- for workers ---- */

struct gate_view {
	struct gate *gate;
	struct pause *pauses[GATE_PAUSES_MAX]; /* with references */
	size_t count;
};

/* Takes over the reference. False: it has ended already. */
bool gate_view_add(struct gate_view *view, struct pause *pause);
/* Takes one out that has ended, or NULL: the one given, or any that ended by itself. Its reference is the
 * caller's, who lets what was parked go on and then says gate_view_opened, which drops it. */
struct pause *gate_view_remove(struct gate_view *view, const struct pause *pause);
struct pause *gate_view_expired(struct gate_view *view);
void gate_view_opened(struct gate_view *view, struct pause *pause);
void gate_view_deinit(struct gate_view *view);

uint64_t gate_hash(const char *table);
/* Whether a table is paused for sessions of the database; NULL: no. */
struct pause *gate_view_find(const struct gate_view *view, const char *database, uint64_t table);
bool pause_covers(const struct pause *pause, const char *database, uint64_t table);

/* A statement begins to wait with so many bytes read. Too much of it ends the pause. */
void pause_park(struct gate *gate, struct pause *pause, size_t bytes);
void pause_unpark(struct gate *gate, struct pause *pause, size_t bytes, uint64_t waited_us);

/* ---- a question to all workers ---- */

struct gate_census;
struct gate_census *gate_census_new(struct gate *gate);
/* A worker's part. */
void gate_census_answer(struct gate_census *census, size_t in_flight, const uint32_t *parked, size_t parked_count);
/* False: not all have answered in time. */
bool gate_census_await(struct gate_census *census, uint32_t timeout_ms, struct proxy_census *out);
struct gate_census *gate_census_ref(struct gate_census *census);
void gate_census_unref(struct gate_census *census);

#endif
