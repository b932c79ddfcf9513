/* Columns that are named without being referred to: in CREATE INDEX, ON CONFLICT (…), ALTER TABLE, GRANT. */
#ifndef CROSSFADE_REWRITE_INDEX_COLUMNS_H
#define CROSSFADE_REWRITE_INDEX_COLUMNS_H

#include "rewrite/analysis.h"

/* The elements of an index, of which the first begins at token at. Expressions among them are left alone. */
void index_columns_splice(struct analysis *a, const struct range *range, PgQuery__Node *const *elements, size_t count,
			  size_t at);
/* The name at token at. */
void index_columns_name(struct analysis *a, const struct range *range, size_t at);

#endif
