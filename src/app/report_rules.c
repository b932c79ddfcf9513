#include "app/report_rules.h"

static bool has_pattern(const struct map *map)
{
	for (size_t i = 0; i < map->entry_count; i++) {
		if (map->entries[i].wildcard)
			return true;
	}
	return false;
}

struct usage_entry *report_rules_entries(const struct ruleset *ruleset, struct arena *arena)
{
	struct usage_entry *entries = ARENA_ARRAY(arena, ruleset->entry_count, struct usage_entry);
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		const struct ruleset_entry *entry = &ruleset->entries[i];
		struct rel_name new_name = entry->names[SIDE_NEW];
		entries[i] = (struct usage_entry){
			.table = entry->key,
			.new_name = new_name.name ? rel_name_print(arena, new_name) : NULL,
			.stage = entry->stage,
			.deprecated = entry->map->deprecated.names,
			.deprecated_count = entry->map->deprecated.count,
		};
	}
	return entries;
}

void report_add_rules(struct report *report, const struct ruleset *ruleset, bool stages_known, bool only)
{
	struct usage_entry *entries = report_rules_entries(ruleset, &report->arena);
	for (size_t i = 0; i < ruleset->entry_count; i++)
		entries[i].stage_unknown = !stages_known;
	/* Only one database's map can be the whole truth about what is mapped. */
	report_add_entries(report, entries, ruleset->entry_count, only && !has_pattern(ruleset->map));
}
