/*
 * Rows used as values: t, t.*, (t).column. A table that is read through a
 * derived table gives its old row by itself; here are the rows of tables that
 * are written, and those of tables that got an alias of ours.
 */
#ifndef CROSSFADE_REWRITE_ROWS_H
#define CROSSFADE_REWRITE_ROWS_H

#include "rewrite/analysis.h"

/* The columns of a target, as RETURNING and ROW(t.*) list them; with labels, or without. false: refused. */
bool rows_append_columns(struct analysis *a, const struct range *range, size_t offset, bool labels, struct buf *text);
/* The row of a target as one value. false: refused. */
bool rows_value(struct analysis *a, const struct range *range, size_t offset, struct slice *text_out);
/* Rows named by a table's name, where the table has an alias of ours. */
void rows_splice(struct analysis *a);

#endif
