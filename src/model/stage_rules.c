#include "model/stage_rules.h"

#define SQLSTATE_NOT_IN_STATE "55000"

/* The stages an entry of this kind has, as steps; -1: not one of them. */
static int step_of(enum map_kind kind, enum stage stage)
{
	static const int move[STAGE_COUNT] = { 0, -1, -1, 1, -1, 2 }, dropped[STAGE_COUNT] = { 0, -1, -1, -1, -1, 1 };
	if (kind == MAP_TRANSFORM)
		return (int)stage;
	return kind == MAP_DROPPED ? dropped[stage] : move[stage];
}

static enum stage next_stage(const struct ruleset_entry *entry)
{
	int step = step_of(entry->kind, entry->stage);
	enum stage stage = entry->stage;
	while (stage < STAGE_COMPLETE && step_of(entry->kind, stage) != step + 1)
		stage++;
	return stage;
}

/* A transform's table of that side is missing, and the other is there. */
static bool transform_is_absent(const struct ruleset_entry *entry)
{
	enum side side = stage_side(entry->stage);
	return entry->kind == MAP_TRANSFORM && !entry->relation[side] && entry->relation[side_other(side)];
}

static enum stage_verdict refuse_absent(const struct ruleset_entry *after, struct error *error_out)
{
	enum side side = stage_side(after->stage);
	error_set(error_out, SQLSTATE_NOT_IN_STATE, "%s cannot go to stage %s: its rows are on the %s side", after->key,
		  stage_name(after->stage), side_name(side_other(side)));
	error_detail(error_out, "The catalog has no table under the %s name.", side_name(side));
	if (after->kind == MAP_MOVE)
		error_hint(error_out, side == SIDE_NEW ? "Move it first: `crossfade cutover %s` does both." :
							 "Move it back first: `crossfade cutover --reverse %s` does both.",
			   after->key);
	else
		error_hint(error_out, "Create that table first.");
	return STAGE_ABSENT;
}

static enum stage_verdict refuse_leap(const struct ruleset_entry *before, const struct ruleset_entry *after,
				      struct error *error_out)
{
	error_set(error_out, SQLSTATE_NOT_IN_STATE, "%s cannot go from stage %s to %s at once", after->key,
		  stage_name(before->stage), stage_name(after->stage));
	error_hint(error_out, "Stages go forward one at a time; the next one is %s. To insist: `crossfade flags set --force --reason …`.",
		   stage_name(next_stage(before)));
	return STAGE_REFUSED;
}

static enum stage_verdict refuse_return(const struct ruleset_entry *before, const struct ruleset_entry *after,
					struct error *error_out)
{
	error_set(error_out, SQLSTATE_NOT_IN_STATE, "%s cannot go back from stage complete to %s", after->key,
		  stage_name(after->stage));
	error_detail(error_out, "Since it was completed, what is written to the new table is no longer copied to the old one.");
	error_hint(error_out, "To insist: `crossfade flags set --force --reason …`.");
	return STAGE_REFUSED;
}

enum stage_verdict stage_change_judge(const struct ruleset_entry *before, const struct ruleset_entry *after,
				      struct error *error_out)
{
	int from = step_of(after->kind, before->stage), to = step_of(after->kind, after->stage);
	if (before->stage == after->stage)
		return STAGE_ALLOWED;
	if ((after->drift && !after->two_tables) || transform_is_absent(after))
		return refuse_absent(after, error_out);
	if (to > from + 1)
		return refuse_leap(before, after, error_out);
	if (to < from && before->stage == STAGE_COMPLETE && after->kind == MAP_TRANSFORM)
		return refuse_return(before, after, error_out);
	if (after->stage == STAGE_COMPLETE && after->kind != MAP_IDENTITY)
		return STAGE_NEEDS_QUIET;
	return STAGE_ALLOWED;
}

bool stage_change_flips(const struct ruleset_entry *before, const struct ruleset_entry *after)
{
	return after->two_tables && stage_side(after->stage) != before->physical;
}
