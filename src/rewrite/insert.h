/*
 * INSERT. Where columns are only renamed, their names change and nothing
 * else does. Where they are computed or of another type, the rows become a
 * query over the written columns:
 *
 *   INSERT INTO new (a, b, …) SELECT <from written columns> FROM (VALUES … | SELECT …) AS row (written columns)
 *
 * so that each value is evaluated once and has its old type.
 *
 *   insert.c           the statement's parts, the columns it gives, names alone, ON CONFLICT
 *   insert_rows.c      VALUES and constants, whose types the columns decide
 *   insert_computed.c  the query over the written columns
 */
#ifndef CROSSFADE_REWRITE_INSERT_H
#define CROSSFADE_REWRITE_INSERT_H

#include "rewrite/dml.h"

struct insert {
	struct analysis *a;
	const struct sinks *sinks;
	const PgQuery__InsertStmt *statement;
	const struct range *target;
	size_t offset;		     /* of the table's name */
	size_t head;		     /* last token before the column list */
	size_t open, close;	     /* of the column list; 0: none */
	size_t source, source_last;  /* VALUES, the query or DEFAULT VALUES */
	size_t *given;		     /* written columns, in the order of the statement */
	size_t given_count;
	bool *is_given;		     /* by written column */
	bool *all_default;	     /* by written column: every row says DEFAULT */
	bool placed;		     /* columns of a query stand in for its items (cell_of_query) */
	size_t sure_count;	     /* so many of a query's first columns have types that are their own */
	bool *typed;		     /* by written column: needs its old type, not just one that fits */
};

void insert_refuse(const struct insert *insert, const char *what, const char *why);
const struct shape_column *insert_written(const struct insert *insert, size_t column);
/* The physical column that is this one; NULL: none is. */
const struct shape_column *insert_partner(const struct insert *insert, size_t column);

bool insert_has_no_values(const struct insert *insert); /* DEFAULT VALUES */
const PgQuery__SelectStmt *insert_query(const struct insert *insert);
/* VALUES without any clause of its own; others are queries. */
bool insert_is_rows(const struct insert *insert);
/* How many columns its rows have; false: cannot be told. */
bool insert_row_length(const struct insert *insert, size_t *count_out);
/* " (names)" after the table's name or its alias, or in place of the list of the text. No names: no list. */
void insert_splice_list(const struct insert *insert, struct slice names);

/* Finds the columns for which every row says DEFAULT. */
void insert_note_defaults(struct insert *insert);
/* Gives VALUES, or the constants of a query, the types of the written columns. false: refused. */
bool insert_splice_rows(struct insert *insert);
void insert_splice_computed(struct insert *insert);

#endif
