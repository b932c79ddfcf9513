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
