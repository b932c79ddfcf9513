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
void scope_note_qualifier(struct analysis *a, const char *const *parts, size_t part_count, size_t first_token);
/* Decides aliases, then splices table names and qualifiers. */
void scope_finish(struct analysis *a);

#endif
