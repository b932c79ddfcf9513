/*
 * Facts from a live catalog, and a fingerprint that tells cheaply whether
 * they are still true. Works for any role that may connect. Both run in one
 * REPEATABLE READ transaction, so that the fingerprint belongs to the facts.
 */
#ifndef CROSSFADE_CATALOG_LOADER_H
#define CROSSFADE_CATALOG_LOADER_H

#include "catalog/connection.h"
#include "model/facts.h"
#include "model/map.h"

/*
 * Columns are loaded for the relations of the map's schemas only, or of all
 * when map is NULL. fingerprint_out may be NULL.
 */
bool catalog_load(struct catalog_connection *connection, const struct map *map, uint64_t version,
		  uint32_t timeout_ms, struct facts **facts_out, struct buf *fingerprint_out,
		  struct error *error_out);
bool catalog_fingerprint(struct catalog_connection *connection, const struct map *map, uint32_t timeout_ms,
			 struct buf *fingerprint_out, struct error *error_out);

/* Connects, loads, disconnects: for commands that look once. */
bool catalog_load_once(const char *dsn, const struct map *map, uint32_t timeout_ms, struct facts **facts_out,
		       struct error *error_out);

#endif
