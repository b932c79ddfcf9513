#include "model/map.h"

#include "base/memory.h"

#include <stdlib.h>

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

const struct map_entry *map_find(const struct map *map, enum side side, struct rel_name name)
{
	for (size_t i = 0; i < map->entry_count; i++) {
		const struct map_entry *entry = &map->entries[i];
		struct rel_name own = side == SIDE_OLD ? entry->old_name : entry->new_name;
		if (!entry->wildcard && own.name && rel_name_eq(own, name))
			return entry;
	}
	return NULL;
}
