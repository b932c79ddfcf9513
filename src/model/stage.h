/* The flag of a map entry (design.md "Stages"). */
#ifndef CROSSFADE_MODEL_STAGE_H
#define CROSSFADE_MODEL_STAGE_H

#include <stdbool.h>

enum stage { STAGE_OLD, STAGE_DUALWRITE, STAGE_SHADOW, STAGE_LIVE, STAGE_RAMPDOWN, STAGE_COMPLETE };
enum { STAGE_COUNT = STAGE_COMPLETE + 1 };

/* The two schemas a map speaks of, and the two names of an entry. */
enum side { SIDE_OLD, SIDE_NEW };

const char *stage_name(enum stage stage);
bool stage_parse(const char *text, enum stage *stage_out);
/* The side that holds the rows at this stage. */
enum side stage_side(enum stage stage);

const char *side_name(enum side side);
static inline enum side side_other(enum side side)
{
	return side == SIDE_OLD ? SIDE_NEW : SIDE_OLD;
}

#endif
