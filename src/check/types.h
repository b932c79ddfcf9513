/* What a value loses on its way from one type to another. */
#ifndef CROSSFADE_CHECK_TYPES_H
#define CROSSFADE_CHECK_TYPES_H

#include "base/arena.h"

/* NULL: every value of `from` has its place in `to`, as far as can be told. */
const char *types_loss(struct arena *arena, const char *from, const char *to);

#endif
