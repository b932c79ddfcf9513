#include "proxy/pins.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
	CAPACITY_FIRST = 4,
	CAPACITY_KEPT = 16,
	DEPTH_MAX = 1024, /* what is first touched under a deeper savepoint stays touched to the end */
};

struct pin_savepoint {
	struct pin_savepoint *outer;
	uint64_t request;
	char name[];
};

void pins_init(struct pins *pins)
{
	*pins = (struct pins){ 0 };
}

static void drop_savepoint(struct pins *pins)
{
	struct pin_savepoint *inner = pins->savepoints;
	pins->savepoints = inner->outer;
	pins->depth--;
	free(inner);
}

void pins_deinit(struct pins *pins)
{
	while (pins->savepoints)
		drop_savepoint(pins);
	free(pins->items);
	pins_init(pins);
}

static struct pin *find(const struct pins *pins, uint32_t entry)
{
	for (uint32_t i = 0; i < pins->count; i++) {
		if (pins->items[i].entry == entry)
			return &pins->items[i];
	}
	return NULL;
}

static void touch(struct pins *pins, uint32_t entry, uint64_t request)
{
	struct pin *pin = find(pins, entry);
	if (pin) {
		pin->last = request;
		return;
	}
	if (pins->count == pins->capacity) {
		pins->capacity = pins->capacity ? pins->capacity * 2 : CAPACITY_FIRST;
		pins->items = memory_realloc(pins->items, pins->capacity * sizeof(*pins->items));
	}
	pins->items[pins->count++] = (struct pin){ entry, request, request };
}

/* The shape may be of an older ruleset, in which the entry had another number. */
static const struct ruleset_entry *entry_of(const struct ruleset *ruleset, const struct use *use)
{
	if (use->entry < ruleset->entry_count && strcmp(ruleset->entries[use->entry].key, use->table) == 0)
		return &ruleset->entries[use->entry];
	return ruleset_entry_by_key(ruleset, use->table);
}

void pins_touch(struct pins *pins, const struct ruleset *ruleset, const struct statement_shape *shape,
		uint64_t request)
{
	for (size_t i = 0; shape && i < shape->use_count; i++) {
		const struct ruleset_entry *entry =
			pins_use_touches(&shape->uses[i]) ? entry_of(ruleset, &shape->uses[i]) : NULL;
		if (entry)
			touch(pins, entry->id, request);
	}
}

bool pins_hold(const struct pins *pins, const struct ruleset *ruleset, const struct ruleset_entry *entry)
{
	int32_t group = entry->map->group;
	for (uint32_t i = 0; i < pins->count; i++) {
		const struct pin *pin = &pins->items[i];
		if (pin->last >= pins->since &&
		    (pin->entry == entry->id || (group >= 0 && ruleset->entries[pin->entry].map->group == group)))
			return true;
	}
	return false;
}

/* Keeps the pins that reach beyond the request, or that began up to `begun`. */
static void drop(struct pins *pins, uint64_t begun, uint64_t request)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < pins->count; i++) {
		if (pins->items[i].last > request || pins->items[i].first <= begun)
			pins->items[kept++] = pins->items[i];
	}
	pins->count = kept;
	if (!kept && pins->capacity > CAPACITY_KEPT) {
		free(pins->items);
		pins->items = NULL;
		pins->capacity = 0;
	}
}

void pins_end(struct pins *pins, uint64_t request)
{
	while (pins->savepoints)
		drop_savepoint(pins);
	if (pins->count)
		drop(pins, 0, request);
}

void pins_savepoint(struct pins *pins, const char *name, uint64_t request)
{
	size_t bytes = strlen(name) + 1;
	if (pins->depth == DEPTH_MAX)
		return;
	struct pin_savepoint *inner = memory_alloc(sizeof(*inner) + bytes);
	*inner = (struct pin_savepoint){ .outer = pins->savepoints, .request = request };
	memcpy(inner->name, name, bytes);
	pins->savepoints = inner;
	pins->depth++;
}

static struct pin_savepoint *find_savepoint(const struct pins *pins, const char *name)
{
	struct pin_savepoint *found = pins->savepoints;
	while (found && strcmp(found->name, name) != 0)
		found = found->outer;
	return found;
}

void pins_release(struct pins *pins, const char *name)
{
	const struct pin_savepoint *found = find_savepoint(pins, name);
	const struct pin_savepoint *outer = found ? found->outer : NULL;
	while (found && pins->savepoints != outer)
		drop_savepoint(pins);
}

void pins_rollback_to(struct pins *pins, const char *name, uint64_t request)
{
	const struct pin_savepoint *found = find_savepoint(pins, name);
	if (!found)
		return;
	while (pins->savepoints != found)
		drop_savepoint(pins);
	drop(pins, found->request, request);
}

void pins_translate(struct pins *pins, const struct ruleset *from, const struct ruleset *to)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < pins->count; i++) {
		const struct ruleset_entry *entry =
			ruleset_entry_by_key(to, from->entries[pins->items[i].entry].key);
		if (!entry)
			continue;
		pins->items[kept] = pins->items[i];
		pins->items[kept++].entry = entry->id;
	}
	pins->count = kept;
}
