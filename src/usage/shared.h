/*
 * A ledger in PostgreSQL (`usage: {schema: …}`), which several proxies share.
 * Its place is written as a path, "schema:NAME\nDSN", so that whoever handles
 * ledgers need not care. Counts go into a ledger in memory first, which
 * bounds them as every ledger is bounded, and from there to the server, by
 * functions of a layer above this one.
 */
#ifndef CROSSFADE_USAGE_SHARED_H
#define CROSSFADE_USAGE_SHARED_H

#include "usage/store.h"

struct usage_shared;
struct sqlite3;

struct usage_shared_ops {
	/* Does not connect yet. */
	struct usage_shared *(*open)(const char *place, const struct usage_settings *settings);
	void (*close)(struct usage_shared *shared);
	/* Finds out whether a COMMIT without an answer was done. False: still unknown, nothing may be added. */
	bool (*settle)(struct usage_shared *shared, struct usage_store *store, struct error *error_out);
	/* Moves the counts from memory to the server: all of them, or none. */
	bool (*ship)(struct usage_shared *shared, struct usage_store *store, struct error *error_out);
	/* The observation ended cleanly, with so many statements lost. */
	bool (*stop)(struct usage_shared *shared, int64_t now_ms, uint64_t lost, struct error *error_out);
	bool (*maintain)(struct usage_shared *shared, struct error *error_out);
	/* A copy in memory, for a report; the caller closes it. */
	bool (*read)(const char *place, struct sqlite3 **db_out, struct error *error_out);
	/* False when the place cannot be a ledger; a server that cannot be reached may be one later. */
	bool (*check)(const char *place, struct error *error_out);
};

/* Once, before anything is opened. */
void usage_shared_set(const struct usage_shared_ops *ops);
const struct usage_shared_ops *usage_shared_get(void);

bool usage_is_shared(const char *path); /* NULL: no */
/* For messages, without the connection string, which may hold a password; returns out. */
enum { USAGE_PLACE_BYTES = 160 };
const char *usage_place_name(const char *path, char out[USAGE_PLACE_BYTES]);

#endif
