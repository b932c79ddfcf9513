/*
 * The tables of each query level and the column references that name them.
 * Decisions wait until the whole statement has been walked: whether a table
 * needs an alias depends on its neighbours, and what a qualifier becomes
 * depends on that.
 */
#ifndef CROSSFADE_REWRITE_SCOPE_H
#define CROSSFADE_REWRITE_SCOPE_H

#include "rewrite/resolve.h"

struct level *scope_enter(struct analysis *a);
void scope_leave(struct analysis *a, struct level *level);

struct range *scope_add(struct analysis *a, const char *refname);
/* What LATERAL sees of the level: the ranges that are there by now. */
struct window scope_so_far(const struct analysis *a);
struct qualifier *scope_note_qualifier(struct analysis *a, const char *const *parts, size_t part_count, size_t first_token);
/* The two sides of a join, once they have been walked. */
void scope_note_join(struct analysis *a, const PgQuery__JoinExpr *join, struct window sides);
/* The name under which the server will know the range. */
const char *scope_name_after(const struct range *range);
/* A name nothing else in the text can have. */
const char *scope_fresh_alias(struct analysis *a);
/* Decides aliases, then splices table names and qualifiers. */
void scope_finish(struct analysis *a);

#endif
