/*
 * The parts of the catalog that are read as a whole and, after a cutover, of
 * some relations only: the queries, and their rows as facts. Conditions may
 * be appended to each query; pg_class is c in those of relations, columns
 * and constraints, pg_namespace n in all of them.
 */
#ifndef CROSSFADE_CATALOG_FACT_ROWS_H
#define CROSSFADE_CATALOG_FACT_ROWS_H

#include "model/facts.h"

#include <libpq-fe.h>
#include <stdlib.h>

extern const char fact_rows_relations[], fact_rows_columns[], fact_rows_denied[], fact_rows_constraints[];
#define FACT_ROWS_COLUMNS_ORDER " ORDER BY c.oid, a.attnum"

void fact_rows_take_relations(const PGresult *result, struct facts *facts);
/* After the relations. */
void fact_rows_take_columns(const PGresult *result, struct facts *facts);
void fact_rows_take_denied(const PGresult *result, struct facts *facts);
void fact_rows_take_constraints(const PGresult *result, struct facts *facts);

/* ---- cells ---- */

static inline const char *result_text(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static inline bool result_flag(const PGresult *result, int row, int column)
{
	const char *text = result_text(result, row, column);
	return text && text[0] == 't';
}

static inline uint32_t result_oid(const PGresult *result, int row, int column)
{
	const char *text = result_text(result, row, column);
	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

#endif
