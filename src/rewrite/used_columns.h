/*
 * Which columns of mapped tables a statement names, for the ledger. What may
 * be meant counts as used: a column is retired only once nothing can need it.
 */
#ifndef CROSSFADE_REWRITE_USED_COLUMNS_H
#define CROSSFADE_REWRITE_USED_COLUMNS_H

#include "rewrite/analysis.h"

/* Once the statement has been walked and rewritten. */
void used_columns_find(struct analysis *a);
void used_columns_copy(struct analysis *a, const PgQuery__CopyStmt *copy, const struct range *range);
/* The use with the columns that have been found. */
struct use used_columns_of(const struct noted_use *noted);

#endif
