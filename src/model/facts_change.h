/*
 * Facts after a change of some relations, made of the facts before it and of
 * what was read again. A cutover reads what it moves within its transaction;
 * to read a whole catalog while statements wait would take too long.
 */
#ifndef CROSSFADE_MODEL_FACTS_CHANGE_H
#define CROSSFADE_MODEL_FACTS_CHANGE_H

#include "model/facts.h"

struct facts_change {
	const uint32_t *gone; /* relations that are no longer as they were, or not at all */
	size_t gone_count;
	const char *const *schemas; /* whose privileges may have changed */
	size_t schema_count;
	struct facts *fresh; /* what is there instead: relations, their constraints, denied schemas; not sealed */
};

/* With one reference, sealed. */
struct facts *facts_changed(const struct facts *base, const struct facts_change *change);

/* Whether both say the same, so that rules made of one are right for the other. */
bool facts_same(const struct facts *a, const struct facts *b);

#endif
