#include "rules.h"

#include <criterion/criterion.h>

static bool is_word_of(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = words; (at = strstr(at, word)); at += len) {
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	}
	return false;
}

static void add(struct map *map, struct facts *facts, const char *table, bool moved)
{
	struct map_entry *entry = &map->entries[map->entry_count];
	const char *name = arena_strdup(&map->arena, table);
	*entry = (struct map_entry){ .id = (uint32_t)map->entry_count++, .kind = MAP_MOVE,
				     .old_name = { "public", name }, .new_name = { "data", name },
				     .group = *table == 'g' ? 0 : -1 };
	facts_add_relation(facts, moved ? entry->new_name : entry->old_name, FACT_TABLE, 0);
}

struct ruleset *rules_of(uint64_t version, const char *tables, const char *moved)
{
	struct map *map = map_new();
	struct facts *facts = facts_new();
	struct ruleset *ruleset = NULL;
	struct error error;
	char *copy = arena_strdup(&map->arena, tables), *word;
	map->entries = ARENA_ARRAY(&map->arena, 16, struct map_entry);
	while ((word = strsep(&copy, " ")))
		add(map, facts, word, is_word_of(moved, word));
	facts_seal(facts);
	cr_assert(ruleset_build(map, NULL, facts, (struct policy){ 0 }, version, NULL, NULL, &ruleset, &error),
		  "%s", error.message);
	map_unref(map);
	facts_unref(facts);
	return ruleset;
}
