/*
 * Everything in the database that a move of mapped tables would break or
 * leave behind: one call for a cutover's first step.
 */
#ifndef CROSSFADE_CHECK_BLOCKERS_H
#define CROSSFADE_CHECK_BLOCKERS_H

#include "catalog/dependents.h"
#include "check/finding.h"
#include "model/ruleset.h"

/*
 * Reads the catalog and adds what concerns these entries (keys such as
 * "public.prices"; NULL: all), worst first. Findings about no single entry
 * are always added. False: the catalog could not be read.
 */
bool blockers_find(struct catalog_connection *connection, const struct ruleset *ruleset, const char *const *entries,
		   size_t entry_count, uint32_t timeout_ms, struct findings *findings, struct error *error_out);

#endif
