/* Writing through other columns: which physical columns a written one feeds, and what stands for its default. */
#ifndef CROSSFADE_REWRITE_SINK_H
#define CROSSFADE_REWRITE_SINK_H

#include "rewrite/analysis.h"

/* One statement's view of a written table. Arrays are as long as the shape's. */
struct sinks {
	const struct ruleset_name *name;
	const struct shape *shape;
	struct slice *expressions; /* by physical column: over written ones; data NULL: not computed */
	bool **uses;		   /* by physical column: the written columns it is computed from */
	bool *consumed;		   /* by written column: some physical column is computed from it */
};
/* false: refused. */
bool sinks_init(struct analysis *a, const struct ruleset_name *name, size_t offset, struct sinks *sinks_out);

/* Index of the physical column that is this written one, under whatever name and type; the count when none is. */
size_t sinks_partner(const struct sinks *sinks, size_t written);
size_t sinks_written(const struct shape *shape, const char *name);
/* What a physical column gets from the row called row, which has the written ones; not for those with no source. */
struct slice sinks_value(struct analysis *a, const struct sinks *sinks, size_t physical, const char *row);
/* Nothing of it is kept, and the map does not say that this is meant. */
bool sinks_is_lost(const struct sinks *sinks, size_t written);

enum sink_default {
	SINK_DEFAULT_SAME,    /* that of the physical column */
	SINK_DEFAULT_TEXT,    /* an expression of its own */
	SINK_DEFAULT_UNKNOWN,
};
/* What an INSERT that leaves the written column out gives it. */
enum sink_default sinks_default(const struct sinks *sinks, size_t written, const char **text_out);
/* The same as an expression, if it can be had; NULL: it cannot. */
const char *sinks_default_text(const struct sinks *sinks, size_t written);

#endif
