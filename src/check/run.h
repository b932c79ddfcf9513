/* All checks of one map against one database. */
#ifndef CROSSFADE_CHECK_RUN_H
#define CROSSFADE_CHECK_RUN_H

#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

/* The ruleset was built with the facts of the database. Sorted, worst first. */
void check_run(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings);

#endif
