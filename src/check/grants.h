/* Privileges: what roles may do with an old table and not with the new one, and what crossfade's own roles need. */
#ifndef CROSSFADE_CHECK_GRANTS_H
#define CROSSFADE_CHECK_GRANTS_H

#include "base/buf.h"
#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

void grants_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings);

/* The statements that make and equip the two roles of docs/operations.md for this map. */
void grants_print(const struct ruleset *ruleset, const struct dependents *dependents, struct buf *out);

#endif
