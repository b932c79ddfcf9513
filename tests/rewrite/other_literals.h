/*
 * The same statement with other literals: a rewriter that has learnt from one
 * (rewrite/recipe.h) must answer for the other as one that never learnt does.
 */
#ifndef CROSSFADE_TESTS_OTHER_LITERALS_H
#define CROSSFADE_TESTS_OTHER_LITERALS_H

#include "rewrite/rewriter.h"

struct other_literals {
	struct rewriter *learnt, *fresh; /* with a cache, and without one */
	const struct session_state *state;
	const struct ruleset *ruleset;
	size_t tried, learnt_from; /* counted here: all, and those that were not parsed */
	/* Two answers to text differ. */
	void (*differs)(void *context, struct slice text, const char *what, struct slice fresh, struct slice learnt);
	void *context;
};

/* Some texts made from sql. */
void other_literals_check(struct other_literals *check, struct slice sql, enum rewrite_protocol protocol);

#endif
