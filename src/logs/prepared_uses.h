/*
 * What the statements that a session prepared in SQL use, so that its EXECUTE
 * counts as the statement it runs. Bounded; what is beyond is not known.
 */
#ifndef CROSSFADE_LOGS_PREPARED_USES_H
#define CROSSFADE_LOGS_PREPARED_USES_H

#include "rewrite/rewriter.h"

struct prepared_use {
	char *name;
	struct rewrite *rewrite; /* whose shape this is */
	struct statement_shape *shape;
	bool executed;
};

struct prepared_uses {
	struct prepared_use *items;
	size_t count, capacity;
};

enum { PREPARED_USES_MAX = 200 };

/* Called for each that goes and was never executed. */
typedef void prepared_unused_fn(void *context, struct statement_shape *shape);

/* An effect of kind EFFECT_PREPARE of that rewrite. */
void prepared_uses_set(struct prepared_uses *uses, struct rewrite *rewrite, const struct effect *effect, bool executed,
		       prepared_unused_fn *unused, void *context);
/* NULL: all. */
void prepared_uses_remove(struct prepared_uses *uses, const char *name, prepared_unused_fn *unused, void *context);
bool prepared_uses_knows(struct prepared_uses *uses, const char *name);
/* NULL: not known. It is executed now. */
struct statement_shape *prepared_uses_execute(struct prepared_uses *uses, const char *name);
void prepared_uses_deinit(struct prepared_uses *uses, prepared_unused_fn *unused, void *context);

#endif
