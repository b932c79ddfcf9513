/*
 * Queries of pg_catalog and information_schema. With `introspection: map`
 * they show the layout the application was written for: a table that has
 * moved stands there under the name the statement looks for
 * (docs/decisions/introspection.md). In any case a statement that names a
 * mapped table in a string is counted.
 *
 *   introspection.c       what the statement reads, and which names it is to see
 *   introspection_sql.c   the derived tables that show them
 */
#ifndef CROSSFADE_REWRITE_INTROSPECTION_H
#define CROSSFADE_REWRITE_INTROSPECTION_H

#include "rewrite/walk.h"

/* A relation in FROM that is not mapped. */
void introspection_range(struct analysis *a, const PgQuery__RangeVar *relation, struct range *range);
void introspection_call(struct analysis *a, const PgQuery__FuncCall *call);
/* Once the statement has been walked. */
void introspection_finish(struct analysis *a);

/* Could a text with this identifier be such a query? */
bool introspection_is_word(struct slice text, const struct token *token);

/* ---- what the statement is to see, for introspection_sql.c ---- */

enum shown_as {
	SHOWN_PHYSICAL, /* as the catalog has it */
	SHOWN_WRITTEN,	/* under its other name */
	SHOWN_BOTH,
};

struct shown {
	const struct ruleset_entry *entry;
	enum shown_as as;
	enum side written; /* the side that does not hold the rows */
	bool visible;	   /* search_path finds it under the written name */
	bool reached;	   /* … under either */
};

struct shown_list {
	const struct shown *items;
	size_t count;
	bool with_tableoid, with_xmin, with_ctid; /* system columns that the statement asks for */
};

/* The text that stands in for the relation, without alias; empty when there is nothing to change. */
struct slice introspection_table(struct arena *arena, const struct shown_list *shown, const char *schema,
				 const char *name);
/* Is there a table of this name that may have to be replaced? */
bool introspection_knows(const char *schema, const char *name);
/* Around a text that prints names: `before` expression `after`. qualified: it prints every name with its schema. */
void introspection_translate(const struct shown_list *shown, bool qualified, struct buf *before, struct buf *after);
/* '{1,2}' of the oids of all moved tables, indexes and sequences that are (in)visible under the name shown. */
bool introspection_oids(const struct shown_list *shown, bool visible, struct buf *out);

#endif
