#include "model/stage_rules.h"

#include <criterion/criterion.h>

static const struct fact_relation there = { .kind = FACT_TABLE };

static enum stage_verdict judge(enum map_kind kind, enum stage from, enum stage to, struct error *error)
{
	struct ruleset_entry before = { .key = "public.t", .kind = kind, .stage = from }, after = before;
	after.stage = to;
	after.relation[SIDE_OLD] = after.relation[SIDE_NEW] = &there;
	memset(error, 0, sizeof(*error));
	return stage_change_judge(&before, &after, error);
}

static void expect(enum map_kind kind, enum stage from, enum stage to, enum stage_verdict wanted, const char *hint)
{
	struct error error;
	enum stage_verdict got = judge(kind, from, to, &error);
	cr_expect_eq(got, wanted, "%s to %s of kind %d: %d", stage_name(from), stage_name(to), kind, got);
	cr_expect(!hint || strstr(error.hint, hint), "%s", error.hint);
}

Test(stage_rules, moves_go_forward_one_at_a_time_and_back_at_will)
{
	expect(MAP_MOVE, STAGE_OLD, STAGE_OLD, STAGE_ALLOWED, NULL);
	expect(MAP_MOVE, STAGE_OLD, STAGE_LIVE, STAGE_ALLOWED, NULL);
	expect(MAP_MOVE, STAGE_OLD, STAGE_COMPLETE, STAGE_REFUSED, "the next one is live");
	expect(MAP_MOVE, STAGE_LIVE, STAGE_COMPLETE, STAGE_NEEDS_QUIET, NULL);
	expect(MAP_MOVE, STAGE_LIVE, STAGE_OLD, STAGE_ALLOWED, NULL);
	expect(MAP_MOVE, STAGE_COMPLETE, STAGE_LIVE, STAGE_ALLOWED, NULL);
	expect(MAP_MOVE, STAGE_COMPLETE, STAGE_OLD, STAGE_ALLOWED, NULL);
	expect(MAP_DROPPED, STAGE_OLD, STAGE_COMPLETE, STAGE_NEEDS_QUIET, NULL);
	expect(MAP_IDENTITY, STAGE_LIVE, STAGE_COMPLETE, STAGE_ALLOWED, NULL);
}

Test(stage_rules, a_transform_goes_through_all_stages)
{
	for (int from = STAGE_OLD; from < STAGE_COMPLETE; from++) {
		for (int to = STAGE_OLD; to <= STAGE_COMPLETE; to++)
			expect(MAP_TRANSFORM, (enum stage)from, (enum stage)to,
			       to > from + 1 ? STAGE_REFUSED : to == STAGE_COMPLETE ? STAGE_NEEDS_QUIET : STAGE_ALLOWED,
			       to > from + 1 ? stage_name((enum stage)(from + 1)) : NULL);
	}
	expect(MAP_TRANSFORM, STAGE_COMPLETE, STAGE_RAMPDOWN, STAGE_REFUSED, "--force");
	expect(MAP_TRANSFORM, STAGE_COMPLETE, STAGE_OLD, STAGE_REFUSED, "--force");
}

Test(stage_rules, no_stage_without_its_table)
{
	struct ruleset_entry before = { .key = "public.t", .kind = MAP_MOVE, .stage = STAGE_OLD }, after = before;
	struct error error;
	after.stage = STAGE_LIVE;
	after.drift = true;
	cr_expect_eq(stage_change_judge(&before, &after, &error), STAGE_ABSENT);
	cr_expect(strstr(error.hint, "crossfade cutover public.t"), "%s", error.hint);
	before.kind = after.kind = MAP_TRANSFORM;
	before.stage = STAGE_SHADOW;
	after.drift = false;
	after.relation[SIDE_OLD] = &there;
	cr_expect_eq(stage_change_judge(&before, &after, &error), STAGE_ABSENT);
	after.relation[SIDE_OLD] = NULL; /* the catalog was never read */
	cr_expect_eq(stage_change_judge(&before, &after, &error), STAGE_ALLOWED);
}
