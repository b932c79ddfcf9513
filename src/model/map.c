#include "model/map.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct map *map_new(void)
{
	struct map *map = memory_zalloc(sizeof(*map));
	ref_init(&map->ref);
	arena_init(&map->arena);
	map->old_label = "old";
	map->new_label = "new";
	return map;
}

struct map *map_ref(struct map *map)
{
	if (map)
		ref_take(&map->ref);
	return map;
}

void map_unref(struct map *map)
{
	if (!map || !ref_drop(&map->ref))
		return;
	arena_deinit(&map->arena);
	free(map);
}

const char *map_entry_column(const struct map_entry *entry, enum side from, const char *name)
{
	for (size_t i = 0; i < entry->columns.count; i++) {
		const struct map_pair *pair = &entry->columns.items[i];
		if (strcmp(from == SIDE_OLD ? pair->key : pair->value, name) == 0)
			return from == SIDE_OLD ? pair->value : pair->key;
	}
	return name;
}
