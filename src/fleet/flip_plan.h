/*
 * The plan of a change of stage that changes which of two tables has the rows:
 * nothing moves, but the table that has them no longer gets a fence, and the
 * other one loses its own. The cutover that carries it out is the same.
 */
#ifndef CROSSFADE_FLEET_FLIP_PLAN_H
#define CROSSFADE_FLEET_FLIP_PLAN_H

#include "fleet/move_plan.h"

/* Fills a plan for wish->tables[0] and wish->to. False: the table is unknown, or the catalog cannot be read. */
bool flip_plan_fill(struct catalog_connection *connection, const struct ruleset *ruleset, const struct move_wish *wish,
		    uint32_t timeout_ms, struct move_plan *plan, struct error *error_out);

#endif
