/*
 * Keeps the facts of one database fresh, in a thread of its own: loads them
 * at the start, compares a fingerprint at every poll, when poked, and when
 * the map changes, and hands out new facts only when something changed. A
 * lost connection is taken up again with growing pauses; trouble is logged
 * once, and so is its end.
 */
#ifndef CROSSFADE_CATALOG_WATCHER_H
#define CROSSFADE_CATALOG_WATCHER_H

#include "catalog/activity.h"
#include "model/facts.h"
#include "model/map.h"

struct catalog_watcher;

struct catalog_watcher_settings {
	const char *dsn; /* copied */
	uint32_t poll_ms; /* a large catalog is polled less often, so that looking takes 5 % of a core */
	uint32_t connect_timeout_ms;
	uint32_t query_timeout_ms;
	uint32_t activity_ms; /* how often to look who is connected; 0: never */
	const char *id, *name; /* by which this proxy says then which sessions are its; NULL: it does not; copied */
};
struct catalog_watcher_settings catalog_watcher_settings_default(void);

/* Called on the watcher's thread, never after catalog_watcher_free began to return. */
struct catalog_watcher_callbacks {
	void *context;
	/* New facts; the reference is the callee's. */
	void (*facts)(void *context, struct facts *facts);
	/*
	 * All pokes up to ticket are answered: what was true when they were
	 * made is in the facts handed out so far. fresh false: the catalog
	 * could not be read. May be NULL.
	 */
	void (*checked)(void *context, uint64_t ticket, bool fresh);
	/* The server processes of the proxy's own sessions, to be freed. Only with an id. */
	uint32_t *(*pids)(void *context, size_t *count_out);
	/* Who is connected; every activity_ms. May be NULL. */
	void (*activity)(void *context, const struct activity *activity);
};

/* map may be NULL; a reference is taken. */
struct catalog_watcher *catalog_watcher_new(const struct catalog_watcher_settings *settings, struct map *map,
					    struct catalog_watcher_callbacks callbacks);
/* Returns within two seconds whatever the server does. Not from a callback. */
void catalog_watcher_free(struct catalog_watcher *watcher);

/* From any thread, without waiting: look now. The ticket is what `checked` will name. */
uint64_t catalog_watcher_poke(struct catalog_watcher *watcher);
/*
 * From any thread: somebody knows more than a look that is under way. What
 * that finds is thrown away; the next one loads anew.
 */
void catalog_watcher_discard(struct catalog_watcher *watcher);
/* From any thread: load for this map. */
void catalog_watcher_set_map(struct catalog_watcher *watcher, struct map *map);
/* From any thread: how long ago the catalog was last read or found unchanged; -1: never. */
int64_t catalog_watcher_age_ms(const struct catalog_watcher *watcher);

#endif
