/*
 * A short number of what the map says, by which proxies find out whether they
 * mean the same: of one entry, and of all of them. The same on every machine
 * and in every version that reads maps in the same way; the order of the
 * entries in the file and comments do not count.
 */
#ifndef CROSSFADE_FLEET_DIGEST_H
#define CROSSFADE_FLEET_DIGEST_H

#include "model/ruleset.h"

enum { DIGEST_BYTES = 17 };

/* Of what decides where the entry's statements go and what they become, but not of its stage. */
void digest_entry(const struct ruleset_entry *entry, char digest_out[DIGEST_BYTES]);
void digest_map(const struct map *map, char digest_out[DIGEST_BYTES]);

#endif
