/*
 * Column references to tables that are written and whose columns differ.
 * No derived table can stand there, so each reference is found out and
 * becomes the physical column, or the map's expression over the row.
 */
#ifndef CROSSFADE_REWRITE_TARGETS_H
#define CROSSFADE_REWRITE_TARGETS_H

#include "rewrite/analysis.h"

void targets_splice(struct analysis *a);
/* Keeps the label of an output column whose expression has been replaced, where its name came from that. */
void targets_label(struct analysis *a, const struct column_use *use, const char *name);

/* The server's own words for a column that the written table does not have. */
void targets_refuse_unknown(struct analysis *a, const struct range *target, const char *column, size_t offset);
/* … where it is only named, as ON CONFLICT and DDL do. */
void targets_refuse_unknown_name(struct analysis *a, const struct range *range, const char *column, size_t offset);
/* A computed column there. */
void targets_refuse_index(struct analysis *a, const struct range *range, size_t offset);
/* What cannot be served of a table that is written. */
void targets_refuse(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *what, const char *why);

#endif
