/*
 * The columns of the two sides of an entry: what is missing, what changes its
 * type and loses something by it, which indexes old code can no longer use,
 * which new columns nobody fills.
 */
#ifndef CROSSFADE_CHECK_COLUMNS_H
#define CROSSFADE_CHECK_COLUMNS_H

#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

void columns_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings);

#endif
