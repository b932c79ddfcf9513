/*
 * Which columns the tables of a statement have, and which of them a column
 * reference means. Where the catalog and the text do not tell, the answer
 * is that it is unsure, never a guess.
 */
#ifndef CROSSFADE_REWRITE_COLUMNS_H
#define CROSSFADE_REWRITE_COLUMNS_H

#include "rewrite/analysis.h"

/*
 * The label that the server gives to an expression without AS; NULL where it
 * depends on more than the text ("?column?" and the like included).
 * from_out: the column reference that it comes from; untouched when none.
 */
const char *columns_label(const PgQuery__Node *value, const PgQuery__ColumnRef **from_out);
/* Of an item of a select list, AS included; NULL as above. */
const char *columns_target_label(const PgQuery__Node *target);
/* Is item just a name that the select list gives to an output column? */
bool columns_is_output(const PgQuery__SelectStmt *select, const PgQuery__Node *item);

void columns_add(struct analysis *a, struct column_names *columns, const char *name);
/* The columns that a range has for the text; never NULL. */
const struct column_names *columns_of(struct analysis *a, struct range *range);
/* How many columns a query yields; false: cannot be told. */
bool columns_count(struct analysis *a, const PgQuery__SelectStmt *query, size_t *count_out);

enum column_answer {
	COLUMN_NOWHERE,
	COLUMN_FOUND,
	COLUMN_AMBIGUOUS, /* several tables have it */
	COLUMN_UNSURE,	  /* a table whose columns are not known may have it */
};

struct column_meaning {
	enum column_answer answer;
	struct range *range;  /* FOUND, and UNSURE where a known table has it; else NULL */
	struct range *target; /* one of the candidates that is written, and whose columns differ; else NULL */
	struct range *beyond; /* UNSURE: a target further out that has the name, on either side */
	struct range *capture; /* a target that is passed on the way and has the name only where its rows are */
};
/* An unqualified name. */
struct column_meaning columns_resolve(struct analysis *a, const struct column_use *use, const char *name);
/* The range that a qualified reference names; NULL: none, or several. */
struct range *columns_qualified(struct analysis *a, const struct column_use *use);

/* The join whose alias a qualified reference names; NULL: it names none. */
const struct noted_join *columns_join(const struct column_use *use);

/* Outside of its parentheses a join with an alias hides its sides: from what a window lets through, or from all. */
bool columns_is_hidden(const struct range *range, struct window window);
/* … this alias, or one inside of it. */
bool columns_hides(const struct range *join, const struct range *range);

/* Iterates over the ranges of a level that a window lets through. */
struct range *columns_first(const struct level *level, struct window window);
struct range *columns_next(const struct range *range, struct window window);

bool columns_is_star(const struct column_use *use);
bool columns_ref_is_star(const PgQuery__ColumnRef *ref);
/* The column's own name: the last part. NULL for a star. */
const char *columns_name(const struct column_use *use);

#endif
