/*
 * How the columns of a written table come from the physical one, and back:
 * worked out once per ruleset for each entry whose two sides differ.
 *
 * The written side is the one that does not hold the rows. Reading goes from
 * physical columns to written ones, writing from written ones to physical
 * ones. What cannot be read (no source) or must not be written (no sink) is
 * said here and refused where it is used.
 */
#ifndef CROSSFADE_MODEL_SHAPE_H
#define CROSSFADE_MODEL_SHAPE_H

#include "model/facts.h"
#include "model/map.h"

enum shape_from {
	SHAPE_COLUMN,	  /* another column, maybe under another name */
	SHAPE_EXPRESSION, /* SQL over the columns of the other side */
	SHAPE_NOTHING,
};

struct shape_column {
	const char *name;
	const char *type; /* canonical; NULL: unknown */
	enum shape_from from;
	const char *column;	/* SHAPE_COLUMN: its name on the other side */
	const char *expression; /* SHAPE_EXPRESSION: unqualified, to be evaluated over the other side */
	bool retyped;		/* the other side's type differs: a cast is needed */
	bool lossy;		/* written side cannot fill it, and the map says that this is meant */
	bool not_null, has_default, generated; /* from the catalog, as far as it has the table */
	bool identity;
};

struct shape {
	/* In the order of SELECT *. */
	struct shape_column *written;  /* from: what to read it from */
	size_t written_count;
	struct shape_column *physical; /* from: what to write into it */
	size_t physical_count;
	bool known;	  /* columns of both sides are known; else only renames can be */
	bool same;	  /* names, order and types are equal: nothing to do */
	bool pure_rename; /* same order, count and types, only names differ */
};

/*
 * physical: the relation that holds the rows; NULL: the catalog does not know
 * it. side: where the rows are. Everything lives in the arena.
 */
struct shape *shape_build(struct arena *arena, const struct map_entry *entry, enum side physical_side,
			  const struct fact_relation *physical, const struct fact_relation *written);

const struct shape_column *shape_written_column(const struct shape *shape, const char *name);
const struct shape_column *shape_physical_column(const struct shape *shape, const char *name);

#endif
