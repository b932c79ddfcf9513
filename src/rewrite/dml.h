/* INSERT, UPDATE, MERGE and COPY on tables whose columns differ: what surrounds their expressions. */
#ifndef CROSSFADE_REWRITE_DML_H
#define CROSSFADE_REWRITE_DML_H

#include "rewrite/sink.h"

/* After all references have been spliced. */
void dml_splice(struct analysis *a);

/* The assignments of one SET list, in UPDATE, ON CONFLICT and MERGE. */
void assign_splice(struct analysis *a, const struct sinks *sinks, const struct range *target,
		   PgQuery__Node *const *targets, size_t count);
void insert_splice(struct analysis *a, const struct sinks *sinks, const struct dml *dml);
void merge_splice(struct analysis *a, const struct sinks *sinks, const struct dml *dml);
/* COPY of a table, once its name has been looked at; nothing where its columns are the same. */
/* The statement at node is a COPY of the range. */
void copy_splice(struct analysis *a, const PgQuery__Node *node, struct range *range);

#endif
