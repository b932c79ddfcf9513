/*
 * Who was connected past the proxy, on its way from whoever looked to the
 * store thread: a short list that drops the oldest look when nobody takes it.
 */
#ifndef CROSSFADE_USAGE_SIGHTINGS_H
#define CROSSFADE_USAGE_SIGHTINGS_H

#include "base/arena.h"
#include "base/list.h"
#include "usage/usage.h"

/* One look at one database. */
struct usage_sighting {
	struct list_link link;
	struct arena arena; /* of the texts */
	int64_t at_ms;
	const char *database;
	struct usage_bypass *items; /* none alike */
	size_t count;
};

struct usage_sightings {
	struct list_link list; /* usage_sighting.link, the oldest first */
	size_t count;
};

void usage_sightings_init(struct usage_sightings *sightings);
void usage_sightings_deinit(struct usage_sightings *sightings);
/* Takes the sighting. */
void usage_sightings_add(struct usage_sightings *sightings, struct usage_sighting *sighting);
/* Moves all of more behind those of sightings. */
void usage_sightings_take(struct usage_sightings *sightings, struct usage_sightings *more);

/* Copies; sessions that are alike become one item. */
struct usage_sighting *usage_sighting_new(const char *database, const struct usage_bypass *items, size_t count,
					  int64_t at_ms);

#endif
