#include "model/ruleset.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

static int warnings;
static struct error last_warning;

static void count_warning(void *context, const struct error *warning)
{
	warnings++;
	last_warning = *warning;
}

static struct map_entry *add_entry(struct map *map, enum map_kind kind, const char *old_schema, const char *old_name,
				   const char *new_schema, const char *new_name)
{
	struct map_entry *entries = ARENA_ARRAY(&map->arena, map->entry_count + 1, struct map_entry);
	if (map->entry_count)
		memcpy(entries, map->entries, map->entry_count * sizeof(*entries));
	map->entries = entries;
	struct map_entry *entry = &entries[map->entry_count];
	entry->id = (uint32_t)map->entry_count++;
	entry->kind = kind;
	entry->old_name = (struct rel_name){ old_schema, old_name };
	entry->new_name = (struct rel_name){ new_schema, new_name };
	entry->group = -1;
	entry->wildcard = old_name[0] == '*';
	return entry;
}

static struct map *prices_map(void)
{
	struct map *map = map_new();
	add_entry(map, MAP_MOVE, "public", "prices", "data", "prices");
	return map;
}

static struct facts *facts_of(const char *const tables[][2])
{
	struct facts *facts = facts_new();
	for (size_t i = 0; tables[i][0]; i++)
		facts_add_relation(facts, (struct rel_name){ tables[i][0], tables[i][1] }, FACT_TABLE, 0);
	facts_seal(facts);
	return facts;
}

/* Takes over map and facts. */
static struct ruleset *build(struct map *map, struct facts *facts, const struct flags *flags)
{
	struct ruleset *rs = NULL;
	struct error error;
	warnings = 0;
	if (!ruleset_build(map, flags, facts, (struct policy){ 0 }, 1, count_warning, NULL, &rs, &error))
		last_warning = error;
	map_unref(map);
	facts_unref(facts);
	return rs;
}

static struct flags flag(const char *schema, const char *name, enum stage stage)
{
	static struct flag item;
	item = (struct flag){ .table = { schema, name }, .stage = stage };
	return (struct flags){ .items = &item, .count = 1 };
}

static struct rel_name physical(const struct ruleset *rs, const char *schema, const char *name)
{
	const struct ruleset_name *found = ruleset_find(rs, schema, name);
	cr_assert_not_null(found);
	return found->physical;
}

Test(ruleset, without_facts_the_flag_decides)
{
	struct flags live = flag("public", "prices", STAGE_LIVE);
	struct ruleset *rs = build(prices_map(), NULL, &live);
	cr_assert_str_eq(physical(rs, "public", "prices").schema, "data");
	cr_assert_str_eq(physical(rs, "data", "prices").schema, "data");
	ruleset_unref(rs);
	rs = build(prices_map(), NULL, NULL);
	cr_assert_str_eq(physical(rs, "data", "prices").schema, "public");
	ruleset_unref(rs);
}

Test(ruleset, the_only_table_there_is_wins_over_the_flag_and_is_drift)
{
	const char *const tables[][2] = { { "data", "prices" }, { NULL, NULL } };
	struct flags old = flag("public", "prices", STAGE_OLD);
	struct ruleset *rs = build(prices_map(), facts_of(tables), &old);
	cr_assert_str_eq(physical(rs, "public", "prices").schema, "data");
	cr_assert(rs->entries[0].drift);
	cr_assert_eq(warnings, 1);
	ruleset_unref(rs);
}

Test(ruleset, when_both_tables_exist_the_flag_decides)
{
	const char *const tables[][2] = { { "data", "prices" }, { "public", "prices" }, { NULL, NULL } };
	struct flags live = flag("public", "prices", STAGE_LIVE);
	struct ruleset *rs = build(prices_map(), facts_of(tables), &live);
	cr_assert_str_eq(physical(rs, "public", "prices").schema, "data");
	cr_assert_not(rs->entries[0].drift);
	ruleset_unref(rs);
}

Test(ruleset, a_view_over_the_other_side_does_not_hold_rows)
{
	struct facts *facts = facts_new();
	facts_add_relation(facts, (struct rel_name){ "public", "prices" }, FACT_VIEW, 0);
	facts_add_relation(facts, (struct rel_name){ "data", "prices" }, FACT_TABLE, 0);
	facts_seal(facts);
	struct ruleset *rs = build(prices_map(), facts, NULL);
	cr_assert_str_eq(physical(rs, "public", "prices").schema, "data");
	ruleset_unref(rs);
}

Test(ruleset, a_flag_for_an_unknown_entry_warns)
{
	struct flags unknown = flag("public", "pricez", STAGE_LIVE);
	struct ruleset *rs = build(prices_map(), NULL, &unknown);
	cr_assert_not_null(rs);
	cr_assert_eq(warnings, 1);
	ruleset_unref(rs);
}

Test(ruleset, a_move_has_no_shadow_stage)
{
	struct flags shadow = flag("public", "prices", STAGE_SHADOW);
	cr_assert_null(build(prices_map(), NULL, &shadow));
	cr_assert_not_null(strstr(last_warning.message, "cannot be at stage shadow"));
}

Test(ruleset, two_entries_of_one_name_are_an_error)
{
	struct map *map = prices_map();
	add_entry(map, MAP_MOVE, "v9", "prices", "data", "prices");
	cr_assert_null(build(map, NULL, NULL));
	cr_assert_not_null(strstr(last_warning.message, "belongs to two entries"));
}

Test(ruleset, wildcards_cover_tables_of_either_schema_that_no_entry_names)
{
	const char *const tables[][2] = { { "public", "stocks" }, { "data", "orders" }, { "public", "prices" }, { NULL, NULL } };
	struct map *map = map_new();
	add_entry(map, MAP_MOVE, "public", "prices", "data", "quotes");
	add_entry(map, MAP_MOVE, "public", "*", "data", "*");
	struct ruleset *rs = build(map, facts_of(tables), NULL);
	cr_assert_eq(rs->entry_count, 3);
	cr_assert_str_eq(physical(rs, "data", "stocks").schema, "public");
	cr_assert_str_eq(physical(rs, "public", "orders").schema, "data");
	cr_assert_str_eq(physical(rs, "data", "quotes").name, "prices");
	cr_assert_null(ruleset_find(rs, "data", "prices"));
	ruleset_unref(rs);
}

Test(ruleset, indexes_and_owned_sequences_follow_their_table)
{
	struct facts *facts = facts_new();
	struct rel_name prices = { "data", "prices" };
	facts_add_relation(facts, prices, FACT_TABLE, 0);
	facts_set_owner(facts, facts_add_relation(facts, (struct rel_name){ "data", "prices_pkey" }, FACT_INDEX, 0), prices);
	facts_set_owner(facts, facts_add_relation(facts, (struct rel_name){ "data", "prices_id_seq" }, FACT_SEQUENCE, 0), prices);
	facts_seal(facts);
	struct flags live = flag("public", "prices", STAGE_LIVE);
	struct ruleset *rs = build(prices_map(), facts, &live);
	cr_assert_str_eq(physical(rs, "public", "prices_pkey").schema, "data");
	cr_assert_eq(ruleset_find(rs, "public", "prices_id_seq")->kind, NAME_SEQUENCE);
	cr_assert(ruleset_mentions(rs, "prices_id_seq", strlen("prices_id_seq")));
	cr_assert_not(ruleset_mentions(rs, "prices_id_se", strlen("prices_id_se")));
	ruleset_unref(rs);
}

static const struct ruleset_name *resolve(const struct ruleset *rs, const char *path, const char *name)
{
	struct arena arena;
	struct name_list list;
	arena_init(&arena);
	cr_assert(name_list_parse(&arena, slice_str(path), &list));
	const struct ruleset_name *found = ruleset_resolve(rs, &list, "alice", name, NULL);
	arena_deinit(&arena);
	return found;
}

Test(resolve, the_first_schema_that_holds_the_name_wins)
{
	const char *const tables[][2] = { { "data", "prices" }, { "alice", "prices" }, { NULL, NULL } };
	struct flags live = flag("public", "prices", STAGE_LIVE);
	struct ruleset *rs = build(prices_map(), facts_of(tables), &live);
	cr_assert_eq(resolve(rs, "public", "prices")->side, SIDE_OLD);
	cr_assert_eq(resolve(rs, "data, public", "prices")->side, SIDE_NEW);
	cr_assert_null(resolve(rs, "\"$user\", public", "prices"), "alice has a table of that name");
	cr_assert_null(resolve(rs, "elsewhere", "prices"));
	ruleset_unref(rs);
}

Test(resolve, a_completed_old_name_gives_way_to_any_other)
{
	struct flags complete = flag("public", "prices", STAGE_COMPLETE);
	struct ruleset *rs = build(prices_map(), NULL, &complete);
	cr_assert_eq(resolve(rs, "public, data", "prices")->side, SIDE_NEW);
	cr_assert_eq(resolve(rs, "public", "prices")->side, SIDE_OLD, "found, so that it can be refused with a hint");
	ruleset_unref(rs);
}

Test(resolve, schemas_without_usage_are_skipped)
{
	struct facts *facts = facts_new();
	facts_add_denied(facts, "alice", "public");
	facts_seal(facts);
	struct ruleset *rs = build(prices_map(), facts, NULL);
	cr_assert_null(resolve(rs, "public", "prices"));
	cr_assert_eq(resolve(rs, "public, data", "prices")->side, SIDE_NEW);
	ruleset_unref(rs);
}

Test(resolve, what_the_session_made_itself_counts_before_the_facts)
{
	struct ruleset *rs = build(prices_map(), NULL, NULL);
	struct session_state *state = session_state_new("aegis", "alice", "shadow, public");
	const struct name_list *path = session_state_search_path(state);
	cr_assert_eq(ruleset_resolve(rs, path, "alice", "prices", state)->side, SIDE_OLD);
	struct effect made = { .kind = EFFECT_RELATION_CREATED, .name = "prices", .value = "shadow" };
	session_state_apply(state, &(struct effect){ .kind = EFFECT_BEGIN });
	session_state_apply(state, &made);
	cr_assert_null(ruleset_resolve(rs, path, "alice", "prices", state));
	session_state_apply(state, &(struct effect){ .kind = EFFECT_ROLLBACK });
	cr_assert_not_null(ruleset_resolve(rs, path, "alice", "prices", state), "undone with its transaction");
	session_state_apply(state, &made);
	made.kind = EFFECT_RELATION_DROPPED;
	made.name = SESSION_WHOLE_SCHEMA;
	session_state_apply(state, &made);
	cr_assert_not_null(ruleset_resolve(rs, path, "alice", "prices", state), "gone with its schema");
	session_state_free(state);
	ruleset_unref(rs);
}

Test(ruleset, a_pattern_over_many_tables_is_expanded_in_no_time)
{
	struct facts *facts = facts_new();
	struct map *map = map_new();
	char name[32];
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "table_%d", i);
		facts_add_relation(facts, (struct rel_name){ i % 2 ? "public" : "data", name }, FACT_TABLE, 0);
	}
	facts_seal(facts);
	add_entry(map, MAP_MOVE, "public", "*", "data", "*");
	clock_t start = clock();
	struct ruleset *rs = build(map, facts, NULL);
	double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	cr_assert_eq(rs->entry_count, 50000);
	cr_assert_str_eq(physical(rs, "public", "table_2").schema, "data");
	cr_assert_lt(seconds, 3.0, "%.1f s of CPU: this must not grow with the square", seconds);
	ruleset_unref(rs);
}
