/* Names against the map. */
#include "cases.h"

#include "ruleset.h"

static void *prepare(void)
{
	return micro_ruleset_new();
}

static void finish(void *ruleset)
{
	ruleset_unref(ruleset);
}

static bool resolve(void *ruleset, uint64_t number)
{
	static const char *path[] = { "public" };
	struct name_list search_path = { path, 1 };
	const struct ruleset_name *found = ruleset_resolve(ruleset, &search_path, "app", "pgbench_accounts", NULL);
	return found && found->side == SIDE_OLD;
}

static bool token_filter(void *ruleset, uint64_t number)
{
	return !ruleset_mentions(ruleset, "abalance", 8);
}

const struct micro_case micro_names_cases[] = {
	{ "resolve", "an unqualified mapped name along the search path", prepare, resolve, finish },
	{ "token-filter", "a token that is no mapped name", prepare, token_filter, finish },
	{ 0 },
};
