/* The values of a row among the tokens: VALUES (…), ROW(…). */
#ifndef CROSSFADE_REWRITE_CELLS_H
#define CROSSFADE_REWRITE_CELLS_H

#include "rewrite/analysis.h"

struct cell {
	size_t first, last; /* tokens */
};

/* The next cell of a row; at is the token after "(" or ",". */
bool cell_next(const struct analysis *a, size_t at, size_t close, struct cell *cell_out);
bool cell_is_default(const struct analysis *a, struct cell cell);
/* What has no type of its own: it would be text in a query, and is the column's type in VALUES. */
bool cell_is_simple(const struct analysis *a, struct cell cell);
/* Text of ours for the column of a query at index: errors about it are at the item that gives it. */
struct slice cell_of_query(struct analysis *a, const PgQuery__SelectStmt *query, size_t index, struct slice text);
/* CAST and its kin around a cell, whose own splices stay; with has the byte CELL_MARK in the cell's place. */
#define CELL_MARK "\1"
/* What stands for the cell, checked where that has a type of its own (expression_checked). */
struct slice cell_checked(struct analysis *a, struct cell cell, struct slice value, const char *type);
void cell_surround(struct analysis *a, struct cell cell, struct slice with);

#endif
