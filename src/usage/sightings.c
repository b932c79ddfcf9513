#include "usage/sightings.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { SIGHTINGS_MAX = 64 };

void usage_sightings_init(struct usage_sightings *sightings)
{
	link_init(&sightings->list);
	sightings->count = 0;
}

static void drop_first(struct usage_sightings *sightings)
{
	struct usage_sighting *sighting = LIST_ENTRY(sightings->list.next, struct usage_sighting, link);
	link_remove(&sighting->link);
	arena_deinit(&sighting->arena);
	free(sighting);
	sightings->count--;
}

void usage_sightings_deinit(struct usage_sightings *sightings)
{
	while (sightings->count)
		drop_first(sightings);
}

void usage_sightings_add(struct usage_sightings *sightings, struct usage_sighting *sighting)
{
	link_append(&sightings->list, &sighting->link);
	if (++sightings->count > SIGHTINGS_MAX)
		drop_first(sightings);
}

void usage_sightings_take(struct usage_sightings *sightings, struct usage_sightings *more)
{
	LIST_FOR_EACH_SAFE(link, &more->list) {
		link_remove(link);
		more->count--;
		usage_sightings_add(sightings, LIST_ENTRY(link, struct usage_sighting, link));
	}
}

/* ---- one look ---- */

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare(const void *a, const void *b)
{
	const struct usage_bypass *x = a, *y = b;
	int order = compare_texts(x->user, y->user);
	if (!order)
		order = compare_texts(x->application, y->application);
	if (!order)
		order = compare_texts(x->address, y->address);
	return order ? order : compare_texts(x->kind, y->kind);
}

static struct usage_bypass copy_of(struct arena *arena, const struct usage_bypass *item)
{
	return (struct usage_bypass){ arena_strdup(arena, item->user), arena_strdup(arena, item->application),
				      arena_strdup(arena, item->address), arena_strdup(arena, item->kind), item->sessions };
}

struct usage_sighting *usage_sighting_new(const char *database, const struct usage_bypass *items, size_t count,
					  int64_t at_ms)
{
	struct usage_sighting *sighting = memory_zalloc(sizeof(*sighting));
	arena_init(&sighting->arena);
	sighting->at_ms = at_ms;
	sighting->database = arena_strdup(&sighting->arena, database);
	sighting->items = ARENA_ARRAY(&sighting->arena, count + 1, struct usage_bypass);
	for (size_t i = 0; i < count; i++)
		sighting->items[i] = copy_of(&sighting->arena, &items[i]);
	if (count)
		qsort(sighting->items, count, sizeof(*sighting->items), compare);
	for (size_t i = 0; i < count; i++) {
		struct usage_bypass *last = sighting->count ? &sighting->items[sighting->count - 1] : NULL;
		if (last && compare(last, &sighting->items[i]) == 0)
			last->sessions += sighting->items[i].sessions;
		else
			sighting->items[sighting->count++] = sighting->items[i];
	}
	return sighting;
}
