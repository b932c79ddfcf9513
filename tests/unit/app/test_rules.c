#include "app/rules.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAP "old: v10\nnew: v13\ntables:\n  public.prices: data.prices\n  public.stocks: data.stocks\n"

static void write_map(char path[32])
{
	snprintf(path, 32, "/tmp/rules-map-XXXXXX");
	int fd = mkstemp(path);
	cr_assert_eq(write(fd, MAP, sizeof(MAP) - 1), (ssize_t)sizeof(MAP) - 1);
	close(fd);
}

static enum stage stage_in(const struct ruleset *ruleset, const char *key)
{
	return ruleset_entry_by_key(ruleset, key)->stage;
}

static struct rules_change *prepare(struct rules *rules, const struct rules_files *files)
{
	struct rules_change *change = NULL;
	struct error error;
	cr_assert(rules_prepare(rules, files, &change, &error), "%s", error.message);
	return change;
}

/* A text that came before what a cutover has made of the stages must not undo it. */
Test(rules, kept_flags_are_those_that_are_expected_now)
{
	char path[32];
	write_map(path);
	struct error error;
	struct rules *rules = rules_new("bank", NULL, NULL);
	struct rules_files files = { .map_path = path, .flags_path = "stages", .flags_text = slice_str("flags: {}") };
	rules_commit(rules, prepare(rules, &files));
	cr_assert(rules_set_flags(rules, slice_str("flags: {public.stocks: live}"), "stages", &error));
	rules_expect_stage(rules, "public.prices", STAGE_LIVE);
	struct rules_change *change = prepare(rules, &files);
	cr_expect_eq(stage_in(rules_change_ruleset(change), "public.prices"), STAGE_OLD, "the text says so");
	rules_abandon(change);
	files.keep_flags = true;
	change = prepare(rules, &files);
	cr_expect_eq(stage_in(rules_change_ruleset(change), "public.prices"), STAGE_LIVE);
	cr_expect_eq(stage_in(rules_change_ruleset(change), "public.stocks"), STAGE_LIVE);
	rules_commit(rules, change);
	cr_expect_eq(stage_in(rules_current(rules), "public.prices"), STAGE_LIVE);
	rules_free(rules);
	unlink(path);
}

Test(rules, without_any_before_the_text_says_the_flags)
{
	char path[32];
	write_map(path);
	struct rules *rules = rules_new(NULL, NULL, NULL);
	struct rules_files files = { .map_path = path, .flags_path = "stages", .keep_flags = true,
				     .flags_text = slice_str("flags: {public.stocks: live}") };
	rules_commit(rules, prepare(rules, &files));
	cr_expect_eq(stage_in(rules_current(rules), "public.stocks"), STAGE_LIVE);
	rules_free(rules);
	unlink(path);
}
