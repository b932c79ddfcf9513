/*
 * Counting statements: 200 shapes by 8 identities in turn, as a worker in full
 * swing has them. A thousand at a time, so that the store thread, whose work
 * is never quite the same, does not show in the result.
 */
#include "cases.h"

#include "usage/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHAPES = 200, IDENTITIES = 8, STATEMENTS = 1000 };

struct context {
	char folder[64], path[96];
	struct usage *usage;
	struct usage_counter *counter;
	struct usage_identity *identities[IDENTITIES];
	struct statement_shape *shapes[SHAPES];
};

static void fill(struct context *context)
{
	char text[64];
	struct use use = { .side = SIDE_OLD, .kind = USE_SELECT, .table = "public.prices" };
	for (int i = 0; i < IDENTITIES; i++) {
		snprintf(text, sizeof(text), "application %d", i);
		struct usage_who who = { "aegis", "app", text, "10.0.0.7" };
		context->identities[i] = usage_identity_take(context->counter, &who);
	}
	for (int i = 0; i < SHAPES; i++) {
		snprintf(text, sizeof(text), "SELECT %d FROM prices", i);
		context->shapes[i] = statement_shape_new(slice_str(text), &use, 1);
	}
	/* First sights are not what is measured. */
	for (uint64_t i = 0; i < SHAPES * IDENTITIES; i++)
		usage_count(context->counter, context->identities[i % IDENTITIES], context->shapes[i / IDENTITIES],
			    USAGE_OK, 1);
}

static void *prepare(void)
{
	struct context *context = calloc(1, sizeof(*context));
	struct usage_settings settings = usage_settings_default();
	struct error error;
	strcpy(context->folder, "/tmp/crossfade-micro-XXXXXX");
	if (!mkdtemp(context->folder)) {
		free(context);
		return NULL;
	}
	snprintf(context->path, sizeof(context->path), "%s/usage.db", context->folder);
	settings.path = context->path;
	if (!usage_open(&settings, &context->usage, &error)) {
		error_print(&error, stderr);
		rmdir(context->folder);
		free(context);
		return NULL;
	}
	context->counter = usage_counter_new(context->usage);
	fill(context);
	return context;
}

static bool count_thousand(void *opaque, uint64_t number)
{
	struct context *context = opaque;
	for (uint64_t i = number * STATEMENTS; i < (number + 1) * STATEMENTS; i++)
		usage_count(context->counter, context->identities[i % IDENTITIES],
			    context->shapes[i / IDENTITIES % SHAPES], USAGE_OK, 1);
	return true;
}

static void finish(void *opaque)
{
	struct context *context = opaque;
	for (int i = 0; i < IDENTITIES; i++)
		usage_identity_release(context->counter, context->identities[i]);
	for (int i = 0; i < SHAPES; i++)
		statement_shape_unref(context->shapes[i]);
	usage_counter_free(context->counter);
	usage_close(context->usage);
	unlink(context->path);
	rmdir(context->folder);
	free(context);
}

const struct micro_case micro_usage_cases[] = {
	{ "usage-count", "a thousand statements counted in the ledger's table", prepare, count_thousand, finish },
	{ 0 },
};
