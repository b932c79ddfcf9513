/*
 * The SQL that the map itself holds, its types and expressions: does the
 * server understand it? Better said by a check than by the first statement
 * after a flip. Only looked at, over no rows, with no right to any table.
 */
#ifndef CROSSFADE_CHECK_EXPRESSIONS_H
#define CROSSFADE_CHECK_EXPRESSIONS_H

#include "catalog/connection.h"
#include "check/finding.h"
#include "model/ruleset.h"

/* False when the server cannot be asked. */
bool expressions_check(struct catalog_connection *connection, const struct ruleset *ruleset, uint32_t timeout_ms,
		       struct findings *findings, struct error *error_out);

#endif
