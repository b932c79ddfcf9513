/*
 * Functions, and expressions with names in strings, whose text is looked up
 * each time they run: no proxy sees it, and no move changes it. Each piece
 * of SQL in them goes through the rewriter, which knows what it names.
 */
#ifndef CROSSFADE_CHECK_BODIES_H
#define CROSSFADE_CHECK_BODIES_H

#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

void bodies_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings);

#endif
