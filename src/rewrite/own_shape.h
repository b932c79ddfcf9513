/* Columns that the session itself has added to a table, of which the catalog's facts do not tell yet. */
#ifndef CROSSFADE_REWRITE_OWN_SHAPE_H
#define CROSSFADE_REWRITE_OWN_SHAPE_H

#include "rewrite/analysis.h"

/* The entry's shape as the session sees it; NULL: the columns of both sides are the same. */
const struct shape *own_shape(struct analysis *a, const struct ruleset_entry *entry);
/* Notes the columns that the statement adds to a table whose columns differ. */
void own_shape_note(struct analysis *a, const struct ruleset_name *table, const PgQuery__AlterTableStmt *alter);

#endif
