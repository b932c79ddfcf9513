/*
 * Does the map say where every table goes? Tables without an entry, new
 * tables without a source, patterns that match nothing, names that another
 * table hides, `derived` that leads nowhere.
 */
#ifndef CROSSFADE_CHECK_COVERAGE_H
#define CROSSFADE_CHECK_COVERAGE_H

#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

/* The ruleset's facts must be there. */
void coverage_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings);

#endif
