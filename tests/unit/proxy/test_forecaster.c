/* What is foretold about statements is what the rewriter says at the next stage. */
#include "proxy/forecaster.h"

#include "../usage/support.h"

#include <string.h>

struct stand {
	struct ledger ledger;
	struct usage *usage;
	struct forecaster *forecaster;
	struct forecast_desk *desk;
	struct rewriter *rewriter;
	struct session_state *state;
	struct ruleset *ruleset;
};

static struct map *map_of(const char *const names[][4])
{
	struct map *map = map_new();
	for (size_t i = 0; names[i][0]; i++)
		map->entry_count++;
	map->entries = ARENA_ARRAY(&map->arena, map->entry_count, struct map_entry);
	for (size_t i = 0; i < map->entry_count; i++)
		map->entries[i] = (struct map_entry){ .id = (uint32_t)i,
						      .kind = names[i][2] ? MAP_MOVE : MAP_DROPPED,
						      .old_name = { names[i][0], names[i][1] },
						      .new_name = { names[i][2], names[i][3] },
						      .group = -1 };
	return map;
}

static struct facts *facts_now(void)
{
	struct facts *facts = facts_new();
	facts_add_schema(facts, "public");
	facts_add_schema(facts, "data");
	facts_add_relation(facts, (struct rel_name){ "public", "prices" }, FACT_TABLE, 1);
	facts_add_relation(facts, (struct rel_name){ "public", "stocks" }, FACT_TABLE, 2);
	facts_add_relation(facts, (struct rel_name){ "brain", "log" }, FACT_TABLE, 3);
	facts_seal(facts);
	return facts;
}

static void start(struct stand *stand)
{
	static const char *const names[][4] = { { "public", "prices", "data", "prices" },
						{ "public", "stocks", "data", "stocks" },
						{ "brain", "log", NULL, NULL },
						{ NULL } };
	struct map *map = map_of(names);
	struct facts *facts = facts_now();
	struct error error;
	ledger_init(&stand->ledger);
	stand->usage = ledger_open(&stand->ledger);
	stand->forecaster = forecaster_new(stand->usage, rewriter_settings_default());
	stand->desk = forecast_desk_new(stand->forecaster);
	stand->rewriter = rewriter_new(rewriter_settings_default());
	stand->state = session_state_new("aegis", "app", "public");
	cr_assert(ruleset_build(map, NULL, facts, (struct policy){ 0 }, 1, NULL, NULL, &stand->ruleset, &error), "%s",
		  error.message);
	map_unref(map);
	facts_unref(facts);
}

static void show(struct stand *stand, const char *sql)
{
	struct rewrite *rewrite = rewriter_run(stand->rewriter, slice_str(sql), REWRITE_SIMPLE, stand->state, stand->ruleset);
	forecast_note(stand->desk, slice_str(sql), REWRITE_SIMPLE, stand->state, stand->ruleset, rewrite);
	rewrite_unref(rewrite);
	forecast_desk_flush(stand->desk);
}

static void finish(struct stand *stand)
{
	forecast_desk_free(stand->desk);
	forecaster_free(stand->forecaster);
	usage_close(stand->usage);
	rewriter_free(stand->rewriter);
	session_state_free(stand->state);
	ruleset_unref(stand->ruleset);
	ledger_deinit(&stand->ledger);
}

/* So many forecasts are in the file, and the one for the statement is this. */
static void expect(struct stand *stand, int count, const char *statement, const char *stage, const char *outcome)
{
	char sql[512];
	ledger_wait_until(&stand->ledger, "SELECT count(*) FROM forecasts", count);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM next_stage WHERE statement = '%s' AND next_stage = '%s'"
		 " AND outcome = '%s'", statement, stage, outcome);
	cr_assert_eq(ledger_number(&stand->ledger, sql), 1, "%s", sql);
}

Test(forecaster, says_what_the_next_stage_would_do)
{
	struct stand stand;
	start(&stand);
	show(&stand, "SELECT close FROM prices WHERE code = 'secret'");
	show(&stand, "DO $$ BEGIN PERFORM 1 FROM public.prices; END $$");
	show(&stand, "DO $$ BEGIN PERFORM 1 FROM data.prices; END $$");
	show(&stand, "SELECT 1 FROM brain.log");
	expect(&stand, 4, "SELECT close FROM prices WHERE code = $1", "live", "fine");
	cr_assert_eq(ledger_number(&stand.ledger, "SELECT count(*) FROM next_stage WHERE outcome = 'opaque'"
						  " AND next_stage = 'live' AND reason LIKE '%function body%'"), 1);
	expect(&stand, 4, "SELECT $1 FROM brain.log", "complete", "refused");
	cr_assert_eq(ledger_number(&stand.ledger, "SELECT count(*) FROM next_stage WHERE reason IS NULL"
						  " AND outcome = 'refused'"), 0);
	cr_assert_eq(ledger_number(&stand.ledger, "SELECT count(*) FROM statements WHERE text LIKE '%secret%'"), 0);
	finish(&stand);
}

Test(forecaster, tries_each_entry_of_each_statement_and_each_shape_once)
{
	struct stand stand;
	start(&stand);
	for (int i = 0; i < 5; i++)
		show(&stand, "SELECT 1 FROM prices JOIN stocks USING (code); SELECT 2 FROM prices");
	show(&stand, "SELECT 3 FROM prices");
	expect(&stand, 3, "SELECT $1 FROM prices", "live", "fine");
	cr_assert_eq(ledger_number(&stand.ledger, "SELECT count(DISTINCT made_ms) <= 3 FROM forecasts"), 1);
	finish(&stand);
}

Test(forecaster, what_the_move_takes_along_goes_with_the_table)
{
	struct stand stand;
	struct ruleset *moved;
	struct error error;
	start(&stand);
	cr_assert(ruleset_suppose(stand.ruleset, 0, STAGE_LIVE, 9, &moved, &error));
	cr_assert_eq(moved->entries[0].physical, SIDE_NEW);
	cr_assert_eq(moved->entries[0].stage, STAGE_LIVE);
	cr_assert_not(moved->entries[0].drift);
	cr_assert_eq(moved->entries[1].physical, SIDE_OLD);
	cr_assert_eq(moved->entries[1].stage, STAGE_OLD);
	ruleset_unref(moved);
	finish(&stand);
}

Test(forecaster, ends_while_there_is_much_to_do)
{
	struct stand stand;
	char sql[128];
	start(&stand);
	for (int i = 0; i < 3000; i++) {
		snprintf(sql, sizeof(sql), "SELECT c%d FROM prices WHERE code = 'x'", i);
		show(&stand, sql);
	}
	finish(&stand);
}

Test(forecaster, sessions_of_a_kind_of_their_own_are_no_example)
{
	struct stand stand;
	static const struct effect temp = { .kind = EFFECT_TEMP_CREATE, .name = "scratch" };
	start(&stand);
	session_state_apply(stand.state, &temp);
	show(&stand, "SELECT 1 FROM prices");
	session_state_free(stand.state);
	stand.state = session_state_new("aegis", "app", "public");
	show(&stand, "SELECT code FROM stocks");
	expect(&stand, 1, "SELECT code FROM stocks", "live", "fine");
	finish(&stand);
}
