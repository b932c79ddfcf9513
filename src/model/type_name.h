/*
 * Type names as people write them and as the catalog prints them, made
 * comparable: "varchar(10)" and "character varying(10)" are one type.
 */
#ifndef CROSSFADE_MODEL_TYPE_NAME_H
#define CROSSFADE_MODEL_TYPE_NAME_H

#include "base/arena.h"

/* The catalog's spelling: lower case outside of quotes, one space, no alias. */
const char *type_name_canonical(struct arena *arena, const char *type);
/* NULL is equal to nothing, not even NULL. */
bool type_name_same(const char *a, const char *b);
/* Without its modifier: "character varying" of "varchar(10)"; "[]" stays. */
const char *type_name_bare(struct arena *arena, const char *type);

#endif
