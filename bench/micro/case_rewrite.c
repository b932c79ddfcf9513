/* The rewriter alone: SQL in, SQL out. */
#include "cases.h"

#include "rewrite/rewriter.h"
#include "ruleset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct context {
	struct ruleset *ruleset;
	struct rewriter *rewriter;
	struct session_state *state;
};

static void *prepare(void)
{
	struct context *context = calloc(1, sizeof(*context));
	context->ruleset = micro_ruleset_new();
	context->rewriter = rewriter_new(rewriter_settings_default());
	context->state = session_state_new("bench", "app", "public");
	return context;
}

static void finish(void *opaque)
{
	struct context *context = opaque;
	session_state_free(context->state);
	rewriter_free(context->rewriter);
	ruleset_unref(context->ruleset);
	free(context);
}

static bool run(struct context *context, struct slice sql, enum rewrite_outcome expected)
{
	struct rewrite *rewrite =
		rewriter_run(context->rewriter, sql, REWRITE_SIMPLE, context->state, context->ruleset);
	bool right = rewrite->outcome == expected;
	rewrite_unref(rewrite);
	return right;
}

static bool same_text(void *opaque, uint64_t number)
{
	return run(opaque, slice_str("SELECT abalance FROM pgbench_accounts WHERE aid = 42;"), REWRITE_REWRITTEN);
}

static bool other_literals(void *opaque, uint64_t number)
{
	static char sql[] = "SELECT abalance FROM pgbench_accounts WHERE aid = 1000000;";
	for (char *digit = &sql[sizeof(sql) - 3]; ++*digit > '9'; digit--)
		*digit = '0';
	return run(opaque, slice_of(sql, sizeof(sql) - 1), REWRITE_REWRITTEN);
}

static bool other_shape(void *opaque, uint64_t number)
{
	char sql[128];
	int len = snprintf(sql, sizeof(sql), "SELECT abalance AS a%" PRIu64 " FROM pgbench_accounts WHERE aid = 1;",
			   1000000 + number);
	return run(opaque, slice_of(sql, (size_t)len), REWRITE_REWRITTEN);
}

static bool thousand_rows(void *opaque, uint64_t number)
{
	static char sql[64 * 1024];
	static size_t len;
	if (!len)
		len = (size_t)snprintf(sql, sizeof(sql), "INSERT INTO pgbench_accounts VALUES (1000000, 2, 3, '')");
	while (len < 1000 * 20)
		len += (size_t)snprintf(sql + len, sizeof(sql) - len, ", (%zu, 2, 3, '')", len);
	for (size_t at = sizeof("INSERT INTO pgbench_accounts VALUES (1000000") - 2; number; number /= 10)
		sql[at--] = (char)('0' + number % 10);
	return run(opaque, slice_of(sql, len), REWRITE_REWRITTEN);
}

static bool unmapped(void *opaque, uint64_t number)
{
	return run(opaque, slice_str("SELECT abalance FROM other_accounts WHERE aid = 42;"), REWRITE_UNCHANGED);
}

const struct micro_case micro_rewrite_cases[] = {
	{ "rewrite-hit", "pgbench -S rewritten: the same text again", prepare, same_text, finish },
	{ "rewrite-literals", "pgbench -S rewritten: another literal", prepare, other_literals,
	  finish },
	{ "rewrite-miss", "pgbench -S rewritten: a text never seen", prepare, other_shape, finish },
	{ "rewrite-rows", "INSERT of 1000 rows, rewritten: other values", prepare, thousand_rows, finish },
	{ "rewrite-unmapped", "pgbench -S over a table of no map", prepare, unmapped, finish },
	{ 0 },
};
