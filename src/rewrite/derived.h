/*
 * Tables that are read and whose columns differ: in FROM stands a column
 * alias list, or a derived table, that shows the written columns in their
 * order, so that the rest of the statement stays as it is.
 */
#ifndef CROSSFADE_REWRITE_DERIVED_H
#define CROSSFADE_REWRITE_DERIVED_H

#include "rewrite/analysis.h"

/* Refuses what such tables cannot give; finds out which form each must have. */
void derived_prepare(struct analysis *a);
/* Known once prepared: through a query, or through a list of column names. */
bool derived_is_query(const struct range *range);
void derived_splice(struct analysis *a, const struct range *range);
/* "SELECT … FROM [ONLY] physical": the written columns of shape, or those of names (NULL: all). */
bool derived_select(struct analysis *a, const struct ruleset_name *name, const char *only, size_t offset,
		    struct slice *text_out);

/* System columns belong to the table where the rows are, and to no derived one. */
bool derived_is_system_column(const char *name);
/* Refuses a statement that names column, which nothing can be read from. */
void derived_refuse_missing(struct analysis *a, const struct ruleset_name *name, const char *column, size_t offset);

#endif
