/* The map against the live catalog: tables and columns that it names exist, with the types it gives. */
#ifndef CROSSFADE_CONFIG_MAP_LIVE_H
#define CROSSFADE_CONFIG_MAP_LIVE_H

#include "base/error.h"
#include "model/facts.h"
#include "model/map.h"

typedef void map_live_fn(void *context, const struct error *problem);

/* Calls report for each thing that does not hold; returns how many. */
size_t map_live_check(const struct map *map, const struct facts *facts, map_live_fn *report, void *context);

#endif
