/* What is measured: names against a map of 100 tables, all of them moved. */
#include "cases.h"

#include "case_usage.h"
#include "model/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

enum { TABLES = 100 };

struct context {
	struct ruleset *ruleset;
	struct name_list search_path;
};

static void fill_map(struct map *map)
{
	map->entries = ARENA_ARRAY(&map->arena, TABLES, struct map_entry);
	map->entry_count = TABLES;
	for (uint32_t i = 0; i < TABLES; i++) {
		const char *name = i ? arena_printf(&map->arena, "table_%u", i) : "pgbench_accounts";
		map->entries[i] = (struct map_entry){ .id = i,
						      .kind = MAP_MOVE,
						      .group = -1,
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

static void *prepare(void)
{
	static const char *path[] = { "public" };
	struct map *map = map_new();
	fill_map(map);
	struct flags flags = flags_of(map);
	struct context *context = calloc(1, sizeof(*context));
	struct error error = { 0 };
	context->search_path = (struct name_list){ path, 1 };
	if (!ruleset_build(map, &flags, NULL, (struct policy){ 0 }, 1, NULL, NULL, &context->ruleset,
			   &error)) {
		free(context);
		context = NULL;
	}
	map_unref(map);
	return context;
}

static void finish(void *opaque)
{
	struct context *context = opaque;
	ruleset_unref(context->ruleset);
	free(context);
}

static bool resolve(void *opaque, uint64_t number)
{
	struct context *context = opaque;
	const struct ruleset_name *found =
		ruleset_resolve(context->ruleset, &context->search_path, "app", "pgbench_accounts");
	return found && found->side == SIDE_OLD;
}

static bool token_filter(void *opaque, uint64_t number)
{
	struct context *context = opaque;
	return !ruleset_mentions(context->ruleset, "abalance", 8);
}

const struct micro_case micro_cases[] = {
	{ "resolve", "an unqualified mapped name along the search path", prepare, resolve, finish },
	{ "token-filter", "a token that is no mapped name", prepare, token_filter, finish },
	{ "usage-count", "a thousand statements counted in the ledger's table", usage_prepare, usage_once, usage_finish },
};
const unsigned micro_case_count = sizeof(micro_cases) / sizeof(micro_cases[0]);
