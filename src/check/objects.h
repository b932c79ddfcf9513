/* What a move does to the objects that hold on to a table by its OID, or to its schema. */
#ifndef CROSSFADE_CHECK_OBJECTS_H
#define CROSSFADE_CHECK_OBJECTS_H

#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

void objects_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings);

#endif
