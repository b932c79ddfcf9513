/*
 * SQL that the rewriter makes out of the map: casts that behave as an
 * assignment would, and the map's expressions with their columns put in
 * their place. Everything lives in the arena of the run.
 */
#ifndef CROSSFADE_REWRITE_EXPRESSION_H
#define CROSSFADE_REWRITE_EXPRESSION_H

#include "rewrite/analysis.h"

/* CAST to the type without its modifier, which keeps what an assignment would reject. NULL type: none. */
struct slice expression_cast_bare(struct analysis *a, struct slice value, const char *type);
/* CAST as it is written: lengths cut, as reading through a narrower type does. */
struct slice expression_cast(struct analysis *a, struct slice value, const char *type);
/* What assigning value to a column of the type yields: too long is an error (22001), not cut. */
struct slice expression_assign(struct analysis *a, struct slice value, const char *type);

/*
 * An expression of the statement, to be cast to the type: what an assignment
 * to it refuses, text to a number for one, is an error of the same SQLSTATE
 * (42804) here, too. For types of which that can be told by what may stand
 * beside a value of them; others stay as they are, and a cast takes more.
 */
struct slice expression_checked(struct analysis *a, struct slice value, const char *type);
/* Whether the type is one of numbers. */
bool expression_is_number(const char *type);

/* What is assigned to a column of one type, as the value of one of another. */
struct slice expression_retype(struct analysis *a, struct slice value, const char *type, const char *stored_type);

/* "qualifier.name", or the name alone without one. */
struct slice expression_column(struct analysis *a, const char *qualifier, const char *name);

/*
 * An expression of the map over the given columns of the other side. With a
 * qualifier its columns are qualified, so that it means the same in any
 * place; used_out (as long as columns): which of them it names.
 * false: it cannot be put there; the statement has been refused at offset.
 */
bool expression_of_map(struct analysis *a, const char *expression, const struct shape_column *columns, size_t count,
		       const char *qualifier, size_t offset, struct slice *text_out, bool *used_out);

/* Reading a written column from the physical row called qualifier (NULL: its columns are in scope alone). */
bool expression_read(struct analysis *a, const struct shape *shape, const struct shape_column *column,
		     const char *qualifier, size_t offset, struct slice *text_out);

#endif
