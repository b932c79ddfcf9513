#include "ruleset.h"

enum { TABLES = 100 };

static void fill_map(struct map *map)
{
	map->entries = ARENA_ARRAY(&map->arena, TABLES, struct map_entry);
	map->entry_count = TABLES;
	for (uint32_t i = 0; i < TABLES; i++) {
		const char *name = i ? arena_printf(&map->arena, "table_%u", i) : "pgbench_accounts";
		map->entries[i] = (struct map_entry){ .id = i, .kind = MAP_MOVE, .group = -1,
						      .old_name = { "public", name },
						      .new_name = { "elsewhere", name } };
	}
}

static struct flags flags_of(struct map *map)
{
	struct flags flags = { .items = ARENA_ARRAY(&map->arena, TABLES, struct flag), .count = TABLES };
	for (uint32_t i = 0; i < TABLES; i++)
		flags.items[i] = (struct flag){ .table = map->entries[i].old_name, .stage = STAGE_LIVE };
	return flags;
}

struct ruleset *micro_ruleset_new(void)
{
	struct map *map = map_new();
	fill_map(map);
	struct flags flags = flags_of(map);
	struct ruleset *ruleset = NULL;
	struct error error;
	if (!ruleset_build(map, &flags, NULL, (struct policy){ 0 }, 1, NULL, NULL, &ruleset, &error))
		ruleset = NULL;
	map_unref(map);
	return ruleset;
}
