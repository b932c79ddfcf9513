/*
 * What must hold for a map as a whole, whoever wrote it: no name in two
 * entries, no chains, columns that exist and pair off one to one. The first
 * offender in the file's order is reported.
 */
#ifndef CROSSFADE_CONFIG_MAP_CHECK_H
#define CROSSFADE_CONFIG_MAP_CHECK_H

#include "model/map.h"

bool map_check(const struct map *map, struct error *error_out);

#endif
